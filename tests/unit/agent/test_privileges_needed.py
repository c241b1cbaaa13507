# SPDX-License-Identifier: Apache-2.0
"""Each capability that an agent keeps is one without which something of its work fails, and with which it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stranger import UID
from tlshub_core.privileges import RUNNING, Capability
from tlshub_core.testing.node import Link

LOCKABLE = 8 << 20  # RLIMIT_MEMLOCK of most machines
WORK = """
import sys
from tlshub_core import process
process.protect()
from tlshub_core.privileges import *
drop([one for one in RUNNING if one.name != sys.argv[1]])
"""
TAKE = """
from tlshub_core.pipeline.descriptor import take
from tlshub_core.types.capture import Owner
found = take(Owner(pid=int(sys.argv[2]), fd=int(sys.argv[3]), inode=0, comm=''), int(sys.argv[4]))
print('done' if found else 'nothing')
"""
DESTROY = """
from ipaddress import ip_address
from tlshub_core.pipeline.sockdiag import destroy
from tlshub_core.types.flow import Side, Tuple4
ends = dict(zip(('client', 'client_port', 'server', 'server_port'), map(eval, sys.argv[3:])))
print('done' if destroy(int(sys.argv[2]), Tuple4(**ends), Side.CLIENT) else 'nothing')
"""
SWAP = """
from tlshub_capture_bpf.libbpf import Libbpf
Libbpf().code('bpf_map_create', 2, b'ruleset', 4, 8, 1, None)
print('done')
"""
HURRY = """
import os, resource
resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
print('done')
"""
GO_ON = """
import os, signal
os.setsid()
os.kill(int(sys.argv[2]), signal.SIGCONT)
print('done')
"""
GROW = "print('done' if bytearray(64 << 20) else 'nothing')"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to give up capabilities")


@pytest.fixture
def link() -> Iterator[Link]:
    found = Link.make()
    yield found
    found.close()


@contextmanager
def of_another_user(fd: int) -> Iterator[int]:
    """A process of a user without privilege that has this descriptor."""
    words = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "sh", "-c", "echo ready; exec sleep 60"]
    with subprocess.Popen(words, pass_fds=[fd], stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None and victim.stdout.readline() == b"ready\n"
        yield victim.pid
        victim.kill()


def done(code: str, without: str, *words: object) -> bool:
    """Whether an agent could do that without a capability; skips where this machine cannot tell."""
    command = ["prlimit", f"--memlock={LOCKABLE}", sys.executable, "-c", WORK + code, without, *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True)
    if "Operation not supported" in ran.stderr:
        pytest.skip("this kernel cannot do it at all")
    denied = ("PermissionError", "MemoryError", "[Errno 1]", "[Errno 13]")
    assert ran.stdout == "done\n" or any(word in ran.stderr for word in denied), (ran.stdout, ran.stderr)
    return ran.stdout == "done\n"


def check(capability: Capability, code: str, *words: object) -> None:
    """It can be done with all of them, and not without that one."""
    assert done(code, "none", *words) and not done(code, capability.name, *words)


@pytest.mark.parametrize(
    ("capability", "known"), [(Capability.SYS_PTRACE, True), (Capability.DAC_READ_SEARCH, False)], ids=str
)
def test_the_socket_of_another_users_process(link: Link, capability: Capability, known: bool) -> None:
    with of_another_user(link.owner.fd) as pid:
        check(capability, TAKE, pid, link.owner.fd if known else -1, link.cookie)


def test_a_connection_is_reset(link: Link) -> None:
    ends = link.tuple4
    words = (f"ip_address('{ends.client}')", ends.client_port, f"ip_address('{ends.server}')", ends.server_port)
    assert not done(DESTROY, Capability.NET_ADMIN.name, link.cookie, *words)
    assert done(DESTROY, "none", link.cookie, *words)


def test_rules_are_swapped() -> None:
    if Path("/proc/sys/kernel/unprivileged_bpf_disabled").read_text() == "0\n":
        pytest.skip("this machine lets everybody make BPF maps")
    check(Capability.BPF, SWAP)


def test_memory_grows() -> None:
    check(Capability.IPC_LOCK, GROW)


def test_a_guard_that_ended_is_started_anew_with_the_agents_priority() -> None:
    check(Capability.SYS_NICE, HURRY)


def test_a_stopped_process_of_another_user_goes_on(link: Link) -> None:
    with of_another_user(link.owner.fd) as pid:
        check(Capability.KILL, GO_ON, pid)


def test_these_are_all() -> None:
    tested = {Capability.SYS_PTRACE, Capability.DAC_READ_SEARCH, Capability.NET_ADMIN, Capability.BPF}
    assert {*tested, Capability.IPC_LOCK, Capability.SYS_NICE, Capability.KILL} == RUNNING
