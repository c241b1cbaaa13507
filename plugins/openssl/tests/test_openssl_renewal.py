# SPDX-License-Identifier: Apache-2.0
"""Certificates that change or expire while agents run: what sessions that are up do, and those that begin later."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable

import pytest
from cryptography import x509

from tlshub_core.api import Identity, Reason, events
from tlshub_core.peering import pki
from tlshub_core.peering.authority import Authority
from tlshub_core.peering.provider import PeeringProvider
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import fails_new, until, works
from tlshub_core.testing.pair import Pair

Nodes = Callable[..., Pair]
SECOND = 1 / 86_400


def certify(who: Identity, days: float = 30) -> None:
    """A new certificate and key for that node, written as a careful operator writes them."""
    folder = who.ca.parent
    authority = Authority.load(folder / "ca.pem", folder / "ca-key.pem")
    pems = authority.issue(who.node, [f"spiffe://{who.trust_domain}/node/{who.node}"], days)
    for path, pem in zip((who.cert, who.key), pems, strict=True):
        pki._write(path, pem, 0o600)


def shown(pair: Pair) -> int:
    """The serial number of the certificate that the server's node showed in the session that is up."""
    assert isinstance(pair.client, PeeringProvider) and pair.client._running is not None
    (peer,) = pair.client._running.dialler._peers.values()
    assert peer.session is not None
    return x509.load_der_x509_certificate(peer.session.engine.peer_certificate()).serial_number


def in_file(who: Identity) -> int:
    return x509.load_pem_x509_certificate(who.cert.read_bytes()).serial_number


async def ended(pair: Pair) -> None:
    """The session breaks, as it would for any other reason."""
    before = len(pair.client_agent.said(events.SessionDown))
    assert isinstance(pair.client, PeeringProvider) and pair.client._running is not None
    (peer,) = pair.client._running.dialler._peers.values()
    assert peer.session is not None
    peer.session.end(Reason.CLOSED, "as the test wants it")
    await until(lambda: len(pair.client_agent.said(events.SessionDown)) > before)


async def test_a_new_certificate_is_used_by_sessions_that_begin_later(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    await works(pair, 40_001)
    who, first = pair.server_agent.identity, in_file(pair.server_agent.identity)
    for number in range(3):
        certify(who)
        certify(pair.client_agent.identity)
        await works(pair, 40_010 + number)
        assert shown(pair) == first, "the session that is up goes on"
        await ended(pair)
        await works(pair, 40_020 + number)
        assert shown(pair) == in_file(who) != first
        first = in_file(who)
    assert len(pair.client_agent.said(events.SessionUp)) == 4


def cut_short(who: Identity) -> None:
    who.cert.write_bytes(who.cert.read_bytes()[:300])


def without_its_key(who: Identity) -> None:
    key = who.key.read_bytes()
    certify(who)
    who.key.write_bytes(key)


def of_another_node(who: Identity) -> None:
    certify(Identity(node="node-c", trust_domain=who.trust_domain, port=1, cert=who.cert, key=who.key, ca=who.ca))


def gone(who: Identity) -> None:
    who.cert.unlink()


def expired(who: Identity) -> None:
    certify(who, -1)


@pytest.mark.parametrize("harm", [cut_short, without_its_key, of_another_node, gone, expired])
async def test_files_that_will_not_do_keep_what_was_read_before(
    nodes: Nodes, caplog: pytest.LogCaptureFixture, harm: Callable[[Identity], None]
) -> None:
    pair = nodes()
    await pair.start()
    who, first = pair.server_agent.identity, in_file(pair.server_agent.identity)
    await works(pair, 40_001)
    harm(who)
    for number in range(3):
        await ended(pair)
        await works(pair, 40_010 + number)
        assert shown(pair) == first
    assert [line.levelno for line in caplog.records].count(logging.ERROR) == 1, caplog.text
    assert str(who.cert) in caplog.text
    certify(who)
    await ended(pair)
    await works(pair, 40_020)
    assert shown(pair) == in_file(who) != first


async def test_one_that_expires_while_running(nodes: Nodes, caplog: pytest.LogCaptureFixture) -> None:
    pair = nodes(backoff_base_s=0.01)
    certify(pair.server_agent.identity, 2.5 * SECOND)
    await pair.start()
    assert "expires at" in caplog.text, "the operator is told when it is read"
    await works(pair, 40_001)
    await asyncio.sleep(3)
    await works(pair, 40_002)
    await ended(pair)
    error = await fails_new(pair, 40_003)
    assert error.reason is Reason.PEER_UNVERIFIED
    assert "expired" in str(error)
    assert pair.client_agent.said(events.SessionDown)[-1].detail == str(error), "the operator is told by an event"
    certify(pair.server_agent.identity)
    await asyncio.sleep(0.05)
    await works(pair, 40_004)


async def test_an_authority_that_is_replaced_step_by_step(nodes: Nodes) -> None:
    """First both are trusted, then the nodes are certified by the new one, then it is trusted alone."""
    pair = nodes()
    await pair.start()
    await works(pair, 40_001)
    who = (pair.client_agent.identity, pair.server_agent.identity)
    authority = Authority.create(pairs.TRUST_DOMAIN)
    (ca,) = {one.ca for one in who}
    ca.write_bytes(ca.read_bytes() + authority.pem()[0])
    for number, one in enumerate(who):
        for path, pem in zip((one.cert, one.key), _issued(authority, one), strict=True):
            pki._write(path, pem, 0o600)
        await ended(pair)
        await works(pair, 40_010 + number)
    ca.write_bytes(authority.pem()[0])
    await ended(pair)
    await works(pair, 40_020)


def _issued(authority: Authority, who: Identity) -> tuple[bytes, bytes]:
    return authority.issue(who.node, [f"spiffe://{who.trust_domain}/node/{who.node}"])


async def test_renewals_leave_no_descriptor(nodes: Nodes) -> None:
    pair = nodes()
    await pair.start()
    await works(pair, 40_001)
    await ended(pair)
    await works(pair, 40_002)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        certify(pair.server_agent.identity)
        await ended(pair)
        await works(pair, 40_100 + number)
    await until(lambda: len(os.listdir("/proc/self/fd")) <= before)
