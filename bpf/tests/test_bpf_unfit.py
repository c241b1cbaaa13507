# SPDX-License-Identifier: Apache-2.0
"""Sockets that can take no TLS are decided upon as they begin, by the programs alone, and told with the reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tlshub_capture_bpf import tlshub_capture_backends

from bpf.tests.test_bpf_leave import backend_of
from tlshub_core.api import FlowDecided, FlowSeen, Match, Mode, Reason, RuleSet, Side, State
from tlshub_core.testing.backend_harness import BackendHarness, Witness
from tlshub_core.testing.matching import row, rule_set

MPTCP, PLAIN, SERVICE = "262", "0", 7431
# The protocols of the listener and of the client.
PATHS = """
import socket, sys
open(sys.argv[1] + '/cgroup.procs', 'w').write('0')
listener, client = (socket.socket(socket.AF_INET, socket.SOCK_STREAM, int(one)) for one in sys.argv[2:])
listener.bind(('127.0.0.1', 0))
listener.listen()
client.connect(listener.getsockname())
listener.accept()
"""
# The local port and the remote one of a socket that is put together; nobody is at the other end.
REPAIRED = """
import socket, sys
open(sys.argv[1] + '/cgroup.procs', 'w').write('0')
local, remote = (('127.0.0.1', int(port)) for port in sys.argv[2:])
with socket.socket() as sock:
    sock.setsockopt(socket.IPPROTO_TCP, 19, 1)
    sock.bind(local)
    sock.connect(remote)
"""
DECIDED = {Mode.REQUIRE: State.REFUSED, Mode.PREFER: State.CLEAR}


def run(program: str, cgroup: Path, *words: str) -> None:
    """Run a program in that cgroup; skips where this kernel does not make such sockets."""
    done = subprocess.run([sys.executable, "-S", "-c", program, str(cgroup), *words], capture_output=True, text=True)
    if "Protocol not" in done.stderr or "PermissionError" in done.stderr:
        pytest.skip(f"this machine does not make such sockets: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("compiled")
class TestUnfit(BackendHarness):
    spec = next(iter(tlshub_capture_backends()))

    def seen(self, cgroup: Path, rules: RuleSet, program: str, *words: str, count: int) -> dict[Side, object]:
        """What became of each side: its first state, and if it was decided upon, by which reason."""
        found = dict[Side, object]()

        async def test(witness: Witness) -> None:
            backend_of(witness, rules)
            run(program, cgroup, *words)
            for flow in await witness.until(FlowSeen, count):
                why = [one.reason for one in witness.of(FlowDecided) if one.cookie == flow.cookie]
                found[flow.side] = (flow.state, why)

        self.run(cgroup, test)
        return found

    @pytest.mark.parametrize("mode", DECIDED)
    @pytest.mark.parametrize("listener", [MPTCP, PLAIN])
    def test_a_client_of_multipath_tcp(self, cgroup: Path, mode: Mode, listener: str) -> None:
        decided = (DECIDED[mode], [Reason.MPTCP])
        found = self.seen(cgroup, rule_set([row(mode)]), PATHS, listener, MPTCP, count=2)
        assert found == {Side.CLIENT: decided, Side.SERVER: decided if listener == MPTCP else (State.NEW, [])}

    def test_a_server_of_multipath_tcp_with_a_plain_client(self, cgroup: Path) -> None:
        found = self.seen(cgroup, rule_set([row(Mode.REQUIRE)]), PATHS, MPTCP, PLAIN, count=2)
        assert found == dict.fromkeys(Side, (State.NEW, []))

    @pytest.mark.parametrize("mode", DECIDED)
    @pytest.mark.parametrize("side", Side)
    def test_one_that_is_taken_up_in_repair_mode(self, cgroup: Path, mode: Mode, side: Side) -> None:
        ports = ("0", str(SERVICE)) if side is Side.CLIENT else (str(SERVICE), "9")
        one = Match(rule=0, mode=mode, sides=frozenset(Side), ports=(SERVICE, SERVICE), network=None)
        found = self.seen(cgroup, rule_set([one]), REPAIRED, *ports, count=1)
        assert found == {side: (DECIDED[mode], [Reason.REPAIR])}
