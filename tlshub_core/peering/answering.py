# SPDX-License-Identifier: Apache-2.0
"""What the listening side answers to SECURE and LEAVE: every check, in order, before the promise READY or LEFT."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from uuid import UUID

from tlshub_core.peering import exporter
from tlshub_core.peering.channel import Channel
from tlshub_core.peering.frames import NONCE_SIZE, Leave, Left, Ready, Refuse, Secure
from tlshub_core.peering.offers import Offers
from tlshub_core.peering.pending import SessionPending
from tlshub_core.peering.settings import Settings
from tlshub_core.peering.standing import Standings
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason, Refused, TlshubError, Unavailable, Unsupported
from tlshub_core.types.flow import Address, Tuple4
from tlshub_core.types.interfaces import AgentContext
from tlshub_core.types.keys import Cipher

KEYED = frozenset({State.ARMED, State.INSTALLING, State.OPEN})  # where nothing here waits for keys, it has others


class Answers:
    """Answers for one session from `node`; the order of its frames is the order of the answers."""

    def __init__(
        self,
        agent: AgentContext,
        offers: Offers,
        settings: Settings,
        channel: Channel,
        node: str,
        standings: Standings | None = None,
    ) -> None:
        self._agent, self._offers, self._settings = agent, offers, settings
        self._channel, self._node = channel, node
        self._seen: OrderedDict[UUID, None] = OrderedDict()
        self._standings = standings or Standings(settings.max_sessions)
        self._standing = self._standings.of(node)

    async def answer(self, asked: Secure | Leave) -> Ready | Left | Refuse:
        """READY, with the flow offered to its connection, LEFT, or REFUSE; an error refuses this flow alone."""
        try:
            return await (self._secure(asked) if isinstance(asked, Secure) else self._leave(asked))
        except (Refused, Unavailable) as error:
            return Refuse(flow=asked.flow, reason=error.reason, detail=str(error))
        except Unsupported as error:
            return Refuse(flow=asked.flow, reason=Reason.UNSUPPORTED, detail=str(error))
        except TlshubError as error:
            return Refuse(flow=asked.flow, reason=Reason.PROVIDER_FAILED, detail=str(error))
        except Exception:
            self._agent.log.exception("the answer to a flow of node '%s' failed", self._node)
            return Refuse(flow=asked.flow, reason=Reason.PROVIDER_BUG, detail="see the log of this node's agent")

    async def _secure(self, secure: Secure) -> Ready:
        cipher = self._check(secure)
        keyed = secure.again and not self._offers.replaceable(secure.tuple4)
        await self._agent.expect(secure.tuple4, KEYED if keyed else ())
        return self._promise(secure, cipher)

    async def _leave(self, leave: Leave) -> Left:
        """Only the node of the client's address may say it, and this node's own rule has to allow it."""
        self._check_replay(leave.flow)
        self._check_origin(leave.tuple4)
        await self._agent.leave(leave.tuple4, leave.reason)
        return Left(flow=leave.flow)

    def _check(self, secure: Secure) -> Cipher:
        self._check_replay(secure.flow)
        self._check_provider(secure)
        self._check_origin(secure.tuple4)
        self._offers.check(secure.tuple4, self._node, again=secure.again)
        if self._standing.outstanding >= self._settings.max_pending:
            raise Refused(f"{self._standing.outstanding} flows were answered and have not come yet", Reason.OVERLOADED)
        for cipher in self._agent.ciphers:
            if cipher in secure.ciphers:
                return cipher
        raise Refused("no cipher of 'ciphers' here is offered by the client's node", Reason.NO_COMMON_CIPHER)

    def _check_provider(self, secure: Secure) -> None:
        """The rule's word, else that about peers: whoever waits for the flow here takes it under any name."""
        named = self._agent.provider_of(secure.tuple4)
        if named is not None and named != secure.provider:
            message = f"the rule here names provider '{named}', not '{secure.provider}'"
            raise Refused(message, Reason.PROVIDER_NOT_ALLOWED)
        if named is None and secure.provider not in self._agent.providers_allowed:
            message = f"provider '{secure.provider}' is not in 'providers_allowed' here"
            raise Refused(message, Reason.PROVIDER_NOT_ALLOWED)

    def _check_replay(self, flow: UUID) -> None:
        if flow in self._seen:
            raise Refused("this flow was asked for before in this session", Reason.REPLAYED)
        self._seen[flow] = None
        if len(self._seen) > self._settings.max_seen:
            self._seen.popitem(last=False)

    def _check_origin(self, tuple4: Tuple4) -> None:
        client = tuple4.client
        owner = self._owner(client)
        if owner is None and not self._agent.identity.any_node:
            raise Refused(f"the mapping here does not know '{client}'", Reason.NOT_YOURS)
        if owner is not None and owner != self._node:
            raise Refused(f"'{client}' is on node '{owner}', not on '{self._node}'", Reason.NOT_YOURS)

    def _owner(self, client: Address) -> str | None:
        """The node that has that address: by the mapping, else this one by its own, else by another node's sessions."""
        pod = self._agent.pod(client)
        if pod is not None:
            return pod.node.name
        identity = self._agent.identity
        if identity.any_node and self._agent.mine(client):
            return identity.node
        return self._standings.others_at(str(client), self._node)

    def _promise(self, secure: Secure, cipher: Cipher) -> Ready:
        nonce = secrets.token_bytes(NONCE_SIZE)
        context = exporter.context(secure.flow, secure.tuple4, secure.nonce, nonce, cipher)
        standing = self._standing
        standing.outstanding += 1
        pending = SessionPending(self._channel.engine, context, cipher, secure.provider, self._node, standing.released)
        self._offers.put(secure.tuple4, pending, again=secure.again)
        return Ready(flow=secure.flow, nonce=nonce, cipher=cipher)
