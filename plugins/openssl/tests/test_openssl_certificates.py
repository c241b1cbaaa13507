# SPDX-License-Identifier: Apache-2.0
"""Wrong certificates, on either side: refused, and the flow is still NEW."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from OpenSSL import SSL
from tlshub_capture_openssl.engine import Engine

from tlshub_core.api import (
    Identity,
    Reason,
    Refused,
    events,
)
from tlshub_core.peering import pki
from tlshub_core.peering.authority import Authority
from tlshub_core.peering.channel import Channel
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.exchanges import fails_new, works
from tlshub_core.testing.pair import Pair

NODE_B = "spiffe://test.example/node/node-b"
Nodes = Callable[..., Pair]
Dialled = Callable[..., AbstractAsyncContextManager[Channel]]


def certify(who: Identity, uris: list[str], days: int = 7) -> None:
    folder = who.ca.parent
    cert, key = Authority.load(folder / "ca.pem", folder / "ca-key.pem").issue(who.node, uris, days)
    who.cert.write_bytes(cert)
    who.key.write_bytes(key)


@pytest.mark.parametrize(
    ("uris", "days", "message"),
    [
        ([], 7, "the certificate has 0 URI names"),
        ([NODE_B, NODE_B + "2"], 7, "the certificate has 2 URI names"),
        (["spiffe://else.example/node/node-b"], 7, "of the trust domain 'else.example'"),
        ([NODE_B], -1, "it has expired, renew it"),
    ],
)
@pytest.mark.parametrize("side", ["client", "server"])
async def test_bad_certificates(nodes: Nodes, uris: list[str], days: int, message: str, side: str) -> None:
    pair = nodes()
    agent = pair.client_agent if side == "client" else pair.server_agent
    certify(agent.identity, uris, days)
    await pair.start()
    error = await fails_new(pair)
    assert error.reason is Reason.PEER_UNVERIFIED
    if side == "server" or days > 0:
        assert message in str(error)
    else:
        assert "certificate expired" in str(error), "the server's alert"
    assert pair.server_agent.expected == []
    assert [type(event) for event in pair.client_agent.events] == [events.SessionDown]
    assert pair.client_agent.warm_peers == {}


@pytest.mark.parametrize("side", ["client", "server"])
async def test_certificate_of_another_authority(nodes: Nodes, tmp_path: Path, side: str) -> None:
    pair = nodes()
    agent = pair.client_agent if side == "client" else pair.server_agent
    pki.init(tmp_path / "else", pairs.TRUST_DOMAIN, [agent.identity.node])
    other = pairs.identity(tmp_path / "else", agent.identity.node, agent.identity.port)
    agent.identity = replace(agent.identity, cert=other.cert, key=other.key)
    await pair.start()
    error = await fails_new(pair)
    assert error.reason is Reason.PEER_UNVERIFIED
    assert ("its authority is not the one in 'ca'" if side == "server" else "unknown ca") in str(error)


async def test_a_client_without_a_certificate_is_turned_away(nodes: Nodes, dialled: Dialled) -> None:
    pair = nodes()
    await pair.start()
    context = SSL.Context(SSL.TLS_METHOD)
    context.load_verify_locations(str(pair.client_agent.identity.ca))
    with pytest.raises(Refused, match="certificate required"):
        async with dialled(pair, Engine(context, False)):
            pass
    await works(pair)
