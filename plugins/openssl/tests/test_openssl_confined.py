# SPDX-License-Identifier: Apache-2.0
"""A session where no memory may be both written and executed, as in the unit for systemd."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tlshub_core.testing import pair as pairs

SESSION = """
import ctypes, sys
from pathlib import Path
PR_SET_MDWE = 65  # Linux 6.3
if ctypes.CDLL(None).prctl(PR_SET_MDWE, 1, 0, 0, 0):
    sys.exit("no PR_SET_MDWE here")
from tlshub_capture_openssl.engine import engines
from tlshub_core.testing import pair
ends = [engines(pair.identity(Path(sys.argv[1]), node, 1))(server) for node, server in (("node-a", 0), ("node-b", 1))]
while not all(end.done() for end in ends):
    for one, other in (ends, ends[::-1]):
        other.feed(one.drain())
print("done")
"""


def test_it_makes_no_code_at_run_time(tmp_path: Path) -> None:
    pairs.identities(tmp_path, 1)
    done = subprocess.run([sys.executable, "-c", SESSION, str(tmp_path)], capture_output=True, text=True, timeout=60)
    if "no PR_SET_MDWE" in done.stderr:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")
    assert done.stdout == "done\n", done.stderr
