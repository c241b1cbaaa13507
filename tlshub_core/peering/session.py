# SPDX-License-Identifier: Apache-2.0
"""The dialler's end of a session: many flows are asked for at once, each answered by its id."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from uuid import UUID

from tlshub_core.peering.channel import Channel
from tlshub_core.peering.frames import Foreign, Frame, FrameError, Leave, Left, Ready, Refuse, Secure
from tlshub_core.peering.settings import Settings
from tlshub_core.types.errors import Reason, Refused, TlshubError, Unavailable
from tlshub_core.types.flow import Address
from tlshub_core.types.interfaces import TlsEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Why a session is over."""

    reason: Reason
    detail: str


class Session:
    """An established session to the agent of `node` at `address`."""

    def __init__(self, channel: Channel, node: str, address: Address, settings: Settings) -> None:
        self.node, self.address, self.count = node, address, 0
        self.ended: Ended | None = None
        self._channel, self._settings = channel, settings
        self._born = time.monotonic()
        self._asks: dict[UUID, asyncio.Future[Ready | Left]] = {}
        self._retired = False

    @property
    def engine(self) -> TlsEngine:
        """For the exporter."""
        return self._channel.engine

    @property
    def lost(self) -> bool:
        """Whether it is over because the other agent is gone; it may be back soon, and have forgotten all."""
        return self.ended is not None and self.ended.reason is Reason.PEER_UNREACHABLE

    @property
    def age_s(self) -> float:
        """Since it was established, in seconds."""
        return time.monotonic() - self._born

    def worn(self, times: int = 1) -> bool:
        """Whether the session has served its age or its number of flows, or so many times of it."""
        limits = self._settings
        return self.count >= times * limits.session_max_flows or self.age_s >= times * limits.session_max_age_s

    async def ask(self, secure: Secure) -> Ready:
        """Send SECURE and await the answer; raises Refused (by_peer) for REFUSE, Unavailable for all that is not one.

        With Unavailable the peer may have got the frame, so the flow must not go on in clear.
        """
        answer = await self._exchange(secure)
        if not isinstance(answer, Ready):
            raise self._contradicted(answer)
        return answer

    async def leave(self, leave: Leave) -> None:
        """Send LEAVE and await LEFT; raises as `ask`. With Unavailable the peer's end may be in clear, never TLS."""
        answer = await self._exchange(leave)
        if not isinstance(answer, Left):
            raise self._contradicted(answer)

    def _contradicted(self, answer: Ready | Left) -> Unavailable:
        detail = f"node '{self.node}' answered with a '{type(answer).__name__.lower()}' frame that was not asked for"
        return _unavailable(self.end(Reason.PROVIDER_FAILED, detail))

    async def _exchange(self, asked: Secure | Leave) -> Ready | Left:
        if self.ended is not None:
            raise _unavailable(self.ended)
        answer: asyncio.Future[Ready | Left] = asyncio.get_running_loop().create_future()
        self._asks[asked.flow] = answer
        self.count += 1
        try:
            self._channel.send(asked)
            return await answer
        finally:
            self._asks.pop(asked.flow, None)
            self._close_if_drained()

    async def run(self) -> Ended:
        """Read answers until the session ends; always returns why."""
        try:
            while True:
                for frame in await self._channel.receive():
                    self._answer(frame)
        except (FrameError, Refused, Unavailable) as error:
            return self.end(_reason(error), str(error))
        except asyncio.CancelledError:
            return self.end(Reason.SHUTDOWN, "the agent is stopping")
        except Exception as error:  # noqa: BLE001 - reported with the session's end, and no flow waits for its deadline
            return self.end(Reason.PROVIDER_BUG, f"the TLS engine raised '{type(error).__name__}'")

    def retire(self) -> None:
        """Take no new flows, and close when those under way are answered."""
        self._retired = True
        self._close_if_drained()

    def end(self, reason: Reason, detail: str) -> Ended:
        """Close, and fail all flows under way; the first reason stays."""
        if self.ended is None:
            self.ended = Ended(reason=reason, detail=detail)
            self._channel.close()
            for answer in self._asks.values():
                if not answer.done():
                    answer.set_exception(_unavailable(self.ended))
        return self.ended

    def _close_if_drained(self) -> None:
        if self._retired and not self._asks:
            self.end(Reason.CLOSED, "renewed")

    def _answer(self, frame: Frame) -> None:
        if not isinstance(frame, Ready | Left | Refuse | Foreign):
            raise FrameError(f"a '{type(frame).__name__.lower()}' frame from the listening side")
        # No one waits any more for an ask that was cancelled; its answer is still a good frame.
        answer = self._asks.get(frame.flow)
        if answer is None or answer.done():
            return
        if isinstance(frame, Ready | Left):
            answer.set_result(frame)
        elif isinstance(frame, Refuse):
            message = f"node '{self.node}' refused: {frame.detail or frame.reason.value}"
            answer.set_exception(Refused(message, frame.reason, by_peer=True))
        else:
            message = f"node '{self.node}' answered in version {frame.version}"
            answer.set_exception(Unavailable(message, Reason.UNSUPPORTED_VERSION))


def _reason(error: TlshubError) -> Reason:
    return error.reason if isinstance(error, Refused | Unavailable) else Reason.PROVIDER_FAILED


def _unavailable(ended: Ended) -> Unavailable:
    return Unavailable(f"the session ended: {ended.detail}", ended.reason)
