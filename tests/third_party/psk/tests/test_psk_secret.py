# SPDX-License-Identifier: Apache-2.0
"""The file of the secret, and the keys that come of it."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from tlshub_capture_psk.messages import Ask, Ready
from tlshub_capture_psk.secret import PskPending, Secret, expand

from tlshub_core.api import Cipher, ConfigError, Isns, Tuple4

ISNS = Isns(client=1, server=2)
ENDS = Tuple4(client=IPv4Address("10.1.0.1"), client_port=4000, server=IPv4Address("10.2.0.1"), server_port=80)
ASK = Ask(nonce=bytes(32), epoch=bytes(16), flow=UUID(int=7), tuple4=ENDS, ciphers=(51,))
READY = Ready(nonce=bytes(32), server_nonce=b"s" * 32, cipher=51)


@pytest.mark.parametrize("size", [1, 32, 33, 44, 300])
def test_expand_is_that_of_the_rfc(size: int) -> None:
    expected = HKDFExpand(algorithm=SHA256(), length=size, info=b"some info").derive(b"p" * 32)
    assert expand(bytearray(b"p" * 32), b"some info", size) == expected


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("5c" * 32, 0o640, "has mode 0640, others may read it: chmod 600"),
        ("5c" * 31, 0o600, "has 31 bytes, expected 32 to 1024"),
        ("5c" * 1025, 0o600, "has 1025 bytes, expected 32 to 1024"),
        ("a passphrase", 0o600, "is not hexadecimal: make one with `openssl rand -hex 32`"),
        ("", 0o600, "has 0 bytes"),
        ("ü" * 64, 0o600, "is not hexadecimal"),
    ],
)
def test_what_nobody_may_rely_on_is_refused(tmp_path: Path, text: str, mode: int, message: str) -> None:
    path = tmp_path / "secret"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        Secret.read(path)
    assert str(caught.value).startswith(f"'{path}': {message}")


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        Secret.read(tmp_path / "secret")


@pytest.mark.parametrize(
    ("ask", "ready"),
    [
        (ASK, Ready(nonce=bytes(32), server_nonce=b"t" * 32, cipher=51)),
        (ASK, Ready(nonce=bytes(32), server_nonce=b"s" * 32, cipher=54)),
        (Ask(nonce=b"c" * 32, epoch=bytes(16), flow=UUID(int=7), tuple4=ENDS, ciphers=(51,)), READY),
        (Ask(nonce=bytes(32), epoch=bytes(16), flow=UUID(int=8), tuple4=ENDS, ciphers=(51,)), READY),
    ],
)
def test_each_thing_that_identifies_a_connection_changes_its_keys(secret_file: Path, ask: Ask, ready: Ready) -> None:
    secret = Secret.read(secret_file)
    assert secret.of_flow(ask, ready) != secret.of_flow(ASK, READY)


@pytest.mark.parametrize("cipher", Cipher)
def test_every_cipher_gets_keys_and_the_secret_is_wiped(cipher: Cipher) -> None:
    secret = bytearray(b"f" * 32)
    keys = asyncio.run(PskPending(secret, cipher).keys(ISNS, None))
    assert keys.cipher is cipher
    assert not any(secret)


def test_what_was_given_or_discarded_is_wiped(secret_file: Path) -> None:
    secret = Secret.read(secret_file).of_flow(ASK, READY)
    PskPending(secret, Cipher.AES_GCM_128).discard()
    assert not any(secret)
