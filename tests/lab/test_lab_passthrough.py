# SPDX-License-Identifier: Apache-2.0
"""Rules with 'passthrough': a TLS of the application's own is left alone by both ends, all else is secured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.kit.node import Node
from tests.lab.kit.own_tls import PAGE, Site
from tests.lab.kit.polling import edge_reader
from tests.lab.kit.ports import IPV4, IPV6, Ports
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_files import file_then_splice, spliced_then_splice

HELD = '[[rule]]\nname = "held"\nmatch = { ports = ["7121-7159"] }\nmode = "require"\n'
OWN_TLS = {"rules": HELD + 'passthrough = "tls"\n', "capture.passthrough_patience_ms": "5000"}
pytestmark = pytest.mark.agents(node_a=OWN_TLS, node_b=OWN_TLS)


@pytest.fixture
def site(tmp_path: Path, marker: bytes) -> Site:
    """A page full of the marker; the server's name is the marker too, and crosses in the ClientHello."""
    return Site.make(tmp_path, f"{marker.decode()}.test", payload(marker))


def own_tls_of(wire: Wire, site: Site, port: int) -> None:
    """Assert that the only connection is the application's TLS, and no other around it."""
    ((sent, received),) = wire.streams(port)
    assert sent[0] == 22 and sent[5] == 1 and site.name.encode() in sent[:600], "not its ClientHello"
    assert received[0] == 22 and received[5] == 2, "not its ServerHello"
    assert (site.folder / PAGE).read_bytes()[:64] not in sent + received, "the page in clear"


def left_alone(*nodes: Node) -> None:
    for node in nodes:
        assert [event["reason"] for event in node.await_events("ReleasedClear", 1)] == ["passthrough"]
        assert not node.events("Secured", "KeysReady", "Refused")


def test_the_tls_of_nginx_and_curl_is_left_alone_and_their_plain_http_is_secured(
    node_a: Node, node_b: Node, wire: Wire, site: Site, marker: bytes
) -> None:
    own, plain = 7121, 7122
    with site.nginx(node_b, node_b.ipv4, own, plain):
        assert site.curl(node_a, node_b.ipv4, own, "https") == (site.folder / PAGE).read_bytes()
        left_alone(node_a, node_b)
        assert site.curl(node_a, node_b.ipv4, plain, "http") == (site.folder / PAGE).read_bytes()
    own_tls_of(wire, site, own)
    wire.secured(marker, plain, flows=1)


def test_the_tls_of_programs_that_block_is_left_alone(node_a: Node, node_b: Node, wire: Wire, site: Site) -> None:
    port = 7123
    with site.s_server(node_b, node_b.ipv4, port):
        _, page = site.s_client(node_a, node_b.ipv4, port)
    assert page.endswith((site.folder / PAGE).read_bytes())
    left_alone(node_a, node_b)
    own_tls_of(wire, site, port)


def test_what_is_not_tls_is_secured_whoever_speaks_first(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    content, control = payload(marker), ports.bypass()
    pairs = [
        (sends_first, receives_first),
        (receives_first, sends_first),
        (edge_reader, sends_first),  # says nothing, and looks only when there is something: patience ends the wait
        (file_then_splice, spliced_then_splice),
    ]
    secret = list(range(7124, 7124 + len(pairs)))
    ways = (IPV4, IPV6, IPV4, IPV6)
    talks = [
        converse(node_a, node_b, way, *one, content)
        for way, *one in zip(ways, secret, *zip(*pairs, strict=True), strict=True)
    ]
    talks.append(converse(node_a, node_b, IPV4, control, *pairs[0], content))
    for talk in talks:
        talk.check()
    wire.secured(marker, *secret, flows=len(pairs))
    wire.clear(marker, control)
    assert not node_a.events("ReleasedClear") and not node_b.events("ReleasedClear")


@pytest.mark.agents(node_a=OWN_TLS, node_b={"rules": HELD})
def test_a_peer_whose_rule_has_no_passthrough_refuses(
    node_a: Node, node_b: Node, wire: Wire, site: Site, marker: bytes
) -> None:
    refused, secured = 7131, 7132
    with site.s_server(node_b, node_b.ipv4, refused):
        status, page = site.s_client(node_a, node_b.ipv4, refused)
    assert (status, page) != (0, b"") and not page
    assert [event["reason"] for event in node_a.await_events("Refused", 1)] == ["no-rule"]
    wire.silent(marker, refused)
    converse(node_a, node_b, IPV4, secured, sends_first, receives_first, payload(marker)).check()
    wire.secured(marker, secured, flows=1)


def test_on_one_node_it_is_the_same(node_a: Node, loopback: Wire, site: Site, marker: bytes) -> None:
    own, plain = 7133, 7134
    loopback.begin()
    with site.nginx(node_a, node_a.ipv4, own, plain):
        assert site.curl(node_a, node_a.ipv4, own, "https") == (site.folder / PAGE).read_bytes()
        assert {event["reason"] for event in node_a.await_events("ReleasedClear", 2)} == {"passthrough"}
        assert site.curl(node_a, node_a.ipv4, plain, "http") == (site.folder / PAGE).read_bytes()
    own_tls_of(loopback, site, own)
    loopback.secured(marker, plain, flows=1)
