# SPDX-License-Identifier: Apache-2.0
"""A node's end of the exchange: questions that are repeated until they are answered, and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from ipaddress import ip_address
from socket import AF_INET, AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, SOCK_DGRAM, socket

from tlshub_capture_psk.answers import Answers
from tlshub_capture_psk.messages import Ask, Hello, Message, Ready, Refuse, Welcome, seal, unseal
from tlshub_capture_psk.secret import Secret
from tlshub_core.api import Address, AgentContext, Reason, Unavailable

REPEAT_S = 0.25
Where = tuple[object, ...]


class Node(asyncio.DatagramProtocol):
    """One UDP socket, for questions and answers alike; what is not signed with the secret is passed over."""

    def __init__(self, agent: AgentContext, secret: Secret, answers: Answers, sock: socket) -> None:
        self._agent, self._secret, self._answers, self._sock = agent, secret, answers, sock
        self._asked: dict[bytes, tuple[str, asyncio.Future[Message]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = asyncio.Event()

    async def open(self) -> None:
        """Receive from now on."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=self._sock)

    async def close(self) -> None:
        """Receive no more, and leave the port to others; who waits for an answer gets Unavailable."""
        if self._transport is not None:
            self._transport.close()
            await self._closed.wait()
        for task in self._tasks:
            task.cancel()
        for _, answer in self._asked.values():
            if not answer.done():
                answer.set_exception(Unavailable("the agent is stopping", Reason.SHUTDOWN))

    async def call(self, name: str, address: Address, question: Hello | Ask, patience_s: float) -> Message:
        """The answer of that node, asked again while there is none; raises Unavailable."""
        data = seal(self._secret.mac, self._agent.identity.node, name, question)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked[question.nonce] = name, answer
        try:
            async with asyncio.timeout(patience_s):
                while not answer.done():
                    self._send(data, self._where(address))
                    await asyncio.wait([answer], timeout=REPEAT_S)
                return answer.result()
        except TimeoutError as error:
            raise Unavailable(f"node '{name}' at '{address}' does not answer", Reason.PEER_UNREACHABLE) from error
        finally:
            del self._asked[question.nonce]

    def datagram_received(self, data: bytes, addr: Where) -> None:
        """From asyncio."""
        try:
            sender, receiver, message = unseal(self._secret.mac, data)
        except ValueError as error:
            self._agent.log.debug("a datagram from '%s' is passed over: %s", addr[0], error)
            return
        if receiver == self._agent.identity.node and sender != receiver:
            self._received(sender, message, addr)

    def connection_lost(self, exc: Exception | None) -> None:
        """From asyncio, when the socket is closed."""
        self._closed.set()

    def error_received(self, exc: Exception) -> None:
        """From asyncio: nothing could be sent; it is sent again."""
        self._agent.log.debug("a datagram was not sent: %s", exc)

    def _received(self, sender: str, message: Message, where: Where) -> None:
        if isinstance(message, Hello):
            self._reply(sender, Welcome(nonce=message.nonce, epoch=self._answers.epoch), where)
        elif isinstance(message, Ask):
            self._start(self._answer(sender, message, where))
        else:
            self._answered(sender, message)

    def _answered(self, sender: str, message: Welcome | Ready | Refuse) -> None:
        name, answer = self._asked.get(message.nonce, ("", None))
        if answer is not None and name == sender and not answer.done():
            answer.set_result(message)

    async def _answer(self, sender: str, ask: Ask, where: Where) -> None:
        try:
            if (answer := await self._answers.answer(sender, ask)) is not None:
                self._reply(sender, answer, where)
        except Exception:  # a bug here must not end the agent; the other node asks again, and gives up in its time
            self._agent.log.exception("the answer to node '%s' failed", sender)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _reply(self, name: str, message: Message, where: Where) -> None:
        self._send(seal(self._secret.mac, self._agent.identity.node, name, message), where)

    def _send(self, data: bytes, where: Where) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, where)

    def _where(self, address: Address) -> Where:
        mapped = self._sock.family == AF_INET6 and address.version == 4
        return (f"::ffff:{address}" if mapped else str(address), self._agent.identity.port)


def bound(listen: str, port: int) -> socket:
    """A UDP socket; one of '::' takes IPv4 as well. Raises OSError."""
    version = ip_address(listen).version
    sock = socket(AF_INET if version == 4 else AF_INET6, SOCK_DGRAM)
    try:
        if version == 6:
            sock.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0)
        sock.setblocking(False)
        sock.bind((listen, port))
    except OSError:
        sock.close()
        raise
    return sock
