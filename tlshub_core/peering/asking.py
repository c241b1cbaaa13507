# SPDX-License-Identifier: Apache-2.0
"""The connecting end: a session to the peer's agent, and in it what is agreed for one flow."""

from __future__ import annotations

import secrets

from tlshub_core.peering import exporter
from tlshub_core.peering.dialling import Dialler
from tlshub_core.peering.frames import NONCE_SIZE, Ready, Secure
from tlshub_core.peering.pending import SessionPending
from tlshub_core.peering.session import Session
from tlshub_core.types.errors import Reason, Refused, Unavailable
from tlshub_core.types.flow import Flow
from tlshub_core.types.interfaces import AgentContext
from tlshub_core.types.keys import Cipher

MARGIN_S = 0.5  # before the deadline: who waited for an agent in vain says so, and the programs do not come first


async def ask(
    provider: str, agent: AgentContext, dialler: Dialler, flow: Flow, *, again: bool = False
) -> SessionPending:
    """Agree on keys for the flow, by that provider's name; raises Refused and Unavailable.

    Where the session is lost, the peer is asked again in the next one, until the flow's deadline. With Unavailable the
    peer may have been asked: then the flow is NEW no more. With `again` it was asked before, by whom is not known.
    """
    session = await session_to(agent, dialler, flow)
    await agent.ask(flow)
    while True:
        # From here on the flow can only become KTLS or be refused.
        if session.ended is not None:
            session = await session_to(agent, dialler, flow)
        try:
            return await _agree(provider, agent, session, flow, again=again)
        except Unavailable:
            if not session.lost:
                raise
            again = True
        except Refused as error:
            if again and error.by_peer:  # its end may have the keys that were agreed on first
                raise Refused(str(error), error.reason) from error
            raise


async def _agree(provider: str, agent: AgentContext, session: Session, flow: Flow, *, again: bool) -> SessionPending:
    nonce, ciphers = secrets.token_bytes(NONCE_SIZE), tuple(agent.ciphers)
    secure = Secure(flow=flow.id, tuple4=flow.tuple, provider=provider, nonce=nonce, ciphers=ciphers, again=again)
    ready = await session.ask(secure)
    cipher = _agreed(session, ready, ciphers)
    context = exporter.context(flow.id, flow.tuple, nonce, ready.nonce, cipher)
    return SessionPending(session.engine, context, cipher, provider, session.node)


def check_known(agent: AgentContext, flow: Flow) -> None:
    """Whether the other end may be secured at all: the mapping names its node, or any will do; raises Refused."""
    if flow.peer is None and not agent.identity.any_node:
        message = f"the mapping does not know '{flow.remote.address}', and 'any_node' in '[peering]' is not set"
        raise Refused(message, Reason.PEER_UNKNOWN)


async def session_to(agent: AgentContext, dialler: Dialler, flow: Flow) -> Session:
    """A session to the agent of the other end, the node that the mapping names; raises as `Dialler.session`."""
    peer = flow.peer
    check_known(agent, flow)
    address = peer.address if peer is not None and peer.address is not None else flow.remote.address
    session = await dialler.session(address, flow.deadline_ns / 1e9 - MARGIN_S)
    if peer is not None and peer.name != session.node:
        message = f"the agent at '{address}' is node '{session.node}', the mapping says '{peer.name}'"
        raise Refused(message, Reason.PEER_UNVERIFIED)
    return session


def _agreed(session: Session, ready: Ready, offered: tuple[Cipher, ...]) -> Cipher:
    if ready.cipher not in offered:
        detail = f"node '{session.node}' chose a cipher that was not offered"
        session.end(Reason.NO_COMMON_CIPHER, detail)
        raise Unavailable(detail, Reason.NO_COMMON_CIPHER)
    return Cipher(ready.cipher)
