# SPDX-License-Identifier: Apache-2.0
"""Datagrams: what is sealed comes back, and nothing else is taken."""

from __future__ import annotations

import hmac
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlshub_capture_psk.messages import Ask, Hello, Message, Ready, Refuse, Welcome, seal, unseal

from tlshub_core.api import Reason, Tuple4

KEY = bytearray(b"k" * 32)
NONCES, EPOCHS, NUMBERS = (
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 65535),
)
NAMES = st.text(max_size=60)


def tuples(address: type[IPv4Address] | type[IPv6Address]) -> st.SearchStrategy[Tuple4]:
    """Tuples of that family."""
    ends = st.integers(0, 2 ** (32 if address is IPv4Address else 128) - 1).map(address)
    return st.builds(Tuple4, client=ends, client_port=NUMBERS, server=ends, server_port=NUMBERS)


MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(Hello, nonce=NONCES),
    st.builds(Welcome, nonce=NONCES, epoch=EPOCHS),
    st.builds(
        Ask,
        nonce=NONCES,
        epoch=EPOCHS,
        flow=st.uuids(),
        tuple4=st.one_of(tuples(IPv4Address), tuples(IPv6Address)),
        ciphers=st.lists(NUMBERS, max_size=9).map(tuple),
    ),
    st.builds(Ready, nonce=NONCES, server_nonce=NONCES, cipher=NUMBERS),
    st.builds(Refuse, nonce=NONCES, reason=st.sampled_from(Reason)),
)


@given(NAMES, NAMES, MESSAGES)
def test_what_is_sealed_comes_back(sender: str, receiver: str, message: Message) -> None:
    assert unseal(KEY, seal(KEY, sender, receiver, message)) == (sender, receiver, message)


@given(MESSAGES, st.data())
def test_a_flipped_bit_is_refused(message: Message, data: st.DataObject) -> None:
    sealed = bytearray(seal(KEY, "a", "b", message))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ValueError, match="not signed"):
        unseal(KEY, bytes(sealed))


@given(MESSAGES)
def test_another_secret_is_refused(message: Message) -> None:
    with pytest.raises(ValueError, match="not signed"):
        unseal(bytearray(b"other"), seal(KEY, "a", "b", message))


@given(st.one_of(st.binary(max_size=200), MESSAGES.map(lambda message: seal(KEY, "a", "b", message)[:-33])))
def test_signed_nonsense_is_refused_or_was_meant(data: bytes) -> None:
    try:
        sender, receiver, message = unseal(KEY, data + hmac.digest(KEY, data, "sha256"))
    except ValueError:
        return
    assert seal(KEY, sender, receiver, message)[:-32] == data
