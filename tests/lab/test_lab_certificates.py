# SPDX-License-Identifier: Apache-2.0
"""A peer whose agent has a certificate that it should not be trusted for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports
from tests.lab.kit.talk import payload
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_outage import SHORT, attempt
from tlshub_core.peering.authority import Authority

NODE_B, NODE_C = "spiffe://lab.test/node/node-b", "spiffe://lab.test/node/node-c"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """A certificate, and what is wrong with it."""

    name: str
    uris: Sequence[str] = (NODE_B,)
    days: int = 10
    stranger: bool = False


CASES = (
    Bad(name="another-authority", stranger=True),
    Bad(name="expired", days=-1),
    Bad(name="two-names", uris=(NODE_B, NODE_C)),
    Bad(name="another-node", uris=(NODE_C,)),
    Bad(name="another-domain", uris=("spiffe://other.test/node/node-b",)),
)


FOLDER = Path(os.environ.get("LAB_NODES", "/run"))


def with_certificate(bad: Bad) -> pytest.MarkDecorator:
    """The configuration of an agent that shows this certificate."""
    cert, key = _files(bad)
    files = {"peering.cert": f'"{cert}"', "peering.key": f'"{key}"'}
    return pytest.mark.agents(node_a=SHORT, node_b={**SHORT, **files})


def _files(bad: Bad) -> tuple[Path, Path]:
    return FOLDER / f"{bad.name}.pem", FOLDER / f"{bad.name}-key.pem"


@pytest.fixture(scope="module", autouse=True)
def _certificates() -> None:
    pki = Path(os.environ["LAB_PKI"])
    ours, stranger = Authority.load(pki / "ca.pem", pki / "ca-key.pem"), Authority.create("lab.test")
    for bad in CASES:
        issuer = stranger if bad.stranger else ours
        for file, pem in zip(_files(bad), issuer.issue("node-b", bad.uris, bad.days), strict=True):
            file.touch(0o600)
            file.write_bytes(pem)


@pytest.mark.parametrize("bad", [pytest.param(bad, marks=with_certificate(bad), id=bad.name) for bad in CASES])
def test_no_byte_goes_to_a_peer_that_cannot_prove_who_it_is(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, bad: Bad
) -> None:
    port = ports.require()
    assert attempt(node_a, node_b, IPV4, port, payload(marker))[0] is False
    wire.silent(marker, port)
    (refused,) = node_a.await_events("Refused", 1)
    assert refused["reason"] == "peer-unverified" and refused["detail"], (bad, refused)
    assert not node_a.events("Secured", "ReleasedClear")
