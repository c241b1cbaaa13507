# SPDX-License-Identifier: Apache-2.0
"""What is found about one connection: whether each of its bytes was in a TLS application data record, and else what."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from tlshub_core.types.flow import Mode
from tlshub_core.verifying.flows import Flow
from tlshub_core.verifying.reassembly import Direction
from tlshub_core.verifying.records import Records
from tlshub_core.verifying.scope import Promise

R = TypeVar("R", bound=Records)


class Outcome(Enum):
    """What can be said of a connection.

    ENCRYPTED: each byte, from the first, was in a record. OWN_TLS: the application's own TLS, which its rule leaves
    alone. CLEAR: bytes outside of records. UNKNOWN: not all was seen, or records do not open. SILENT: nothing was sent.
    """

    ENCRYPTED = "encrypted"
    OWN_TLS = "own-tls"
    CLEAR = "clear"
    UNKNOWN = "unknown"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One direction, in bytes and whole records; `ranges` are the first that were in clear, as (offset, size).

    `again` are bytes that were sent twice and differently, or before the stream began: in clear, at no offset.
    """

    size: int
    records: int
    clear: int
    again: int
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One connection; `why` says more than the outcome where that is not what was promised."""

    number: int
    client: str
    server: str
    rule: str
    mode: Mode
    outcome: Outcome
    why: str
    packets: int
    missing: int
    unopened: int
    sent: tuple[Sent, Sent]

    @property
    def bad(self) -> bool:
        """Whether this is not what was promised, or may not be."""
        return self.outcome in (Outcome.CLEAR, Outcome.UNKNOWN)

    @property
    def ends(self) -> tuple[str, str]:
        """The client's and the server's."""
        return self.client, self.server

    def because(self, why: str) -> Finding:
        """The same, with what somebody else knows about it."""
        return replace(self, why=f"{self.why}; {why}" if self.why else why)


def finding(flow: Flow[R], promise: Promise, unopened: int = 0) -> Finding:
    """What is to be said of a connection by now; `unopened` counts records that its keys do not open."""
    sent = _sent(flow.directions[0], flow.sinks[0]), _sent(flow.directions[1], flow.sinks[1])
    outcome, why = _outcome(flow, promise, sent, unopened)
    client, server = flow.names
    return Finding(
        number=flow.number,
        client=client,
        server=server,
        rule=promise.rule,
        mode=promise.mode,
        outcome=outcome,
        why=why,
        packets=flow.packets,
        missing=flow.missing,
        unopened=unopened,
        sent=sent,
    )


def _sent(direction: Direction, records: Records) -> Sent:
    return Sent(
        size=records.size,
        records=records.records,
        clear=records.clear + direction.conflicting,
        again=direction.conflicting,
        ranges=tuple(records.ranges),
    )


def _outcome(flow: Flow[R], promise: Promise, sent: tuple[Sent, Sent], unopened: int) -> tuple[Outcome, str]:
    if not any(direction.used for direction in flow.directions) and not flow.missing:
        return Outcome.SILENT, ""
    if not all(direction.synced for direction in flow.directions):
        return Outcome.UNKNOWN, "not seen from its start"
    if sent[0].clear or sent[1].clear:
        return _in_clear(flow, promise, sent)
    if flow.missing:
        return Outcome.UNKNOWN, f"{flow.missing} bytes were not captured"
    return _sealed(flow, unopened)


def _in_clear(flow: Flow[R], promise: Promise, sent: tuple[Sent, Sent]) -> tuple[Outcome, str]:
    """What was seen in clear was in clear, whatever else is missing."""
    client, server = flow.sinks
    own = client.hello and client.framed and (server.framed or not server.size)
    if own and not (sent[0].again or sent[1].again):
        if not promise.passthrough:
            return Outcome.CLEAR, "the handshake of the application's own TLS"
        return (Outcome.UNKNOWN, f"{flow.missing} bytes were not captured") if flow.missing else (Outcome.OWN_TLS, "")
    return Outcome.CLEAR, ""


def _sealed(flow: Flow[R], unopened: int) -> tuple[Outcome, str]:
    uncompared = sum(direction.uncompared for direction in flow.directions)
    if uncompared:
        return Outcome.UNKNOWN, f"{uncompared} bytes came again too late to be compared"
    if unopened:
        return Outcome.UNKNOWN, f"{unopened} records do not open with its keys"
    if not any(records.records for records in flow.sinks):
        return Outcome.UNKNOWN, "no record was seen whole"
    return Outcome.ENCRYPTED, ""
