# SPDX-License-Identifier: Apache-2.0
"""The four kinds of plugin and what the core gives them; asyncio, cancellable, the core owns the deadlines."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from pathlib import Path
from socket import socket
from typing import Protocol, TypeVar, runtime_checkable

from tlshub_core.types.capture import CaptureEvent, CaptureSettings, FlowKept, RuleSet, State
from tlshub_core.types.errors import Reason
from tlshub_core.types.events import Event
from tlshub_core.types.flow import Address, Flow, Isns, Mode, Pod, Side, Tuple4
from tlshub_core.types.keys import Cipher, FlowKeys

T = TypeVar("T")


class Level(Enum):
    """Outcome of a probe."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Holds(IntEnum):
    """Whether a capture backend can hold connections on this machine, the best first.

    WELL: as it is asked to; WEAKLY: with limits, or it cannot be told before it starts.
    """

    WELL = 0
    WEAKLY = 1
    NOT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a check found, and what to do about it (`remedy`, empty where there is nothing to do).

    `holds` is a capture backend's: with rules that hold connections, 'auto' takes the best one by it.
    """

    level: Level
    message: str
    remedy: str = ""
    holds: Holds = Holds.WELL


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """This node in the peering: its name, trust domain, listening port, and PEM files."""

    node: str
    trust_domain: str
    port: int
    cert: Path
    key: Path
    ca: Path
    any_node: bool = False


class AgentContext(Protocol):
    """What the core offers a key provider."""

    @property
    def identity(self) -> Identity:
        """This node in the peering."""

    @property
    def log(self) -> logging.Logger:
        """Where a provider says what an operator should know; never a key."""

    @property
    def ciphers(self) -> Sequence[Cipher]:
        """Ciphers that this node may use, best first."""

    @property
    def providers_allowed(self) -> frozenset[str]:
        """What a peer may ask for where the rule of this node names no provider; it may change."""

    def provider_of(self, tuple4: Tuple4) -> str | None:
        """The provider that this node's rule names for that tuple, server's side; None where it names none."""

    def common(self, name: str, make: Callable[[], T]) -> T:
        """What providers of this agent share under that name: made by the first who asks."""

    def pod(self, address: Address) -> Pod | None:
        """The pod with that address, from the mapping; memory only."""

    def mine(self, address: Address) -> bool:
        """Whether that address is one of this node's own."""

    async def ask(self, flow: Flow) -> None:
        """Move the flow from NEW to ASKED, before the peer is told of it; raises Refused where it is NEW no more."""

    async def ready(self) -> None:
        """Returns once this node's programs hold connections; a peer that asks before has to wait for that."""

    async def expect(self, tuple4: Tuple4, unless: Collection[State] = ()) -> Mode:
        """Promise to the peer that this tuple, server's side, will be KTLS; the rule's mode; raises Refused if not.

        `unless`: also where the connection is here, and in one of these states.
        """

    async def leave(self, tuple4: Tuple4, reason: Reason = Reason.PASSTHROUGH) -> None:
        """Promise to the peer that this tuple, server's side, is left alone; raises Refused if its rule has it held.

        `reason`: the peer's application speaks TLS itself, or one of UNFIT, which no rule takes that requires TLS.
        """

    def emit(self, event: Event) -> None:
        """Hand an event to the sinks; never blocks."""

    def warm(self, address: Address, up: bool) -> None:
        """Say that a session to the agent of that address is up, so that it may come to be warm, or down."""


class Pending(Protocol):
    """Keys that are being agreed for one flow."""

    async def keys(self, isns: Isns, sock: socket | None) -> FlowKeys:
        """The keys, once; `sock` is given only where the spec asks for it."""

    def discard(self) -> None:
        """Forget the flow and wipe what is known of its keys."""


