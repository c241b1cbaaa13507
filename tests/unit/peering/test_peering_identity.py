# SPDX-License-Identifier: Apache-2.0
"""Certificates whose fields are none of those that there are: a refusal like any other, and no bug of the agent."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tlshub_core.peering import identity
from tlshub_core.peering.authority import Authority
from tlshub_core.types.errors import Reason, Refused

DOMAIN = "example.org"
VERSION_3 = b"\xa0\x03\x02\x01\x02"
UTC_TIME, GENERALIZED_TIME = b"\x17\x0d", b"\x18\x0f"


def issued() -> bytes:
    pem, _ = Authority.create(DOMAIN).issue("node-a", [f"spiffe://{DOMAIN}/node/node-a"])
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def from_the_year_0(der: bytes) -> bytes:
    """Its validity begins two bytes longer: so do the two sequences around everything, and the one of the times."""
    at = der.index(UTC_TIME)
    longer = bytearray(der[:at] + GENERALIZED_TIME + b"00000101000000Z" + der[at + 15 :])
    for place in (2, 6):
        longer[place : place + 2] = (int.from_bytes(longer[place : place + 2], "big") + 2).to_bytes(2, "big")
    longer[at - 1] += 2
    return bytes(longer)


def test_other_versions_and_years_that_there_are_not() -> None:
    der = issued()
    assert identity.check(der, DOMAIN) == "node-a"
    for wrong in (der.replace(VERSION_3, VERSION_3[:-1] + b"\x1f"), from_the_year_0(der)):
        assert wrong != der
        with pytest.raises(Refused, match=r"^the certificate cannot be read: ") as caught:
            identity.check(wrong, DOMAIN)
        assert caught.value.reason is Reason.PEER_UNVERIFIED
