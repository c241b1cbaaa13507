# SPDX-License-Identifier: Apache-2.0
"""Certificates of peers (DER), and their names by themselves: the node that one names, or a refusal.

The first byte says which: 0, a whole certificate; else what follows is the DER of the names in a sound one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtensionOID, NameOID

from tests.fuzz.kit.target import Target
from tlshub_core.peering import identity
from tlshub_core.peering.authority import Authority
from tlshub_core.types.errors import Reason, Refused

_DOMAIN = "example.org"
_NODE = f"spiffe://{_DOMAIN}/node/node-a"
_URIS = (
    (_NODE,), (), (_NODE, _NODE), ("spiffe://other.org/node/node-a",), ("https://example.org/node/node-a",),
    (f"spiffe://{_DOMAIN}/pod/x",), (f"spiffe://{_DOMAIN}/node/..",), (f"{_NODE}/x",), (_NODE.upper(),),
)  # fmt: skip


def _seeds() -> Iterable[bytes]:
    authority = Authority.create(_DOMAIN)
    made = [authority.issue("node-a", uris) for uris in _URIS] + [authority.issue("node-a", [_NODE], days=-1)]
    yield from (b"\0" + _der(pem) for pem, _ in made)
    yield from (b"\1" + _names(uris).public_bytes() for uris in _URIS if uris)
    mixed = x509.SubjectAlternativeName([x509.DNSName("node-a"), x509.UniformResourceIdentifier(_NODE)])
    yield b"\1" + mixed.public_bytes()


def _names(uris: Iterable[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])


def _der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)


@cache
def _key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(32))


def _with(names: bytes) -> bytes:
    """A certificate, valid today, with these bytes as the value of its names."""
    now, name = datetime.now(UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node-a")])
    builder = x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=_key().public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    value = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, names)
    signed = builder.add_extension(value, critical=False).sign(_key(), None)
    return signed.public_bytes(serialization.Encoding.DER)


def _one(data: bytes) -> Iterable[str]:
    der = _with(data[1:]) if data[:1] > b"\0" else data[1:]
    try:
        node = identity.check(der, _DOMAIN)
    except Refused as error:
        return ["refused" if error.reason is Reason.PEER_UNVERIFIED and not error.by_peer else "another reason"]
    assert f"spiffe://{_DOMAIN}/node/{node}".encode() in der, f"'{node}' is not in the certificate"
    assert identity.uri(_DOMAIN, node), "a name that no certificate could be issued for"
    return ["named"]


TARGET = Target(
    one=_one,
    seeds=_seeds,
    kinds=frozenset({"named", "refused"}),
    refusals=(),
    modules=("tlshub_core.peering.identity",),
    longest=1024,
)
