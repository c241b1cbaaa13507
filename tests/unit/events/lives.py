# SPDX-License-Identifier: Apache-2.0
"""What an agent says of one connection, event by event, with times that can be told apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID, uuid4

from tlshub_core.api import Event, Mode, Reason, Side, State, events

MS = 1_000_000
BEGAN_NS = 1_000_000 * MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One connection; each method is one of its events."""

    flow: UUID = field(default_factory=uuid4)
    mode: Mode = Mode.REQUIRE
    side: Side = Side.CLIENT
    provider: str = "openssl"
    comm: str = "curl"

    def connecting(self) -> Event:
        return events.Connecting(time_ns=BEGAN_NS, flow=self.flow, mode=self.mode, **self._ends, rule="web", peer="b")

    def taken_over(self, state: State) -> Event:
        return events.TakenOver(
            time_ns=BEGAN_NS, flow=self.flow, mode=self.mode, **self._ends, rule="web", peer="b", state=state
        )

    def owned(self) -> Event:
        return events.Owned(time_ns=BEGAN_NS, flow=self.flow, pid=7, fd=3, comm=self.comm)

    def asked(self) -> Event:
        return events.KeysAsked(time_ns=BEGAN_NS + MS, flow=self.flow, provider=self.provider)

    def ready(self) -> Event:
        when = BEGAN_NS + 5 * MS
        return events.KeysReady(time_ns=when, flow=self.flow, provider=self.provider, cipher="aes-gcm-128")

    def secured(self) -> Event:
        return events.Secured(
            time_ns=BEGAN_NS + 8 * MS,
            flow=self.flow,
            **self._ends,
            pid=7,
            comm=self.comm,
            provider=self.provider,
            cipher="aes-gcm-128",
            hold_ns=2 * MS,
            setup_ns=8 * MS,
        )

    def released(self, reason: Reason = Reason.NO_AGENT) -> Event:
        return events.ReleasedClear(time_ns=BEGAN_NS + 6 * MS, flow=self.flow, reason=reason, detail="why")

    def refused(self, reason: Reason = Reason.PEER_REFUSED) -> Event:
        return events.Refused(time_ns=BEGAN_NS + 6 * MS, flow=self.flow, reason=reason, detail="why")

    def closed(self, sent: int = 100, received: int = 200, *, secured: bool = False) -> Event:
        return events.Closed(
            time_ns=BEGAN_NS + 1500 * MS,
            flow=self.flow,
            secured=secured,
            restarts=3,
            bytes_sent=sent,
            bytes_received=received,
        )

    def whole(self) -> list[Event]:
        """All of one that was secured."""
        began = [self.connecting(), self.owned(), self.asked(), self.ready(), self.secured()]
        return [*began, self.closed(secured=True)]

    @property
    def _ends(self) -> dict[str, object]:
        return {"side": self.side, "client": "10.0.0.1:40000", "server": "10.0.0.2:80"}
