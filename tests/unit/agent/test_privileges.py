# SPDX-License-Identifier: Apache-2.0
"""Capabilities are given up for good, by the thread that gives them up and all that it starts; as root, in a child."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tlshub_core.privileges import RUNNING, Capability, running

DROP = "from tlshub_core.privileges import *; from tlshub_core import privileges; drop(RUNNING)\n"
ALL = sum(1 << one for one in RUNNING)
pytestmark = pytest.mark.skipif(
    not int(Path("/proc/self/status").read_text().split("CapPrm:")[1].split()[0], 16) >> Capability.SETPCAP & 1,
    reason="needs root: to have capabilities that can be given up",
)


def python(code: str, *before: str) -> str:
    done = subprocess.run([*before, sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sets(said: str) -> dict[str, int]:
    fields = (line.split(":") for line in said.splitlines() if line.startswith(("Cap", "NoNewPrivs")))
    return {name: int(value, 16) for name, value in fields}


EXPECTED = {"CapInh": 0, "CapPrm": ALL, "CapEff": ALL, "CapBnd": ALL, "CapAmb": 0, "NoNewPrivs": 1}
SHOW = "print(open('/proc/thread-self/status').read())"


def test_what_is_left() -> None:
    assert sets(python(DROP + SHOW)) == EXPECTED


def test_what_it_starts_as_root_has_no_more() -> None:
    assert sets(python(DROP + "import subprocess; subprocess.run(['cat', '/proc/self/status'])")) == EXPECTED


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.sethostname(socket.gethostname())",
        "os.setuid(65534)",
        "os.chroot('/')",
        "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "privileges._bound(())",
        "libc = privileges._libc; halves = (privileges._Half * 2)(*[privileges._Half(2**32 - 1, 2**32 - 1, 0)] * 2); "
        "failed = libc.capset(ctypes.byref(privileges._Header(0x20080522, 0)), halves); "
        "assert not failed, 'PermissionError: capset'",
    ],
    ids=["sethostname", "setuid", "chroot", "packet", "bound", "capset"],
)
def test_what_is_gone_is_gone(attempt: str) -> None:
    done = subprocess.run([sys.executable, "-c", DROP + attempt], capture_output=True, text=True)
    assert done.returncode == 1 and "PermissionError" in done.stderr, done.stderr


def test_what_it_does_not_have_it_does_not_get() -> None:
    only = 1 << Capability.NET_ADMIN
    found = sets(python(DROP + SHOW, "setpriv", "--bounding-set=-all,+net_admin", "--inh-caps=-all"))
    assert (found["CapPrm"], found["CapEff"], found["CapBnd"]) == (only, only, only)


def test_threads_of_the_pool_have_no_more_from_their_beginning_and_others_are_named() -> None:
    code = """
import threading
import time
from tlshub_core.privileges import *
done = threading.Event()
early = threading.Thread(target=done.wait)
early.start()
with pool(RUNNING) as threads:
    inside = threads.submit(lambda: open('/proc/thread-self/status').read()).result()
    assert excess(RUNNING) == tuple(sorted((threading.get_native_id(), early.native_id))), excess(RUNNING)
    settle(RUNNING)
    assert excess(RUNNING) == (early.native_id,)
done.set()
early.join()
deadline = time.monotonic() + 10
while excess(RUNNING) and time.monotonic() < deadline:
    time.sleep(0.01)  # the kernel has a thread a moment longer than Python
assert excess(RUNNING) == ()
late = threading.Thread(target=lambda: print(open('/proc/thread-self/status').read()))
late.start()
late.join()
print('--')
print(inside)
"""
    late, inside = python(code).split("--")
    assert sets(late) == sets(inside) == EXPECTED


def test_a_low_port_can_be_bound_while_it_runs() -> None:
    assert running(4646) == RUNNING and running(443) == RUNNING | {Capability.NET_BIND_SERVICE}


def test_memory_stays_private_and_new_memory_is_locked() -> None:
    code = """
import ctypes
from tlshub_core import process
process.protect()
from tlshub_core.privileges import *
drop(RUNNING)
block = bytearray(64 << 20)
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
print(open('/proc/self/status').read())
"""
    said = python(code)
    fields = dict(line.split(":\t", 1) for line in said.splitlines()[1:] if ":\t" in line)
    assert said.startswith("0\n") and int(fields["VmLck"].split()[0]) > 65536
    assert os.geteuid() == 0