class KeyProvider(Protocol):
    """Supplies keys for flows."""

    async def probe(self) -> Probe:
        """Whether it works here, with what to do where it does not; before and after `start`, without side effects."""

    async def start(self, agent: AgentContext) -> None:
        """Called once, before any flow; raises ConfigError or Unavailable where the provider cannot work."""

    async def prepare(self, flow: Flow) -> Pending:
        """Agree with the peer; returns once it promised to hold its end; raises Refused, Unavailable, Unsupported.

        Side CLIENT: call `AgentContext.ask` first, then tell the peer. Side SERVER: wait until the peer has asked.
        """

    async def stop(self) -> None:
        """End what is under way with Unavailable, and give everything back; may be repeated, and come first."""


@runtime_checkable
class LeavingProvider(Protocol):
    """A key provider that can also agree with the peer to leave a flow alone; its spec has `passthrough`."""

    async def leave(self, flow: Flow, reason: Reason = Reason.PASSTHROUGH) -> None:
        """Returns once the peer promised that its end is in clear, or will be; raises Refused or Unavailable.

        The peer's provider is told the reason, PASSTHROUGH or one of UNFIT, and gives it to `AgentContext.leave`.
        Nothing may have been asked for that flow. After a failure the peer's end may be in clear, and is never TLS.
        """


@runtime_checkable
class AskingAgain(Protocol):
    """A key provider that can agree once more on keys for a flow whose first ones died with an agent."""

    async def prepare_again(self, flow: Flow) -> Pending:
        """As `prepare`, side CLIENT, for a flow that is ASKED: what the peer's end has not used yet is replaced.

        Raises Refused where that end may have used it. Keys are others than any that were agreed on before.
        """


@runtime_checkable
class AcceptingTogether(Protocol):
    """A key provider that on the accepting side also takes what peers ask of others with the same `accepting`.

    It sees to `AgentContext.providers_allowed` itself, and gives a NamedPending.
    """

    accepting: str
    """What they have in common: providers with the same word wait once for a connection, not each by itself."""


class NamedPending(Pending, Protocol):
    """A Pending that knows the name of the provider by which the connecting end asked: events have that one."""

    asked_as: str
    """The name of the asking provider."""


class TlsEngine(Protocol):
    """One TLS 1.3 connection over memory buffers, mutually authenticated; what a TLS library supplies to peering."""

    def feed(self, data: bytes) -> None:
        """Take bytes from the wire; raises Refused when the peer fails verification or sends no TLS."""

    def drain(self) -> bytes:
        """Bytes for the wire."""

    def done(self) -> bool:
        """Whether the handshake is complete on this side."""

    def peer_certificate(self) -> bytes:
        """The peer's end certificate in DER; chain and validity are already checked by the engine."""

    def write(self, data: bytes) -> None:
        """Encrypt application data (to be drained); raises Refused where the session has failed."""

    def read(self) -> bytes:
        """Decrypted application data that has arrived; empty if none."""

    def export(self, label: bytes, context: bytes, size: int) -> bytearray:
        """Exported keying material (RFC 8446, section 7.5); the context is always given, empty or not."""

    def library(self) -> str:
        """The TLS library and its version, for events."""


class MappingSource(Protocol):
    """Knows which pod has an address and on which node it runs."""

    async def start(self) -> None:
        """Read for the first time; raises ConfigError."""

    async def stop(self) -> None:
        """Give everything back; may be repeated, and come first."""

    async def probe(self) -> Probe:
        """Whether the source can be read now, with what to do where it cannot; without side effects."""

    def by_address(self, address: Address) -> Pod | None:
        """The pod with that address, None where it is unknown; memory only. '::ffff:a.b.c.d' is 'a.b.c.d'."""

    def by_name(self, name: str) -> Pod | None:
        """The pod with that name, None where it is unknown; memory only."""

    def pods(self) -> Sequence[Pod]:
        """All that is known; a pod with several addresses is an entry for each."""

    async def reload(self) -> None:
        """Read again, all or nothing: a failure raises ConfigError and keeps the old table."""


