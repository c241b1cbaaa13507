# SPDX-License-Identifier: Apache-2.0
"""A bench measures no agent that is still about what it left until it captured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from bench.agents import settled
from bench.cpu import family, seconds

BUSY_S = 1.0
BUSY = f"import time\nprint(flush=True)\nwhile time.process_time() < {BUSY_S}: pass\ntime.sleep(60)"
OUTER = f"import subprocess, sys\nwith subprocess.Popen([sys.executable, '-c', {BUSY!r}]): pass"


@pytest.mark.parametrize("program", [BUSY, OUTER], ids=["itself", "its-child"])
def test_a_process_is_waited_for_until_nothing_is_done(program: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline(), "it began"
        settled(process.pid)
        assert seconds([process.pid]) >= BUSY_S
    finally:
        for pid in reversed(family(process.pid)):
            os.kill(pid, signal.SIGKILL)
        process.communicate()
