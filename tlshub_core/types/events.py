# SPDX-License-Identifier: Apache-2.0
"""Typed events for sinks; times are CLOCK_MONOTONIC nanoseconds, no event carries key bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from tlshub_core.numbers import fits
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason
from tlshub_core.types.flow import Mode, Side

SCHEMA_VERSION = 1
RING_BUFFER = "ring buffer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events; `flow` is None for events of the agent itself."""

    time_ns: int
    flow: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connecting(Event):
    """A connection that a rule names was seen."""

    side: Side
    client: str
    server: str
    rule: str
    mode: Mode
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver(Event):
    """A connection that an agent before this one began, and where it stood; where it is held, more events follow."""

    side: Side
    client: str
    server: str
    rule: str
    mode: Mode
    peer: str
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Event):
    """A process called into a socket that was not open yet."""

    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned(Event):
    """The process and descriptor of the socket are known."""

    pid: int
    fd: int
    comm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysAsked(Event):
    """The provider was asked for keys."""

    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysReady(Event):
    """The provider supplied keys."""

    provider: str
    cipher: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured(Event):
    """The socket is KTLS in both directions and open; the durations are in nanoseconds."""

    side: Side
    client: str
    server: str
    pid: int
    comm: str
    provider: str
    cipher: str
    hold_ns: int
    setup_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedClear(Event):
    """The connection was released in clear, as its rule allows."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Event):
    """The connection was refused."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(Event):
    """The connection ended; where the kernel's own event of that was lost, restarts and bytes are 0."""

    secured: bool
    restarts: int
    bytes_sent: int
    bytes_received: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline(Event):
    """What happened to a connection and when, told once, at its end (`time_ns`), right after its `Closed`.

    Times are on the one clock; None where it did not come to that, or is not known: what an agent before this one did,
    or whatever the kernel's own event of the end would have told. `outcome` is the state at the end: 'open' is KTLS.

    `syn_ns`: connect(), whose SYN may wait (connecting side only). `held_ns`: a process called into it and had to wait.
    `owner_ns`: it is known who has it. `asked_ns`, `keys_ns`: the provider was asked, the keys were there. `tx_ns`,
    `rx_ns`: they were in the socket. `released_ns`: the gate was open, or the connection released in clear.
    `first_call_ns`: the first send or receive was let through. `negotiation_ns` is a duration: how long the provider
    took.

    Bytes are payload of TCP: sent, acknowledged or not, and received in order, read or not; TLS 1.3 adds 22 of them to
    each record. Records are the numbers of the next ones as the application closed its socket, those received as far
    as it read them; None after a reset.
    """

    side: Side
    mode: Mode
    provider: str
    outcome: State
    syn_ns: int | None
    established_ns: int | None
    held_ns: int | None
    owner_ns: int | None
    asked_ns: int | None
    keys_ns: int | None
    tx_ns: int | None
    rx_ns: int | None
    released_ns: int | None
    first_call_ns: int | None
    negotiation_ns: int | None
    bytes_sent: int | None
    bytes_received: int | None
    records_sent: int | None
    records_received: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUp(Event):
    """A session with another node's agent is up; `library` is the TLS library of this end, with its version."""

    node: str
    address: str
    dialler: bool
    library: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDown(Event):
    """A session ended, or could not be made: then `node` is empty."""

    node: str
    address: str
    dialler: bool
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost(Event):
    """Events did not reach that sink, or, where that is 'ring buffer', the kernel's did not reach the agent."""

    sink: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unattended(Event):
    """Connections that were released in clear, or refused, in the kernel alone, and that nobody was told of then.

    While no agent ran, the one before having ended at `since_ns` (0: not known), or where kernel events were lost. Some
    may have an event of their own later, with the reason 'event-lost': it is not one more.
    """

    released: int
    refused: int
    since_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded(Event):
    """Rules or mapping were read again."""

    what: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bypass(Event):
    """From now on new connections are left alone, whatever their rule says, or are no more; `seconds` 0: no end set."""

    on: bool
    seconds: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimit(Event):
    """The key of one direction, `sent` by this end or received, has protected as much as one should (RFC 8446, 5.5).

    `records`, and `bytes` as TCP counts them. The connection goes on, or was `closed`, as the configuration says. Of
    one that was secured before the last 'detach' `flow` is None, and its cookie is in the agent's log.
    """

    sent: bool
    records: int
    bytes: int
    closed: bool


