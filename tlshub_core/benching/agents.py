# SPDX-License-Identifier: Apache-2.0
"""The running agents: which key provider serves, and whether a connection is what its variant says it is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tlshub_core.benching.work import Ready
from tlshub_core.control import answers, requests
from tlshub_core.control.client import CommandError, ask
from tlshub_core.control.rows import FlowRow
from tlshub_core.pipeline.local import NAME as LOCAL
from tlshub_core.types.errors import Unavailable

_MANY = 4096
_PATIENCE_S, _PAUSE_S = 5.0, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Agents:
    """`own` is the control socket of this node's agent; `others` are those of agents that are switched before it."""

    own: Path
    others: tuple[Path, ...] = ()

    def absent(self) -> str:
        """Why this node's agent cannot be asked; empty where it can."""
        try:
            _default(self.own)
        except CommandError as error:
            return str(error)
        return ""

    def described(self) -> str:
        """This node's agent in words; raises CommandError."""
        found = ask(self.own, requests.Status(), answers.StatusAnswer)
        return f"{found.release}, node '{found.node}', backend '{found.backend}'"

    @contextmanager
    def restored(self) -> Iterator[None]:
        """After the block, every agent has the default provider again that it had before. Raises CommandError."""
        before = {path: _default(path) for path in (*self.others, self.own)}
        try:
            yield
        finally:
            for path, name in before.items():
                if _default(path) != name:
                    ask(path, requests.Provider(name=name), answers.ProvidersAnswer)

    def switch(self, name: str) -> None:
        """Have that provider serve connections that begin from now on; raises CommandError."""
        for path in (*self.others, self.own):
            if name != LOCAL and _default(path) != name:
                ask(path, requests.Provider(name=name), answers.ProvidersAnswer)

    def secured(self, ends: Sequence[Ready], provider: str) -> None:
        """These clients' ends are KTLS by that provider; raises Unavailable where one is not.

        An agent may say so a moment later than the application's first bytes went.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while wrong := self._wrong(ends, provider):
            if time.monotonic() > deadline:
                raise Unavailable(wrong)
            time.sleep(_PAUSE_S)

    def _wrong(self, ends: Sequence[Ready], provider: str) -> str:
        rows = self._rows()
        for name in map(_name, ends):
            row = rows.get(name)
            if row is None:
                return "the agent knows nothing of it: rules for the captured port are needed, on both nodes"
            if (row.state, row.provider) != ("open", provider):
                why = f" ({row.reason})" if row.reason else ""
                return f"rule '{row.rule}' made it '{row.state}'{why}, by provider '{row.provider}'"
        return ""

    def untouched(self, ends: Sequence[Ready]) -> None:
        """None of these clients' ends is captured; raises Unavailable where one is."""
        rows = self._rows()
        for row in filter(None, map(rows.get, map(_name, ends))):
            if row.state != "clear":
                raise Unavailable(f"rule '{row.rule}' captures it: choose ports that no rule names, with '--port'")

    def _rows(self) -> Mapping[str, FlowRow]:
        found = ask(self.own, requests.Flows(state="", limit=_MANY), answers.FlowsAnswer, "flows")
        return {row.client: row for row in found.flows if row.side == "client"}


def _default(path: Path) -> str:
    running = ask(path, requests.Providers(), answers.ProvidersAnswer).providers
    return next((one.name for one in running if one.default), "")


def _name(end: Ready) -> str:
    return f"[{end.address}]:{end.port}" if ":" in end.address else f"{end.address}:{end.port}"
