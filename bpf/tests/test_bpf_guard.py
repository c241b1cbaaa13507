# SPDX-License-Identifier: Apache-2.0
"""What the programs decide while no agent lives, and what its guard does; without the gate, so on any kernel."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tlshub_capture_bpf import layout, tlshub_capture_backends
from tlshub_capture_bpf.backend import LibbpfBackend
from tlshub_capture_bpf.configuring import configure
from tlshub_capture_bpf.guard import end
from tlshub_capture_bpf.guarding import Guarding, dismiss
from tlshub_capture_bpf.sweeping import SWEPT, Sweeper, Swept

from bpf.tests.test_bpf_leave import backend_of
from tlshub_core.api import FlowClosed, FlowDecided, FlowSeen, Mode, RuleSet, Side, State
from tlshub_core.pipeline import release
from tlshub_core.testing.backend_harness import BackendHarness, Witness, settings_for
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.talker import Talker

HANDSHAKE_NS = 1_000_000_000  # that of the harness
PAST = 1
PATIENCE_S = 20
FD_SETSIZE = 1024  # of <sys/select.h>
GONE = (errno.ECONNABORTED, errno.ECONNRESET)
ZERO = layout.U32.pack(0)
# Connects to itself, sleeps in poll() on one end without a time limit, and says after how many seconds it was woken.
SLEEPER = """
import select, socket, sys, time
open(sys.argv[1] + '/cgroup.procs', 'w').write('0')
sys.stdin.read()
listener = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
end = client if sys.argv[2] == 'client' else server
print('sleeps', flush=True)
began, poll = time.monotonic(), select.poll()
poll.register(end, select.POLLIN)
poll.poll()
try:
    end.recv(1)
except OSError as error:
    print(error.errno, time.monotonic() - began, flush=True)
"""


def settings_of(backend: LibbpfBackend) -> tuple[int, ...]:
    """The programs' settings; the last four are `agent_since`, `life`, `unattended` and `guard`."""
    assert backend._programs is not None
    value = backend._programs.map("settings", layout.SETTINGS.size).get(ZERO)
    assert value is not None
    return layout.SETTINGS.unpack(value)[:-1]  # up to the guard


def sweeper_of(backend: LibbpfBackend, life: int = 0) -> Sweeper:
    """A guard whose agent has just died."""
    programs = backend._programs
    assert programs is not None and backend._libbpf is not None
    fds = programs.descriptor("sweep"), programs.map("ended", 0).fd
    return Sweeper(backend._libbpf, *fds, life or settings_of(backend)[-3], time.monotonic_ns())


async def held(witness: Witness, rules: RuleSet, talker: Talker, count: int = 2) -> list[FlowSeen]:
    """A connection more, both of whose ends are here and wait."""
    backend_of(witness, rules)
    talker.open(1, 1)
    return await witness.until(FlowSeen, count)


