# SPDX-License-Identifier: Apache-2.0
"""Whatever happens, in whatever order: never one end in clear and the other in TLS, and never a key left behind."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from socket import socket
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from tlshub_core.pipeline import ktls
from tlshub_core.pipeline.descriptor import cookie_of
from tlshub_core.pipeline.race import EAGER_S
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.node import ISNS, Link, MemoryNode
from tlshub_core.testing.scripted import Script, ScriptedProvider, wiped
from tlshub_core.types.capture import Owner, State
from tlshub_core.types.errors import Reason, Refused, Unavailable, Unsupported
from tlshub_core.types.flow import Mode, Side
from tlshub_core.types.keys import FlowKeys

PROMISED = {State.ASKED, State.ARMED, State.INSTALLING, State.OPEN}
ENDED = {State.OPEN, State.REFUSED, State.CLEAR}
ERRORS = st.sampled_from(
    [
        None, None, None,
        Refused("no", Reason.PEER_REFUSED, by_peer=True),
        Refused("no", Reason.NOT_MINE),
        Unavailable("lost", Reason.PEER_UNREACHABLE),
        Unsupported("never"),
        KeyError("bug"),
        TimeoutError(),
    ]
)  # fmt: skip


class Flows(RuleBasedStateMachine):
    """Plays applications, TCP, the programs, the peer and the kernel's KTLS against the agent's pipeline."""

    flows = Bundle("flows")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.node = MemoryNode(Mode.PREFER)
        self.second = self.node.add("second")
        self.nodes = [self.node]
        self.asked_before: set[int] = set()
        self.installs: Counter[int] = Counter()
        self.waits: list[asyncio.Event] = []
        self.links: list[Link] = []
        self.install_error: Exception | None = None
        self.patch = patch.object(ktls, "install", self.install)
        self.patch.start()

    def install(self, sock: object, keys: FlowKeys, side: Side) -> tuple[int, int]:
        assert not wiped(keys), "keys that are wiped already would be zeros on the wire"
        assert isinstance(sock, socket)
        self.installs[cookie_of(sock)] += 1
        if self.install_error is not None:
            raise self.install_error
        return time.monotonic_ns(), time.monotonic_ns()

    def event(self, wanted: bool) -> asyncio.Event | None:
        if not wanted:
            return None
        self.waits.append(asyncio.Event())
        return self.waits[-1]

    @rule(
        target=flows,
        mode=st.sampled_from([Mode.OBSERVE, Mode.PREFER, Mode.PREFER, Mode.REQUIRE]),
        side=st.sampled_from(Side),
        local=st.booleans(),
        ask=st.booleans(),
        waits=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
        errors=st.tuples(ERRORS, ERRORS, ERRORS),
        promised=st.booleans(),
    )
    def begin(
        self,
        mode: Mode,
        side: Side,
        local: bool,
        ask: bool,
        waits: tuple[bool, bool, bool, bool],
        errors: tuple[Exception | None, Exception | None, Exception | None],
        promised: bool,
    ) -> object:
        if len(self.links) >= 6:
            return multiple()
        link = Link.make("127.0.0.1" if local else "127.0.0.2")
        self.links.append(link)
        self.node.provider.script = Script(
            wait=self.event(waits[0]), ask=ask, asked_wait=self.event(waits[1]), prepare_error=errors[0],
            keys_wait=self.event(waits[2]), keys_error=errors[1],
        )  # fmt: skip
        self.second.script = Script(wait=self.event(waits[3]), ask=ask, prepare_error=errors[2])
        self.node.backend.rules = rule_set([row(mode)])
        if promised and side is Side.SERVER:
            self.node.backend.expect(link.tuple4, 1 << 62)
        cookie = cookie_of(link.client if side is Side.CLIENT else link.server)
        owner = link.owner if side is Side.CLIENT else None
        self.node.backend.begin(side, link.tuple4, cookie=cookie, owner=owner)
        return cookie

    @rule(flow=flows)
    def establish(self, flow: int) -> None:
        if flow in self.node.backend.table:
            self.node.backend.establish(flow, ISNS)

    @rule(flow=flows, held=st.booleans(), right=st.booleans())
    def own(self, flow: int, held: bool, right: bool) -> None:
        here = self.links[0].owner
        self.node.backend.own(flow, here if right else Owner(pid=2**22 + 1, fd=3, inode=0, comm=""), held=held)

    @rule(flow=flows)
    def expire(self, flow: int) -> None:
        if flow in self.node.backend.table:
            self.node.backend.expire(flow)

    @rule(flow=flows)
    def close(self, flow: int) -> None:
        if flow in self.node.backend.table:
            self.node.backend.close(flow)

    @rule(flow=flows)
    def peer_asks(self, flow: int) -> None:
        entry = self.node.backend.table.get(flow)
        if entry is not None and entry.side is Side.SERVER:
            with contextlib.suppress(Refused):
                self.runner.run(self.node.context.expect(entry.tuple4))

    @rule(error=st.sampled_from([None, Unavailable("no KTLS", Reason.KTLS_UNAVAILABLE)]))
    def kernel_changes_its_mind(self, error: Exception | None) -> None:
        self.install_error = error

    @rule(killed=st.booleans(), error=ERRORS)
    def agent_restarts(self, killed: bool, error: Exception | None) -> None:
        """By SIGKILL or in order; what was under way in it is gone, what it held is not."""
        self.runner.run(self.node.die() if killed else self.node.capture.stop())
        table = self.node.backend.table.items()
        self.asked_before |= {cookie for cookie, entry in table if entry.state in PROMISED - {State.OPEN}}
        self.node = self.runner.run(self.node.succeed(Mode.PREFER, Script(prepare_error=error)))
        self.second = self.node.add("second")
        self.nodes.append(self.node)

    @rule()
    def time_passes(self) -> None:
        self.runner.run(asyncio.sleep(EAGER_S))

    @rule(which=st.integers(0, 20))
    def go_on(self, which: int) -> None:
        if self.waits:
            self.waits[which % len(self.waits)].set()

    @rule()
    def settle(self) -> None:
        self.runner.run(self.node.settle())

    @invariant()
    def clear_only_where_the_peer_knows(self) -> None:
        for cookie, history in self.node.backend.histories.items():
            if State.CLEAR in history and PROMISED & set(history):
                assert history[-2:] == [State.ASKED, State.CLEAR], history
                assert cookie not in self.asked_before, history
                assert any(cookie in provider.refused for provider in self.providers()), history

    def providers(self) -> list[ScriptedProvider]:
        running = (one.provider for node in self.nodes for one in node.serving.running.values())
        return [provider for provider in running if isinstance(provider, ScriptedProvider)]

    @invariant()
    def keys_go_into_a_socket_once(self) -> None:
        assert not self.installs or max(self.installs.values()) == 1

    @invariant()
    def decided_is_decided(self) -> None:
        for history in self.node.backend.histories.values():
            assert not {State.CLEAR, State.REFUSED} & set(history[:-1]), history

    def teardown(self) -> None:
        self.settle()
        self.agent_restarts(False, None)
        for cookie in self.node.backend.table:
            self.node.backend.expire(cookie)
        self.settle()
        self.clear_only_where_the_peer_knows()
        assert {entry.state for entry in self.node.backend.table.values()} <= ENDED
        assert all(wiped(keys) for provider in self.providers() for keys in provider.given)
        self.runner.close()
        self.patch.stop()
        for link in self.links:
            link.close()


TestFlows = Flows.TestCase
TestFlows.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
