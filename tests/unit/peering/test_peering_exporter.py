# SPDX-License-Identifier: Apache-2.0
"""Key derivation against published vectors (RFC 5869, RFC 8448) and against another implementation."""

from __future__ import annotations

from ipaddress import IPv4Address
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from tlshub_core.peering import exporter
from tlshub_core.types.flow import Tuple4
from tlshub_core.types.keys import Cipher

TUPLE = Tuple4(client=IPv4Address("10.0.0.1"), client_port=4000, server=IPv4Address("10.0.0.2"), server_port=80)
# RFC 8448, section 3: traffic secret, key, iv.
RFC_8448 = {
    "client handshake": (
        "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
        "dbfaa693d1762c5b666af5d950258d01",
        "5bd3c71b836e0b76bb73265f",
    ),
    "server handshake": (
        "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38",
        "3fce516009c21727d0f2e4e86ee403bc",
        "5d313eb2671276ee13000b30",
    ),
    "client application": (
        "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
        "17422dda596ed5d9acd890e3c63f5051",
        "5b78923dee08579033e523d9",
    ),
    "server application": (
        "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
        "9f02283b6c9c07efc26bb9f2ac92e356",
        "cf782b88dd83549aadf1e984",
    ),
}


@pytest.mark.parametrize("name", RFC_8448)
def test_traffic_secret_to_key_and_iv(name: str) -> None:
    secret, key, iv = (bytes.fromhex(text) for text in RFC_8448[name])
    assert exporter.hkdf_expand_label(secret, b"key", b"", 16, "sha256") == key
    assert exporter.hkdf_expand_label(secret, b"iv", b"", 12, "sha256") == iv


def test_flow_keys_split_the_nonce_as_the_kernel_wants_it() -> None:
    client, server = RFC_8448["client handshake"], RFC_8448["server handshake"]
    secrets = bytearray.fromhex(client[0]), bytearray.fromhex(server[0])
    keys = exporter.flow_keys(*secrets, Cipher.AES_GCM_128)
    for way, vector in ((keys.client_to_server, client), (keys.server_to_client, server)):
        assert way.key.hex() == vector[1]
        assert (way.salt + way.iv).hex() == vector[2]
        assert (len(way.salt), len(way.iv)) == (4, 8)
        assert way.rec_seq == bytes(8)


def test_expand_of_rfc_5869_case_1() -> None:
    secret = bytes.fromhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    assert exporter.hkdf_expand(secret, bytes(range(0xF0, 0xFA)), 42, "sha256").hex() == expected


@given(st.binary(min_size=1, max_size=80), st.binary(max_size=80), st.integers(1, 300))
def test_expand_equals_another_implementation(secret: bytes, info: bytes, size: int) -> None:
    for name, algorithm in (("sha256", hashes.SHA256()), ("sha384", hashes.SHA384())):
        assert exporter.hkdf_expand(secret, info, size, name) == HKDFExpand(algorithm, size, info).derive(secret)


def test_expand_has_a_limit() -> None:
    assert len(exporter.hkdf_expand(b"x", b"", 255 * 32, "sha256")) == 255 * 32
    with pytest.raises(ValueError, match="8161 bytes"):
        exporter.hkdf_expand(b"x", b"", 255 * 32 + 1, "sha256")


class Recorder:
    """Gives a known exporter output, and keeps the buffer that it gave."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, bytes, int]] = []
        self.given: list[bytearray] = []

    def export(self, label: bytes, context: bytes, size: int) -> bytearray:
        self.asked.append((label, context, size))
        self.given.append(bytearray(range(size)))
        return self.given[-1]


@pytest.mark.parametrize("cipher", Cipher)
def test_one_export_and_nothing_of_it_is_left(cipher: Cipher) -> None:
    engine, context = Recorder(), exporter.context(UUID(int=1), TUPLE, b"c" * 32, b"s" * 32, cipher)
    keys = exporter.export_flow_keys(engine, context, cipher)
    size = 96 if cipher is Cipher.AES_GCM_256 else 64
    assert engine.asked == [(b"EXPORTER-TLS-Capture", context, size)]
    assert engine.given == [bytearray(size)]
    secret = bytearray(range(size // 2))
    assert keys.client_to_server.key == exporter.hkdf_expand_label(
        secret, b"key", b"", cipher.sizes.key, cipher.hash_name
    )
    assert keys.client_to_server.key != keys.server_to_client.key


def test_context_layout() -> None:
    context = exporter.context(UUID(int=1), TUPLE, b"c" * 32, b"s" * 32, Cipher.AES_GCM_128)
    packed = bytes.fromhex("04 0a000001 0fa0 0a000002 0050")
    assert context == bytes(15) + b"\x01" + packed + b"c" * 32 + b"s" * 32 + b"\x00\x33"