class Sleeper:
    """The program SLEEPER."""

    def __init__(self, cgroup: Path, side: Side, *prefix: str) -> None:
        command = [*prefix, sys.executable, "-S", "-c", SLEEPER, str(cgroup), side.name.lower()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begin(self) -> None:
        """Have it connect, and return when it sleeps."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.stdout.readline() == "sleeps\n"

    async def woken(self) -> tuple[int, float]:
        """The error, and after how many seconds; one that nobody wakes is killed, and says neither."""
        assert self._process.stdout is not None
        asyncio.get_running_loop().call_later(PATIENCE_S, self._process.kill)
        number, seconds = (await asyncio.to_thread(self._process.stdout.readline)).split()
        return int(number), float(seconds)

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


@pytest.mark.usefixtures("compiled")
class TestGuard(BackendHarness):
    spec = next(iter(tlshub_capture_backends()))

    @pytest.fixture
    def sleeper(self, cgroup: Path) -> Iterator[Sleeper]:
        sleeper = Sleeper(cgroup, Side.SERVER)
        yield sleeper
        sleeper.end()

    @pytest.fixture
    def elsewhere(self, cgroup: Path) -> Iterator[Sleeper]:
        """In a network namespace of its own; its client's end, whose owner is known without the gate."""
        sleeper = Sleeper(cgroup, Side.CLIENT, "unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$0" "$@"')
        yield sleeper
        sleeper.end()

    @pytest.fixture
    def agent(self) -> Iterator[subprocess.Popen[bytes]]:
        """A process in the place of the agent."""
        agent = subprocess.Popen(["sleep", "infinity"])
        yield agent
        agent.kill()
        agent.wait()

    @pytest.fixture
    def many(self) -> Iterator[None]:
        """What is opened from now on has a number that select() cannot take."""
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
        taken = [os.dup(0) for _ in range(FD_SETSIZE)]
        yield
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    @pytest.mark.parametrize(
        ("mode", "asked", "last"),
        [
            (Mode.REQUIRE, State.NEW, State.REFUSED),
            (Mode.PREFER, State.NEW, State.CLEAR),
            (Mode.PREFER, State.ASKED, State.REFUSED),
            (Mode.REQUIRE, State.INSTALLING, State.REFUSED),
        ],
    )
    def test_flows_are_ended_at_their_deadline_once(
        self, cgroup: Path, talker: Talker, mode: Mode, asked: State, last: State
    ) -> None:
        async def test(witness: Witness) -> None:
            backend = backend_of(witness, rule_set([row(mode)]))
            flows = await held(witness, rule_set([row(mode)]), talker)
            sweeper = sweeper_of(backend)
            assert sweeper.sweep(False) == []
            for flow in flows:
                backend.move(flow.cookie, State.NEW, asked, PAST)
            found = sweeper.sweep(False)
            assert found is not None and sweeper.sweep(False) == []
            swept = {(one.cookie, one.state, one.side, one.tuple) for one in found}
            assert swept == {(flow.cookie, last, flow.side, flow.tuple) for flow in flows}
            told = await witness.until(FlowDecided, 2)
            assert {(one.cookie, one.state) for one in told} == {(flow.cookie, last) for flow in flows}

        self.run(cgroup, test)

    def test_what_is_observed_open_or_released_long_ago_is_left_alone(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            backend = backend_of(witness, rule_set([row(Mode.PREFER)]))
            client, server = await held(witness, rule_set([row(Mode.PREFER)]), talker)
            backend.move(client.cookie, State.NEW, State.OPEN, PAST)
            backend.move(server.cookie, State.NEW, State.CLEAR, PAST)
            await held(witness, rule_set([row(Mode.OBSERVE)]), talker, 4)
            recent = sweeper_of(backend).sweep(False)
            assert [one.cookie for one in recent or []] == [server.cookie], "the agent may have died before it woke it"
            assert sweeper_of(backend).sweep(False) == []

        self.run(cgroup, test)

    def test_an_install_that_may_be_complete_is_not_undone(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            backend = backend_of(witness, rule_set([row(Mode.REQUIRE)]))
            flow, _ = await held(witness, rule_set([row(Mode.REQUIRE)]), talker)
            backend.move(flow.cookie, State.NEW, State.INSTALLING, time.monotonic_ns())
            sweeper = sweeper_of(backend)
            for _ in range(2):
                found = sweeper.sweep(False)
                assert [(one.cookie, one.state) for one in found or []] == [(flow.cookie, State.INSTALLING)]
            backend.move(flow.cookie, State.INSTALLING, State.OPEN)
            assert sweeper.sweep(False) == []

        self.run(cgroup, test)

    def test_many_are_ended_piece_by_piece(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            backend = backend_of(witness, rule_set([row(Mode.REQUIRE)]))
            for _ in range(50):
                talker.open(1, 1)
            for flow in await witness.until(FlowSeen, 100):
                backend.move(flow.cookie, State.NEW, State.NEW, PAST)
            sweeper = sweeper_of(backend)
            sizes = [len(sweeper.sweep(False) or []) for _ in range(3)]
            assert sizes == [SWEPT, 100 - SWEPT, 0]

        self.run(cgroup, test)

    def test_a_guard_whose_agent_was_replaced_does_nothing(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            backend = backend_of(witness, rule_set([row(Mode.REQUIRE)]))
            client, _ = await held(witness, rule_set([row(Mode.REQUIRE)]), talker)
            backend.move(client.cookie, State.NEW, State.NEW, PAST)
            assert sweeper_of(backend, life=5).sweep(True) is None
            assert backend.move(client.cookie, State.NEW, State.NEW) is State.NEW
            assert settings_of(backend)[-2:] == (0, 0)

        self.run(cgroup, test)

    def test_nobody_came_for_long(self, cgroup: Path, talker: Talker) -> None:
        """New connections are decided at once, promised ones refused; a later agent's are held as ever."""
        rules = {mode: rule_set([row(mode)]) for mode in (Mode.OBSERVE, Mode.PREFER, Mode.REQUIRE)}

        async def test(witness: Witness) -> None:
            backend = backend_of(witness, rules[Mode.REQUIRE])
            assert backend._programs is not None
            assert sweeper_of(backend).sweep(True) == []
            life = settings_of(backend)[-3]
            assert settings_of(backend)[-2] == life
            for mode in (Mode.REQUIRE, Mode.PREFER):
                backend_of(witness, rules[mode])
                talker.open(1, 1)
            states = {(one.seen.mode, one.seen.side, one.seen.state) for one in backend.flows()}
            assert states == {(Mode.REQUIRE, side, State.REFUSED) for side in Side} | {
                (Mode.PREFER, side, State.CLEAR) for side in Side
            }
            refused = {one.cookie for one in sweeper_of(backend).sweep(True) or [] if one.state is State.REFUSED}
            assert len(refused) == 2, "whoever sleeps on them is told"
            assert witness.of(FlowSeen) == witness.of(FlowDecided) == []
            told = backend._hearing.tally.settle()
            assert told is not None and (told.released, told.refused) == (2, 2) and told.since_ns <= time.monotonic_ns()
            configure(backend._programs, settings_for(cgroup), life + 1, since=0)
            assert [flow.state for flow in await held(witness, rules[Mode.REQUIRE], talker)] == [State.NEW] * 2

        self.run(cgroup, test)

    def test_each_decision_is_told_once_by_its_event_or_with_others(self, cgroup: Path, talker: Talker) -> None:
        async def test(witness: Witness) -> None:
            backend = backend_of(witness, rule_set([row(Mode.REQUIRE)]))
            first = await held(witness, rule_set([row(Mode.REQUIRE)]), talker)
            self.expire(backend, first)
            await witness.until(FlowDecided, 2)
            assert backend._hearing.tally.settle() is None, "each was told by its event"
            second = (await held(witness, rule_set([row(Mode.REQUIRE)]), talker, 4))[2:]
            self.expire(backend, second)  # their events are in the ring, and this task has not run since
            told = backend._hearing.tally.settle()
            assert told is not None and (told.released, told.refused) == (0, 2) and told.since_ns
            talker.close()
            await witness.until(FlowClosed, 4)
            assert len(witness.of(FlowDecided)) == 2 and backend._hearing.tally.settle() is None

        self.run(cgroup, test)

    def expire(self, backend: LibbpfBackend, flows: list[FlowSeen]) -> list[Swept]:
        for flow in flows:
            backend.move(flow.cookie, State.NEW, State.NEW, PAST)
        swept = sweeper_of(backend).sweep(False)
        assert swept is not None and len(swept) == len(flows)
        return swept

    def test_in_another_network_namespace_the_descriptor_is_what_resets(self, cgroup: Path, elsewhere: Sleeper) -> None:
        async def test(witness: Witness) -> None:
            backend = backend_of(witness, rule_set([row(Mode.REQUIRE)]))
            elsewhere.begin()
            swept = self.expire(backend, await witness.until(FlowSeen, 2))
            assert not any(release.reset(one.cookie, one.tuple, one.side) for one in swept), "they are not here"
            for one in swept:
                end(one)
            number, seconds = await elsewhere.woken()
            assert number in GONE and seconds < 5, (number, seconds)

        self.run(cgroup, test)

    @pytest.mark.usefixtures("many")
    def test_the_guard_wakes_a_sleeper_at_the_deadline_and_ends_with_the_programs(
        self, cgroup: Path, sleeper: Sleeper, agent: subprocess.Popen[bytes]
    ) -> None:
        async def test(witness: Witness) -> None:
            backend = backend_of(witness, rule_set([row(Mode.REQUIRE)]))
            assert backend._programs is not None
            guarding = Guarding(backend._programs, settings_of(backend)[-3], HANDSHAKE_NS, agent.pid)
            guarding.start()
            try:
                sleeper.begin()
                agent.kill()
                number, seconds = await sleeper.woken()
                assert number in GONE and 0.5 < seconds < 3, (number, seconds)
                assert guarding._child is not None and settings_of(backend)[-1] == guarding._child.pid
                async with asyncio.timeout(5):
                    while not settings_of(backend)[-2]:  # noqa: ASYNC110 - another process writes it
                        await asyncio.sleep(0.02)
                guarding.end(stop=False)
                dismiss(backend._programs.map("settings", layout.SETTINGS.size))
                assert guarding._child.poll() == 0, "it is gone when the programs go"
            finally:
                guarding.end(stop=True)

        self.run(cgroup, test)
