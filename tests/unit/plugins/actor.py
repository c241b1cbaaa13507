# SPDX-License-Identifier: Apache-2.0
"""A key provider whose table '[plugin.NAME]' says how it behaves, installed under any name."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from pydantic import BaseModel

from tlshub_core.api import AgentContext, Flow, KeyProviderSpec, Level, Pending, Probe, Unavailable

CODE = """
from tests.unit.plugins.actor import spec
from tlshub_core.api import hookimpl

@hookimpl
def tlshub_key_providers():
    return [spec("{name}")]
"""


class Options(BaseModel, extra="forbid"):
    """`probe` is its answer or 'bug', `start` 'waits', 'gone' or 'bug', `stop` 'bug'; left out, it works."""

    probe: str = "ok"
    start: str = ""
    stop: str = ""


class Actor:
    """`made` has all that were made, the last of each name; `steps` is what was called."""

    made: ClassVar[dict[str, Actor]] = {}

    def __init__(self, name: str, options: Options) -> None:
        self.options, self.steps = options, list[str]()
        self.entered, self.go_on = asyncio.Event(), asyncio.Event()
        self.made[name] = self

    async def probe(self) -> Probe:
        """As the table says."""
        self.steps.append("probe")
        if self.options.probe == "bug":
            raise KeyError("a bug")
        return Probe(level=Level(self.options.probe), message="as the test wants it", remedy="mend it")

    async def start(self, agent: AgentContext) -> None:
        """As the table says."""
        self.steps.append("start")
        self.entered.set()
        match self.options.start:
            case "waits":
                await self.go_on.wait()
            case "gone":
                raise Unavailable("as the test wants it")
            case "bug":
                raise KeyError("a bug")

    async def stop(self) -> None:
        """As the table says."""
        self.steps.append("stop")
        if self.options.stop == "bug":
            raise KeyError("a bug")

    async def prepare(self, flow: Flow) -> Pending:
        """It never serves a flow."""
        raise Unavailable("not in this test")


def spec(name: str) -> KeyProviderSpec:
    """The descriptor of that name; those that begin with 'z' cannot leave a connection alone."""
    return KeyProviderSpec(
        name=name,
        summary=f"acts as {name}",
        config=Options,
        factory=lambda options: Actor(name, options),
        passthrough=not name.startswith("z"),
    )
