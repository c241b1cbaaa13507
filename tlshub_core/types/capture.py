# SPDX-License-Identifier: Apache-2.0
"""What a capture backend tells the core, and what the core tells it; times are CLOCK_MONOTONIC nanoseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from tlshub_core.types.errors import Reason
from tlshub_core.types.flow import Isns, Mode, Side, Tuple4

Network = IPv4Network | IPv6Network
NOBODY_WAITS_NS = 2**64 - 1  # a deadline that the programs replace, at the next call into the socket, by `gate_ns`


class State(IntEnum):
    """States of a flow in the BPF flow table; held from NEW until OPEN."""

    NEW = 1
    ASKED = 2
    ARMED = 3
    INSTALLING = 4
    OPEN = 5
    REFUSED = 6
    CLEAR = 7


# Nothing waits any more: neither a call nor a peer.
DECIDED = (State.OPEN, State.REFUSED, State.CLEAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The process that holds the socket; `fd` is -1 where only the process (and the socket's inode) is known."""

    pid: int
    fd: int
    inode: int
    comm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSeen:
    """A matched connection begins: at TCP_CONNECT_CB (client) or PASSIVE_ESTABLISHED_CB (server).

    With `passthrough` its rule leaves it alone where the client begins with a TLS ClientHello.
    """

    cookie: int
    time_ns: int
    side: Side
    tuple: Tuple4
    rule: int
    mode: Mode
    state: State
    syn_held: bool
    owner: Owner | None
    passthrough: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowEstablished:
    """The TCP handshake is complete and both initial sequence numbers are known."""

    cookie: int
    time_ns: int
    local_isn: int
    remote_isn: int

    def isns(self, side: Side) -> Isns:
        """The two numbers by role, the same on both ends."""
        client = side is Side.CLIENT
        return Isns(
            client=self.local_isn if client else self.remote_isn,
            server=self.remote_isn if client else self.local_isn,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowOwned:
    """A process has the socket's descriptor: `accept` returned it, or a held call showed who has it."""

    cookie: int
    time_ns: int
    owner: Owner
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSpoke:
    """A client under a rule with passthrough made its first call: whether it wants to send a TLS ClientHello."""

    cookie: int
    time_ns: int
    tls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowDecided:
    """The programs decided alone: now REFUSED or CLEAR.

    By deadline, a socket that can take no KTLS, simultaneous open, full table; passthrough that was agreed on, or that
    turned out not to be TLS.
    """

    cookie: int
    time_ns: int
    state: State
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowClosed:
    """The socket reached TCP_CLOSE; the bytes are payload of TCP, both directions, those of TLS records as they are.

    Sent: what left, acknowledged or not; received: what came in order, read or not. Of a time that is None it never
    came: somebody was held, the gate was opened (or the flow released in clear), and the first call of the application
    was let through, a send or a receive. Records are the numbers of the next ones as the application closed its socket;
    None where they are not known, as after a reset.
    """

    cookie: int
    time_ns: int
    state: State
    restarts: int
    held_ns: int
    bytes_sent: int
    bytes_received: int
    first_held_ns: int | None = None
    released_ns: int | None = None
    first_call_ns: int | None = None
    records_sent: int | None = None
    records_received: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowWorn:
    """The key of one direction has protected as much as was asked for: `sent` by this end, or received.

    `records` is the number of the next one; `bytes` are TCP's, those of the records' own framing among them.
    """

    cookie: int
    time_ns: int
    sent: bool
    records: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrun:
    """The ring buffer was full and events were lost; the flow table has to be walked."""

    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowKept:
    """One flow of the table, in the words of the events that told of it: for who has not heard them, or not all.

    `seen.state` is the state of now, `seen.time_ns` that of the beginning. Of TCP's handshake and of the owner a time
    that the table does not keep is that of the beginning; `owned` is the owner known last, also where the flow began
    with it.
    """

    seen: FlowSeen
    established: FlowEstablished | None
    owned: FlowOwned | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unaccounted:
    """Decisions of the programs alone that no FlowDecided tells, nor ever will; each decision is told once, in one way.

    They were made while no agent ran, the one before having ended at `since_ns` (0: not known), or in an overrun.
    """

    released: int
    refused: int
    since_ns: int


CaptureEvent = (
    FlowSeen | FlowEstablished | FlowOwned | FlowSpoke | FlowDecided | FlowClosed | FlowWorn | Overrun | Unaccounted
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One row of the compiled rules: first match wins; `ports` is inclusive, `directions` a set of sides."""

    rule: int
    mode: Mode
    sides: frozenset[Side]
    ports: tuple[int, int]
    network: Network | None
    comm: str = ""
    passthrough: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """The compiled rules of a configuration; `names[i]` is the name of the rule with number i."""

    names: tuple[str, ...]
    matches: tuple[Match, ...]


def _nobody(_program: str) -> None:
    """Is told of programs where no agent is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """What a backend is attached with; times are nanoseconds: see the table '[capture]'.

    `attached` is told of each program, with where that is, as soon as it is attached.
    """

    cgroup: Path
    cgroup_root: Path
    pins: Path
    table_size: int
    handshake_ns: int
    gate_ns: int
    warm_ns: int
    peering_port: int
    attached: Callable[[str], None] = _nobody
