# SPDX-License-Identifier: Apache-2.0
"""An agent that does not see the processes whose sockets it needs does not begin to hold them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ATTACH = """
import asyncio, sys
from pathlib import Path
from tlshub_capture_bpf.backend import LibbpfBackend
from tlshub_core.api import Mode, Unavailable
from tlshub_core.testing.backend_harness import settings_for
from tlshub_core.testing.matching import row, rule_set

async def test():
    backend = LibbpfBackend()
    try:
        await backend.attach(rule_set([row(Mode.PREFER)]), settings_for(Path(sys.argv[1])))
    except Unavailable as error:
        print(error)
    await backend.detach(unpin=True)

asyncio.run(test())
"""


@pytest.mark.usefixtures("compiled")
def test_in_a_pid_namespace_of_its_own(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("needs root: to make a pid namespace")
    words = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", ATTACH, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert "in a pid namespace of its own" in done.stdout and "hostPID" in done.stdout, done
