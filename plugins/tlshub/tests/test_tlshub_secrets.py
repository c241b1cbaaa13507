# SPDX-License-Identifier: Apache-2.0
"""From a master key to traffic keys: known answers computed another way, and no key twice."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from hypothesis import given
from hypothesis import strategies as st
from tlshub_capture_tlshub import secrets

from tlshub_core.api import Cipher, DirectionKeys, Isns, Tuple4

MASTER = bytes(range(32))
TUPLE = Tuple4(client=IPv4Address("10.1.0.2"), client_port=40_001, server=IPv4Address("10.2.0.3"), server_port=443)
ISNS = Isns(client=0xFFFFFFFF, server=1)
HASHES = {Cipher.AES_GCM_128: hashes.SHA256, Cipher.AES_GCM_256: hashes.SHA384, Cipher.CHACHA20_POLY1305: hashes.SHA256}


def label(secret: bytes, name: bytes, size: int, cipher: Cipher) -> bytes:
    """HKDF-Expand-Label with an empty context, spelled out from RFC 8446, section 7.1."""
    info = size.to_bytes(2, "big") + bytes((6 + len(name),)) + b"tls13 " + name + b"\0"
    return HKDFExpand(HASHES[cipher](), size, info).derive(secret)


def expected(cipher: Cipher, way: int) -> tuple[bytes, bytes]:
    """Key and 12-byte IV of one direction, from the description in the plugin's README."""
    addresses = bytes((4, 10, 1, 0, 2)) + (40_001).to_bytes(2, "big") + bytes((10, 2, 0, 3)) + (443).to_bytes(2, "big")
    numbers = b"\xff\xff\xff\xff\0\0\0\1"
    info = b"tlshub-capture traffic" + bytes((0, cipher.value)) + addresses + numbers + bytes((way,))
    secret = HKDF(hashes.SHA256(), HASHES[cipher].digest_size, None, info).derive(MASTER)
    return label(secret, b"key", cipher.sizes.key, cipher), label(secret, b"iv", 12, cipher)


def parts(keys: DirectionKeys) -> tuple[bytes, bytes]:
    return bytes(keys.key), bytes(keys.salt + keys.iv)


@pytest.mark.parametrize("cipher", Cipher)
def test_keys_are_those_of_another_implementation(cipher: Cipher) -> None:
    keys = secrets.derive(secrets.extract(bytearray(MASTER)), TUPLE, ISNS, cipher)
    assert parts(keys.client_to_server) == expected(cipher, 1)
    assert parts(keys.server_to_client) == expected(cipher, 2)
    assert not any(keys.client_to_server.rec_seq) and not any(keys.server_to_client.rec_seq)


def test_a_known_answer_in_figures() -> None:
    """Pinned: two releases have to agree across nodes."""
    keys = secrets.derive(secrets.extract(bytearray(MASTER)), TUPLE, ISNS, Cipher.AES_GCM_128)
    assert bytes(keys.client_to_server.key).hex() == "66f41f310f8a0dd86582924b283a45c3"
    assert bytes(keys.server_to_client.key).hex() == "5405910e85cae93a26dc3f57df0cbf95"


def test_the_master_key_is_wiped_and_the_mark_is_no_key() -> None:
    master = bytearray(MASTER)
    root = secrets.extract(master)
    assert not any(master)
    marked = HKDF(hashes.SHA256(), 16, None, b"tlshub-capture mark").derive(MASTER)
    assert secrets.mark(root) == marked
    keys = secrets.derive(root, TUPLE, ISNS, Cipher.AES_GCM_128)
    assert marked not in (bytes(keys.client_to_server.key), bytes(keys.server_to_client.key))


addresses = st.integers(0, 2**32 - 1).map(IPv4Address)
ports = st.integers(0, 2**16 - 1)
tuples = st.builds(Tuple4, client=addresses, client_port=ports, server=addresses, server_port=ports)
numbers = st.integers(0, 2**32 - 1)
uses = st.tuples(tuples, st.builds(Isns, client=numbers, server=numbers), st.sampled_from(list(Cipher)))


@given(st.binary(min_size=32, max_size=32), st.lists(uses, min_size=1, max_size=4, unique_by=repr))
def test_one_master_key_never_gives_one_key_twice(master: bytes, several: list[tuple[Tuple4, Isns, Cipher]]) -> None:
    root = secrets.extract(bytearray(master))
    made = [secrets.derive(root, *use) for use in several]
    ways = [parts(way) for keys in made for way in (keys.client_to_server, keys.server_to_client)]
    assert len({key[:16] for key, _ in ways}) == len({iv for _, iv in ways}) == 2 * len(several)


@given(tuples, st.builds(Isns, client=numbers, server=numbers))
def test_each_part_counts(tuple4: Tuple4, isns: Isns) -> None:
    """Swapped ends, swapped numbers, another tuple of the same bytes: other keys."""
    root = secrets.extract(bytearray(MASTER))
    swapped = Tuple4(
        client=tuple4.server, client_port=tuple4.server_port, server=tuple4.client, server_port=tuple4.client_port
    )
    other = Isns(client=isns.server, server=isns.client)
    different = {repr((one, two)): (one, two) for one in (tuple4, swapped) for two in (isns, other)}
    keys = {bytes(secrets.derive(root, *use, Cipher.AES_GCM_128).client_to_server.key) for use in different.values()}
    assert len(keys) == len(different)
