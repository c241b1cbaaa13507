# SPDX-License-Identifier: Apache-2.0
"""A bench measures no agent that is still about what it left until it captured."""

from __future__ import annotations

import subprocess
import sys

from bench.agents import settled
from bench.cpu import own

BUSY_S = 1.0
BUSY = f"import time\nwhile time.process_time() < {BUSY_S}: pass\nprint(flush=True)\ntime.sleep(60)"


def test_a_process_is_waited_for_until_it_does_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE)
    try:
        settled(process.pid)
        assert own(process.pid) >= BUSY_S
    finally:
        process.kill()
        process.communicate()
