# SPDX-License-Identifier: Apache-2.0
"""What a node answers when another one asks it to hold a connection: each question once, however often it comes."""

from __future__ import annotations

import secrets
from uuid import UUID

from tlshub_capture_psk.messages import EPOCH, NONCE, Ask, Ready, Refuse, Welcome
from tlshub_capture_psk.offers import Offers
from tlshub_capture_psk.secret import PskPending, Secret
from tlshub_core.api import AgentContext, Cipher, Reason, Refused, TlshubError, Unavailable

EPOCH_ASKS = 10_000
Answer = Ready | Refuse | Welcome


class Answers:
    """The answers of one epoch; a new one begins when there are too many to remember."""

    def __init__(self, name: str, agent: AgentContext, secret: Secret, offers: Offers, limit: int = EPOCH_ASKS) -> None:
        self._name, self._agent, self._secret, self._offers, self._limit = name, agent, secret, offers, limit
        self.epoch = secrets.token_bytes(EPOCH)
        self._known: dict[UUID, tuple[bytes, Answer | None]] = {}

    async def answer(self, sender: str, ask: Ask) -> Answer | None:
        """The answer; None while the same question is being answered already."""
        if ask.epoch != self.epoch:
            return Welcome(nonce=ask.nonce, epoch=self.epoch)
        if (known := self._known.get(ask.flow)) is not None:
            return known[1] if known[0] == ask.nonce else Refuse(nonce=ask.nonce, reason=Reason.REPLAYED)
        self._known[ask.flow] = (ask.nonce, None)
        answer = await self._refused_or_ready(sender, ask)
        self._remember(ask, answer)
        return answer

    def _remember(self, ask: Ask, answer: Answer) -> None:
        if ask.flow in self._known:
            self._known[ask.flow] = (ask.nonce, answer)
        if len(self._known) >= self._limit:
            self.epoch = secrets.token_bytes(EPOCH)
            self._known.clear()

    async def _refused_or_ready(self, sender: str, ask: Ask) -> Answer:
        try:
            cipher = self._check(sender, ask)
            await self._agent.expect(ask.tuple4)
        except (Refused, Unavailable) as error:
            return Refuse(nonce=ask.nonce, reason=error.reason)
        except TlshubError:
            return Refuse(nonce=ask.nonce, reason=Reason.PROVIDER_FAILED)
        ready = Ready(nonce=ask.nonce, server_nonce=secrets.token_bytes(NONCE), cipher=cipher)
        self._offers.put(ask.tuple4, PskPending(self._secret.of_flow(ask, ready), cipher))
        return ready

    def _check(self, sender: str, ask: Ask) -> Cipher:
        if self._name not in self._agent.providers_allowed:
            raise Refused("not in 'providers_allowed'", Reason.PROVIDER_NOT_ALLOWED)
        pod = self._agent.pod(ask.tuple4.client)
        if pod is None or pod.node.name != sender:
            raise Refused(f"'{ask.tuple4.client}' is not on node '{sender}'", Reason.NOT_YOURS)
        for cipher in self._agent.ciphers:
            if cipher in ask.ciphers:
                return cipher
        raise Refused("no cipher in common", Reason.NO_COMMON_CIPHER)
