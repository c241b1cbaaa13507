# SPDX-License-Identifier: Apache-2.0
"""The parts of an agent whose kernel is in memory, all others real, and its commands."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from tests.unit.config.samples import write
from tlshub_core.config import load
from tlshub_core.control import requests
from tlshub_core.control.answers import Answer, FlowsAnswer, StatusAnswer
from tlshub_core.control.binding import Caller
from tlshub_core.control.ledger import Ledger
from tlshub_core.control.parts import Parts
from tlshub_core.control.requests import Request
from tlshub_core.control.rows import FlowRow
from tlshub_core.events.sinks import Sinks
from tlshub_core.in_force import InForce
from tlshub_core.pipeline.rules import compile_rules
from tlshub_core.plugins import Registry
from tlshub_core.providers import Providers
from tlshub_core.reloading import Reloading
from tlshub_core.ruling import Ruling
from tlshub_core.testing.node import MemoryNode
from tlshub_core.types.flow import Tuple4

CONFIG = '[keys]\nprovider = "scripted"\n[peering]\nnode = "here"\n'
RULE = '[[rule]]\nname = "web"\nmatch = { ports = [80, "8000-8100"], direction = "in" }\nmode = "prefer"\n'
REST = '[[rule]]\nname = "rest"\nmode = "require"\n'
HERE, THERE = IPv4Address("127.0.0.1"), IPv4Address("127.0.0.2")
ME = Caller(pid=7, uid=0)


class Home:
    """`node` is the kernel and the pipeline, `parts` what commands are about; `rows` is what was sent of a table."""

    def __init__(self, folder: Path, text: str = CONFIG + RULE + REST, node: MemoryNode | None = None) -> None:
        self.file = write(folder, text)
        self.node, config = node or MemoryNode(), load(self.file)
        self.ledger = Ledger(self.node.events.append)
        self.node.context._emit = self.ledger.emit
        in_force, rules = InForce(config), compile_rules(config, None)
        self.node.backend.replace(rules)
        ruling = Ruling(self.node.backend, rules, self.ledger.emit)
        providers = Providers(self.node.context, Registry(), in_force, self.node.serving)
        self.parts = Parts(
            backend="memory",
            programs=("one", "two"),
            notices=("something is lacking",),
            in_force=in_force,
            mapping=None,
            serving=self.node.serving,
            providers=providers,
            ruling=ruling,
            reloading=Reloading(in_force, lambda: load(self.file), None, ruling, providers, self.ledger.emit),
            capture=self.node.capture,
            ledger=self.ledger,
            sinks=Sinks(),
        )
        self.rows: list[object] = []

    async def ask(self, request: Request) -> Answer:
        """The answer to a request."""
        return await self.parts.handle(request, ME, self._send)

    async def flows(self, state: str = "", limit: int = 1000) -> tuple[int, list[FlowRow]]:
        """How many connections are in that state, and the rows of those that are shown."""
        self.rows.clear()
        answer = await self.ask(requests.Flows(state=state, limit=limit))
        assert isinstance(answer, FlowsAnswer) and answer.flows == ()
        return answer.total, [row for row in self.rows if isinstance(row, FlowRow)]

    async def status(self) -> StatusAnswer:
        """How the agent is."""
        answer = await self.ask(requests.Status())
        assert isinstance(answer, StatusAnswer)
        return answer

    async def _send(self, rows: Sequence[object]) -> None:
        self.rows += rows


def out(port: int) -> Tuple4:
    """A connection of this node's, from that port."""
    return Tuple4(client=HERE, client_port=port, server=THERE, server_port=443)