class EventSink(Protocol):
    """Runs in the sink process behind a bounded queue; may block, may crash."""

    def open(self) -> None:
        """Called in the sink's own process; one that raises is made and opened anew with the next events."""

    def write(self, events: Sequence[Event]) -> None:
        """Take events, of any type and in any order; those of one that raises are counted as lost."""

    def close(self) -> None:
        """Write what is left; may be repeated, and come first."""


@runtime_checkable
class LineSink(Protocol):
    """What an EventSink may offer besides `write`, which is then not called: it takes events as they were encoded."""

    def write_lines(self, lines: Sequence[bytes]) -> None:
        """Each line is one JSON object as `tlshub_core.types.events.encode` gives it, ASCII, without its newline."""


class CaptureBackend(Protocol):
    """Sees and holds connections in the kernel; the calls that are not coroutines never block."""

    async def probe(self) -> Probe:
        """Whether this kernel takes the programs, with what to do where it does not; loads nothing for good."""

    async def attach(self, rules: RuleSet, settings: CaptureSettings) -> Sequence[str]:
        """Load and attach; returns the programs, each with where it is attached. Raises Unavailable or Unsupported.

        `settings.attached` is told of each at once: where the next one fails, this is what is known.

        What holds connections stays pinned in `settings.pins` when this process ends, however it ends. What an earlier
        one left there is taken over, with its flows and without a moment in which nothing holds them; that is refused
        (Unavailable) where it is another release's and cannot be read, or another agent's that runs. Nothing is pinned
        where rules only observe.
        """

    def events(self) -> AsyncIterator[Sequence[CaptureEvent]]:
        """Batches of events, none of them empty, in the order in which they happened to a flow."""

    def flows(self) -> Sequence[FlowKept]:
        """All flows of now, in the order of their beginning: taken over from an earlier agent, or seen by this one.

        From then on `move` knows them. Events of what has happened to them until now may still come, after it.
        """

    def move(self, cookie: int, expected: State, to: State, deadline_ns: int = 0) -> State | None:
        """Compare-and-swap of a flow's state; returns the state before, None if the flow is gone.

        `deadline_ns`: CLOCK_MONOTONIC, 0 leaves it as it is; with NOBODY_WAITS_NS (2^64 - 1) the next call into the
        socket sets it to `gate_ns` from then.
        """

    def expect(self, tuple4: Tuple4, deadline_ns: int) -> State | None:
        """A server-side flow with that tuple is ASKED: one that is here (its state before), or one to come."""

    def leave(self, tuple4: Tuple4, deadline_ns: int, reason: Reason = Reason.PASSTHROUGH) -> bool:
        """A server-side flow with that tuple, NEW and here, or one to come until then, goes CLEAR, told by that reason.

        False where its rule has no passthrough (for a reason of UNFIT: where it does not prefer), or where it was
        promised otherwise: then nothing changes.
        """

    def match(self, side: Side, remote: Address, port: int) -> tuple[int, Mode]:
        """The first rule (number, mode) that the programs would choose; number -1 and BYPASS where none matches."""

    def warm(self, address: Address, up: bool) -> None:
        """A session for that address is up: SYNs go at once for `warm_ns` after an answer (ARMED). Down: all wait."""

    def wear(self, records: int) -> None:
        """Have a FlowWorn told, each time, of each direction of an OPEN flow whose key has protected that much.

        In full records (2^14 bytes), shorter ones by their blocks; not of ciphers without a limit within reach.
        """

    def replace(self, rules: RuleSet) -> None:
        """Swap the rules, atomically."""

    async def detach(self, unpin: bool) -> None:
        """Let go; with `unpin` nothing is left in the kernel, else what is pinned goes on holding."""

    async def retire(self, settings: CaptureSettings) -> Sequence[str]:
        """In the place of `attach`, to end what an earlier agent left pinned; returns the names of its programs.

        From then on no new connection is held. `flows` and `move` are there for those that are, and `detach` ends the
        rest. Raises Unavailable where an agent runs.
        """
