# SPDX-License-Identifier: Apache-2.0
"""The provider: it asks the other node for a connection that begins here, and takes what was promised for one there."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from tlshub_capture_psk import NAME
from tlshub_capture_psk.answers import Answers
from tlshub_capture_psk.messages import NONCE, Ask, Hello, Message, Ready, Refuse, Welcome
from tlshub_capture_psk.node import Node, bound
from tlshub_capture_psk.offers import Offers
from tlshub_capture_psk.secret import PskPending, Secret
from tlshub_core.api import (
    Address,
    AgentContext,
    Cipher,
    ConfigError,
    Flow,
    Level,
    Probe,
    Reason,
    Refused,
    Side,
    Unavailable,
)

TRIES = 3  # an epoch may end between a welcome and the question


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    agent: AgentContext
    secret: Secret
    offers: Offers
    node: Node
    epochs: dict[str, bytes] = field(default_factory=dict)


class PskProvider:
    """A KeyProvider; the options are those of '[plugin.psk]'."""

    def __init__(self, secret_file: Path, listen: str, patience_s: float) -> None:
        self._file, self._listen, self._patience_s = secret_file, listen, patience_s
        self._running: _Running | None = None

    async def probe(self) -> Probe:
        """Whether the secret can be used."""
        try:
            Secret.read(self._file).wipe()
        except ConfigError as error:
            return Probe(level=Level.FAILED, message=str(error), remedy="put the secret of all nodes there, mode 0600")
        return Probe(level=Level.OK, message=f"the secret in '{self._file}' can be used")

    async def start(self, agent: AgentContext) -> None:
        """Read the secret and receive; raises ConfigError, or Unavailable where the port is taken."""
        secret, offers, port = Secret.read(self._file), Offers(), agent.identity.port
        try:
            sock = bound(self._listen, port)
        except OSError as error:
            raise Unavailable(f"cannot receive at UDP port {port} of '{self._listen}': {error.strerror}") from error
        node = Node(agent, secret, Answers(NAME, agent, secret, offers), sock)
        await node.open()
        self._running = _Running(agent=agent, secret=secret, offers=offers, node=node)

    async def stop(self) -> None:
        """End all waits and forget the secret."""
        running, self._running = self._running, None
        if running is not None:
            await running.node.close()
            running.offers.close()
            running.secret.wipe()

    async def prepare(self, flow: Flow) -> PskPending:
        """Client side: the peer has promised. Server side: it was asked for, here."""
        running = self._running
        if running is None:
            raise Unavailable("provider 'psk' is not running", Reason.SHUTDOWN)
        if flow.side is Side.SERVER:
            return await running.offers.take(flow.tuple)
        return await self._ask(running, flow)

    async def _ask(self, running: _Running, flow: Flow) -> PskPending:
        if flow.peer is None:
            raise Refused(f"the mapping does not know '{flow.remote.address}'", Reason.PEER_UNKNOWN)
        name, address = flow.peer.name, flow.peer.address or flow.remote.address
        epoch = running.epochs.get(name) or await self._hello(running, name, address)
        await running.agent.ask(flow)
        for _ in range(TRIES):
            ask = _question(running.agent, flow, epoch)
            answer = await self._call(running, name, address, ask)
            if not isinstance(answer, Welcome):
                return _agreed(running.secret, name, ask, answer)
            epoch = running.epochs[name] = answer.epoch
        raise Unavailable(f"node '{name}' begins one epoch after the other", Reason.OVERLOADED)

    async def _hello(self, running: _Running, name: str, address: Address) -> bytes:
        """The peer's epoch; where there is no answer nothing was asked for, and the flow is still NEW."""
        hello = Hello(nonce=secrets.token_bytes(NONCE))
        answer = await self._call(running, name, address, hello)
        if not isinstance(answer, Welcome):
            raise Unavailable(f"node '{name}' answers wrongly")
        running.epochs[name] = answer.epoch
        return answer.epoch

    async def _call(self, running: _Running, name: str, address: Address, question: Hello | Ask) -> Message:
        """The answer; a node that gives none is greeted anew, before anything is asked of it."""
        try:
            return await running.node.call(name, address, question, self._patience_s)
        except Unavailable:
            running.epochs.pop(name, None)
            raise


def _question(agent: AgentContext, flow: Flow, epoch: bytes) -> Ask:
    nonce, ciphers = secrets.token_bytes(NONCE), tuple(agent.ciphers)
    return Ask(nonce=nonce, epoch=epoch, flow=flow.id, tuple4=flow.tuple, ciphers=ciphers)


def _agreed(secret: Secret, name: str, ask: Ask, answer: Message) -> PskPending:
    if isinstance(answer, Refuse):
        raise Refused(f"node '{name}' refused", answer.reason, by_peer=True)
    if not isinstance(answer, Ready) or answer.cipher not in ask.ciphers:
        raise Unavailable(f"node '{name}' answers wrongly")
    return PskPending(secret.of_flow(ask, answer), Cipher(answer.cipher))
