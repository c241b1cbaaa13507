# SPDX-License-Identifier: Apache-2.0
"""The systemd unit: what systemd says of it, offline, and the agent under the same restrictions."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import confined as confinement
from tests.confined import UNIT, bounding, values
from tests.unit.agent.test_agent_observe import Running, agent, until
from tlshub_core.privileges import RUNNING, Capability

__all__ = ["agent"]
FOLDER = UNIT.parent
NO_WRITABLE_CODE = """
import ctypes, os, sys
PR_SET_MDWE = 65  # Linux 6.3
if ctypes.CDLL(None).prctl(PR_SET_MDWE, 1, 0, 0, 0):
    sys.exit("cannot load the programs: no PR_SET_MDWE here")
os.execv(sys.argv[1], sys.argv[1:])
"""


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    """A verb of systemd-analyze; skips where it is not there, or older than its options."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("'systemd-analyze' is not installed: apt-get install systemd")
    done = subprocess.run(["systemd-analyze", "--no-pager", *words, str(UNIT)], capture_output=True, text=True)
    if "unrecognized option" in done.stderr:
        pytest.skip("'systemd-analyze' is older than 250, which cannot judge a file")
    return done


def test_its_exposure_is_what_the_page_says() -> None:
    done = analyze("security", "--offline=true")
    found = re.search(r"Overall exposure level for tlshub-capture.service: ([0-9.]+)", done.stdout)
    assert found, done
    promised = re.search(r"`systemd-analyze security` gives it ([0-9.]+)", (FOLDER / "README.md").read_text())
    assert promised and float(found[1]) <= float(promised[1])


def test_systemd_understands_every_line() -> None:
    done = analyze("verify", "--man=false", "--generators=false")
    missing = "tlshub-capture.service: Command /opt/tlshub-capture/bin/tlshub-capture is not executable"
    assert {line for line in done.stderr.splitlines() if not line.startswith(missing)} == set(), done.stderr


def test_what_the_agent_keeps_it_is_given() -> None:
    assert {one.name for one in RUNNING} < bounding() <= {one.name for one in Capability}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to give up capabilities")
def test_the_agent_works_with_those_capabilities_and_system_calls_alone(agent: Running) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("'systemd-analyze' is not installed: apt-get install systemd")
    confined = [sys.executable, str(Path(confinement.__file__))]
    trace = [sys.executable, "-c", "import ctypes, os; os._exit(-ctypes.CDLL(None).ptrace(0, 0, 0, 0))"]
    assert subprocess.run(trace).returncode == 0 and subprocess.run([*confined, *trace]).returncode == 1
    agent.configure("all")
    agent.start(*confined)
    agent.configure("after")
    agent.process.send_signal(signal.SIGHUP)
    until(lambda: "rules and mapping reloaded" in agent.text())
    assert "Seccomp:\t2" in Path(f"/proc/{agent.process.pid}/status").read_text()
    assert agent.end() == 0, agent.text()
    assert "Traceback" not in agent.text() and "needs CAP" not in agent.text()


def test_the_agent_makes_no_code_at_run_time(agent: Running) -> None:
    assert values("MemoryDenyWriteExecute") == [["yes"]]
    makes_some = "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)"
    words = [sys.executable, "-c", NO_WRITABLE_CODE, sys.executable, "-c", makes_some]
    refused = subprocess.run(words, capture_output=True, text=True).stderr
    assert "PermissionError" in refused or "no PR_SET_MDWE" in refused
    agent.configure("all")
    agent.start(sys.executable, "-c", NO_WRITABLE_CODE)
    assert agent.end() == 0, agent.text()
