# SPDX-License-Identifier: Apache-2.0
"""The listening end of a session, and what must hold of it whatever the dialling end sends."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.fuzz.sessions.wire import Plain, arriving
from tests.fuzz.targets.frames import by_the_book
from tlshub_core.peering.authority import Authority
from tlshub_core.peering.decoder import FrameDecoder
from tlshub_core.peering.frames import Foreign, Frame, Leave, Left, Ready, Refuse, Secure, Welcome
from tlshub_core.peering.identity import uri
from tlshub_core.peering.listening import Listener
from tlshub_core.peering.offers import Offers
from tlshub_core.peering.settings import Settings
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.fakes import FakeAgent
from tlshub_core.types.errors import Reason
from tlshub_core.types.events import SessionDown
from tlshub_core.types.interfaces import Identity

MOST = 3  # flows that are promised and have not come, and flows that are remembered against replays
PROVIDER = "openssl"


class Bugs(logging.Handler):
    """What an agent says of itself that is a bug."""

    def __init__(self, agent: FakeAgent) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []
        agent.log = logging.Logger("fuzzed")  # one that nobody else writes to or reads
        agent.log.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


def agent() -> FakeAgent:
    """The listening node's; its files are never read."""
    none, node = Path("/nonexistent"), pairs.SERVER_NODE.name
    who = Identity(node=node, trust_domain=pairs.TRUST_DOMAIN, port=1, cert=none, key=none, ca=none)
    return pairs.agent(who, PROVIDER)


@cache
def certificate() -> bytes:
    """The dialling node's, DER."""
    node = pairs.CLIENT_NODE.name
    pem, _ = Authority.create(pairs.TRUST_DOMAIN).issue(node, [uri(pairs.TRUST_DOMAIN, node)])
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


async def asked(stream: bytes, step: int) -> Iterable[str]:
    """What the listening end answers to that stream."""
    here, settings = agent(), Settings(max_pending=MOST, max_seen=MOST)
    bugs, offers = Bugs(here), Offers(settings.ready_ttl_s)
    listener = Listener(here, lambda _: Plain(certificate()), settings, offers)
    with arriving(stream, step) as (streams, wire):
        listener._connected(*streams)
        (task,) = listener._tasks
        await task
    promised = len(offers)
    offers.close()
    assert not bugs.said, f"a bug in the agent: {bugs.said}"
    (down,) = here.said(SessionDown)
    assert wire.is_closing() and down.reason is not Reason.PROVIDER_BUG and promised <= MOST
    return _judged(stream, bytes(wire.sent))


def _judged(stream: bytes, sent: bytes) -> Iterable[str]:
    asked, fault = by_the_book(stream)
    first, *answers = FrameDecoder().feed(sent)
    good = next((number for number, frame in enumerate(asked) if not _is_a_question(frame)), len(asked))
    assert first == Welcome() and len(answers) <= good
    assert len(answers) == good or fault or good < len(asked), "a good question was not answered"
    seen: deque[object] = deque(maxlen=MOST)
    for question, answer in zip(asked, answers, strict=False):
        assert _fits(question, answer, seen), f"{answer} was the answer to {question}"
    return {f"answered {type(answer).__name__.lower()}" for answer in answers}


def _is_a_question(frame: Frame) -> bool:
    return isinstance(frame, Secure | Leave | Foreign)


def _fits(question: Frame, answer: Frame, seen: deque[object]) -> bool:
    """Whether this may be answered so: the flow's own id, and nothing promised that must be refused."""
    assert not isinstance(question, Welcome) and not isinstance(answer, Welcome)
    again = not isinstance(question, Foreign) and question.flow in seen
    if not (again or isinstance(question, Foreign)):
        seen.append(question.flow)
    if isinstance(answer, Refuse):
        return answer.flow == question.flow and answer.reason is not Reason.PROVIDER_BUG
    if isinstance(question, Secure):
        mine = isinstance(answer, Ready) and answer.cipher in question.ciphers and question.provider == PROVIDER
    else:
        mine = isinstance(question, Leave) and isinstance(answer, Left)
    return mine and not again and answer.flow == question.flow and _between_us(question)


def _between_us(question: Frame) -> bool:
    assert isinstance(question, Secure | Leave)
    homes = {pod.address: pod.node for pod in pairs.PODS}
    ends = question.tuple4
    return (homes.get(ends.client), homes.get(ends.server)) == (pairs.CLIENT_NODE, pairs.SERVER_NODE)