KINDS: tuple[type[Event], ...] = (
    Connecting, Held, Owned, KeysAsked, KeysReady, Secured, ReleasedClear, Refused, Closed, Timeline, SessionUp,
    SessionDown, Lost, Unattended, Reloaded, Bypass, TakenOver, KeyLimit,
)  # fmt: skip


def encode(event: Event) -> dict[str, object]:
    """An event as a JSON-ready dict: 'schema', 'event' (its type), then its fields; enums by name or value."""
    body = {f.name: _plain(getattr(event, f.name)) for f in dataclasses.fields(event)}
    return {"schema": SCHEMA_VERSION, "event": type(event).__name__, **body}


def _plain(value: object) -> object:
    if isinstance(value, Reason):
        return value.value
    if isinstance(value, Enum):
        return value.name.lower()
    return str(value) if isinstance(value, UUID) else value


def decode(body: object) -> Event:
    """The event that `encode` made this dict of; strict: raises ValueError for anything that it would not make."""
    if not isinstance(body, Mapping):
        raise ValueError(f"event is {type(body).__name__}, expected an object")
    if body.get("schema") != SCHEMA_VERSION or type(body["schema"]) is not int:
        raise ValueError(f"event has schema {body.get('schema')!r}, expected {SCHEMA_VERSION}")
    name = body.get("event")
    kind, fields, keys = _FORMS.get(name, _UNKNOWN) if isinstance(name, str) else _UNKNOWN
    if kind is Event:
        raise ValueError(f"unknown event {name!r}")
    if body.keys() != keys:
        raise ValueError(f"'{kind.__name__}' has fields {sorted(map(str, body))}, expected {sorted(keys)}")
    return kind(**{name: _value(kind, name, of, body[name]) for name, of in fields})


def _value(kind: type[Event], name: str, of: str, plain: Any) -> Any:
    wire, make = _READERS[of]
    if type(plain) is wire and make is None:
        if isinstance(plain, int) and not fits(plain):
            raise ValueError(f"'{kind.__name__}.{name}' has more than 64 bits")
        return plain
    if plain is None and of.endswith("| None"):
        return None
    where = f"{kind.__name__}.{name}"
    if type(plain) is not wire or make is None:
        raise ValueError(f"'{where}' is {type(plain).__name__}, expected {wire.__name__}")
    try:
        value = make(plain)
    except (KeyError, ValueError) as error:
        raise ValueError(f"'{where}' has the unknown value {plain!r}") from error
    if _plain(value) != plain:
        raise ValueError(f"'{where}' has {plain!r}, which is not how it is written")
    return value


# By annotation: the JSON type of a field, and what makes the value of it where it is not the value itself.
_READERS: Mapping[str, tuple[type, Callable[[Any], object] | None]] = {
    "int": (int, None),
    "int | None": (int, None),
    "str": (str, None),
    "bool": (bool, None),
    "UUID | None": (str, UUID),
    "Side": (str, lambda name: Side[name.upper()]),
    "Mode": (str, lambda name: Mode[name.upper()]),
    "Reason": (str, Reason),
    "State": (str, lambda name: State[name.upper()]),
}

_Form = tuple[type[Event], tuple[tuple[str, str], ...], frozenset[str]]


def _form(kind: type[Event]) -> _Form:
    fields = tuple((f.name, str(f.type)) for f in dataclasses.fields(kind))
    return kind, fields, frozenset({"schema", "event", *(name for name, _ in fields)})


_FORMS: Mapping[str, _Form] = {kind.__name__: _form(kind) for kind in KINDS}
_UNKNOWN = _form(Event)
