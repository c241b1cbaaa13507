# SPDX-License-Identifier: Apache-2.0
"""What the agent says of connections that are not as promised: asked while they live, or read from its events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tlshub_core.control import requests
from tlshub_core.control.answers import FlowsAnswer
from tlshub_core.control.client import CommandError, ask
from tlshub_core.control.rows import FlowRow
from tlshub_core.types.flow import Mode
from tlshub_core.verifying.findings import Finding, Outcome

_LATEST, _MOST = 1000, 10_000
_BEGINS = (b'"Connecting"', b'"TakenOver"')
_ENDS = (b'"ReleasedClear"', b'"Refused"')
Ends = tuple[str, str]


class Word:
    """Explains findings. The agent is asked once for each connection, by its control socket, if it has one here."""

    def __init__(self, socket: Path | None, events: Path | None, live: bool) -> None:
        """Where `live`, only events from now on count."""
        self._socket, self._events = socket, events
        self._from = events.stat().st_size if events and live else 0
        self._said: dict[Ends, str] = {}

    def ask(self, current: Iterable[Finding]) -> None:
        """Ask about those of these that are in clear, or unknown, and were not asked for before."""
        new = [one.ends for one in current if one.bad and one.ends not in self._said][:_LATEST]
        if not new or self._socket is None or len(self._said) > _MOST:
            return
        try:
            answer = ask(self._socket, requests.Flows(state="", limit=_LATEST), FlowsAnswer, "flows")
        except CommandError:
            self._said.update(dict.fromkeys(new, f"no agent answers at '{self._socket}'"))
            return
        rows = {(row.client, row.server): row for row in answer.flows}
        self._said.update({ends: _of_row(rows.get(ends)) for ends in new})

    def read(self, findings: Iterable[Finding]) -> None:
        """Look them up in the events, where there is a file of them. Raises OSError."""
        wanted = {one.ends for one in findings if one.bad}
        if self._events is None or not wanted:
            return
        flows: dict[str, Ends] = {}
        with self._events.open("rb") as file:
            file.seek(self._from)
            for line in file:
                if any(kind in line for kind in (*_BEGINS, *_ENDS)):
                    self._event(line, wanted, flows)

    def why(self, finding: Finding) -> str:
        """What is known of it; '' where nothing is."""
        said = self._said.get(finding.ends, "")
        if not said and finding.outcome is Outcome.CLEAR and finding.mode is Mode.PREFER:
            return "its rule 'prefer' lets it go in clear where the other node's agent does not agree"
        return said

    def _event(self, line: bytes, wanted: set[Ends], flows: dict[str, Ends]) -> None:
        try:
            body = json.loads(line)
            flow, kind = str(body["flow"]), body["event"]
            if kind in ("Connecting", "TakenOver"):
                ends = str(body["client"]), str(body["server"])
                if ends in wanted:
                    flows[flow] = ends
            elif flow in flows:
                became = "released it in clear" if kind == "ReleasedClear" else "refused it"
                self._said[flows.pop(flow)] = f"the agent {became}: {body['reason']}, {body['detail']}"
        except (ValueError, KeyError, TypeError):
            return  # a line that is being written, or of something else


def _of_row(row: FlowRow | None) -> str:
    if row is None:
        return "the agent does not know it"
    if row.state == "open":
        return "the agent takes it for secured: please report this"
    became = {"clear": "in clear", "refused": "refused"}.get(row.state, f"held ('{row.state}')")
    return f"the agent has it as {became}" + (f": {row.reason}" if row.reason else "")
