# SPDX-License-Identifier: Apache-2.0
"""Sessions to other nodes' agents, one per address: one dial at a time, back-off after failures, renewal in time."""

from __future__ import annotations

import asyncio
import random
import time

from tlshub_core.peering.dial import EngineFactory, open_session
from tlshub_core.peering.peers import Failure, Peer, dialled
from tlshub_core.peering.session import Ended, Session
from tlshub_core.peering.settings import Settings
from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.events import SessionDown, SessionUp
from tlshub_core.types.flow import Address
from tlshub_core.types.interfaces import AgentContext

MAX_DOUBLINGS = 16


class Dialler:
    """The table of peers that this node asks."""

    def __init__(self, agent: AgentContext, engines: EngineFactory, settings: Settings) -> None:
        self._agent, self._engines, self._settings = agent, engines, settings
        self._peers: dict[Address, Peer] = {}
        self._jitter, self._closed = random.Random(), False
        self.dials = 0

    async def session(self, address: Address, until: float = 0.0) -> Session:
        """A session to the agent at that address; many callers share one dial, which a caller's end does not stop.

        Raises Unavailable or, where the peer failed verification, Refused; at once while a back-off lasts. Where its
        agent was there lately, it is dialled again, for one who can wait until `until` (time.monotonic()).
        """
        while True:
            try:
                return await self._session(address)
            except Unavailable:
                again = self._peer(address).again_at(until)
                if again is None:
                    raise
            await asyncio.sleep(again - time.monotonic())

    async def _session(self, address: Address) -> Session:
        if self._closed:
            raise Unavailable("the agent is stopping", Reason.SHUTDOWN)
        peer = self._peer(address)
        current = peer.session if peer.session is not None and peer.session.ended is None else None
        if current is not None and not current.worn():
            return current
        if current is not None and not current.worn(2):
            if time.monotonic() >= peer.retry_at:
                self._dial(peer)
            return current
        if peer.dial is None and peer.failure is not None and time.monotonic() < peer.retry_at:
            raise peer.failure.error()
        return await dialled(self._dial(peer))

    async def close(self) -> None:
        """End all sessions and dials, for good."""
        self._closed = True
        peers = tuple(self._peers.values())
        tasks = [task for peer in peers for task in (peer.dial, *peer.readers) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._peers.clear()

    def _peer(self, address: Address) -> Peer:
        peer = self._peers.get(address)
        if peer is None:
            if len(self._peers) >= self._settings.max_idle_peers:
                self._peers = {key: known for key, known in self._peers.items() if not known.idle()}
            peer = self._peers[address] = Peer(address)
        return peer

    def _dial(self, peer: Peer) -> asyncio.Task[Session | Failure]:
        if peer.dial is None:
            self.dials += 1
            peer.dial = asyncio.create_task(self._connect(peer))
        return peer.dial

    async def _connect(self, peer: Peer) -> Session | Failure:
        try:
            return self._up(peer, await open_session(self._agent, self._engines, peer.address, self._settings))
        except (Refused, Unavailable) as error:
            return self._failed(peer, error)
        finally:
            peer.dial = None

    def _up(self, peer: Peer, session: Session) -> Session:
        old, peer.session = peer.session, session
        peer.failure, peer.failures, peer.retry_at = None, 0, 0.0
        reader = asyncio.create_task(self._read(peer, session))
        peer.readers.add(reader)
        reader.add_done_callback(peer.readers.discard)
        now, address, library = time.monotonic_ns(), str(peer.address), session.engine.library()
        self._agent.emit(SessionUp(time_ns=now, node=session.node, address=address, dialler=True, library=library))
        self._agent.warm(peer.address, True)
        if old is not None:
            old.retire()
        return session

    async def _read(self, peer: Peer, session: Session) -> None:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._settings.session_max_age_s, self._aged, peer, session)
        ended = await session.run()
        timer.cancel()
        if peer.session is session:
            peer.session, peer.seen = None, time.monotonic()
            self._agent.warm(peer.address, False)
            if session.lost and session.age_s < self._settings.backoff_base_s:
                self._pause(peer, ended)
        self._down(peer, session.node, ended)

    def _pause(self, peer: Peer, ended: Ended) -> None:
        """An agent that ends each session at the first question is not dialled for every flow at once."""
        peer.failure = Failure(reason=ended.reason, message=ended.detail, refused=False)
        peer.retry_at = time.monotonic() + self._settings.backoff_base_s

    def _aged(self, peer: Peer, session: Session) -> None:
        if peer.session is not session:
            return
        if session.count:
            self._dial(peer)
        else:
            session.retire()

    def _failed(self, peer: Peer, error: Refused | Unavailable) -> Failure:
        settings = self._settings
        doublings = 0 if peer.lately() else min(peer.failures, MAX_DOUBLINGS)
        wait = min(settings.backoff_cap_s, settings.backoff_base_s * 2**doublings)
        peer.failures += 1
        peer.retry_at = time.monotonic() + wait * self._jitter.uniform(0.5, 1.0)
        peer.failure = Failure(reason=error.reason, message=str(error), refused=isinstance(error, Refused))
        self._down(peer, "", Ended(reason=error.reason, detail=str(error)))
        return peer.failure

    def _down(self, peer: Peer, node: str, ended: Ended) -> None:
        down = SessionDown(
            time_ns=time.monotonic_ns(),
            node=node,
            address=str(peer.address),
            dialler=True,
            reason=ended.reason,
            detail=ended.detail,
        )
        self._agent.emit(down)
