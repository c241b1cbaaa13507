# SPDX-License-Identifier: Apache-2.0
"""What is imported when: nothing of a TLS library to list the plugins, and all of it before the first session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LISTED = """
import sys, tlshub_capture_boringssl
(spec,) = tlshub_capture_boringssl.tlshub_key_providers()
print(sorted({"utls", "cryptography", "OpenSSL"} & set(sys.modules)))
"""
FIRST_SESSION = """
import asyncio, pathlib, sys
import tlshub_capture_boringssl
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import agreed, started

(spec,) = tlshub_capture_boringssl.tlshub_key_providers()
one, two = (pairs.identity(pathlib.Path(sys.argv[1]), node, int(sys.argv[2])) for node in ("node-a", "node-b"))
client, server = (spec.factory(spec.config(listen=address)) for address in ("127.0.0.1", "127.0.0.2"))
pair = pairs.Pair(
    client=client, server=server, client_agent=pairs.agent(one, spec.name), server_agent=pairs.agent(two, spec.name)
)

async def main():
    async with started(pair):
        before = set(sys.modules)
        await agreed(pair, *pairs.flows(40_001))
        print(sorted(set(sys.modules) - before))

asyncio.run(main())
"""


def printed(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_listing_imports_no_tls_library() -> None:
    assert printed(LISTED) == "[]"


def test_the_first_session_imports_nothing(tmp_path: Path) -> None:
    made = "import pathlib, sys; from tlshub_core.testing import pair; port = pair.free_port()\n"
    port = printed(made + "pair.identities(pathlib.Path(sys.argv[1]), port); print(port)", str(tmp_path))
    assert printed(FIRST_SESSION, str(tmp_path), port) == "[]"
