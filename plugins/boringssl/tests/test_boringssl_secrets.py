# SPDX-License-Identifier: Apache-2.0
"""The key log holds nothing when a call is over, and only lines and sessions of the known form are read."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from pathlib import Path

import pytest
import utls
from hypothesis import given, settings
from hypothesis import strategies as st
from tlshub_capture_boringssl import contexts, peer
from tlshub_capture_boringssl.engine import Engine
from tlshub_capture_boringssl.keylog import KeyLog, exporter_secret

from tlshub_core.api import ConfigError, Unavailable
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.ends import Ends

RANDOM = "ab" * 32


def line(secret: str, label: str = "EXPORTER_SECRET") -> bytearray:
    return bytearray(f"{label} {RANDOM} {secret}\n".encode())


class Witness(KeyLog):
    """Keeps what the library wrote, and what was given of it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.given = b"", bytearray()

    def take(self) -> bytearray:
        self.seen += os.pread(self._fd, 10_000, 0)
        self.given = super().take() or self.given
        return self.given

    def size(self) -> int:
        return os.fstat(self._fd).st_size


def ends_with(log: KeyLog, folder: Path) -> Ends:
    who = pairs.identities(folder, 4646)
    context = contexts._context(who[0], log, utls.PROTOCOL_TLS_CLIENT)
    return Ends(client=Engine(context, log, "x"), server=contexts.engines(who[1])(True))


def test_the_key_log_is_empty_after_each_call(tmp_path: Path) -> None:
    log = Witness()
    ends = ends_with(log, tmp_path)
    while not ends.client.done():
        ends.client_to_server()
        ends.server_to_client()
        assert log.size() == 0
    assert b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" in log.seen, "the library wrote no key log"
    assert exporter_secret(bytearray(log.seen)) == log.given != b""


def test_the_secret_is_wiped_with_its_engine(tmp_path: Path) -> None:
    log = Witness()
    ends = ends_with(log, tmp_path).handshake()
    secret = log.given
    assert any(secret)
    assert bytes(secret).hex() not in repr(vars(ends.client)) + repr(ends)
    del ends
    gc.collect()
    assert secret == bytearray(len(secret))


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    who = pairs.identities(tmp_path, 4646)
    contexts.engines(who[0])
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        contexts.engines(who[0])
        with pytest.raises(ConfigError):
            contexts.engines(pairs.identity(tmp_path, "node-x", 4646))
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


@settings(deadline=None)
@given(st.sampled_from([32, 48]), st.data())
def test_the_exporter_secret_is_found_among_others(size: int, data: st.DataObject) -> None:
    secrets = [data.draw(st.binary(min_size=size, max_size=size)) for _ in range(2)]
    lines = line(secrets[0].hex(), "CLIENT_TRAFFIC_SECRET_0") + line(secrets[1].hex())
    assert exporter_secret(lines + line(secrets[0].hex(), "SERVER_TRAFFIC_SECRET_0")) == secrets[1]


@pytest.mark.parametrize(
    "text", ["", "ab" * 31, "ab" * 32 + "a", "ab" * 40, "zz" * 32, "AB" * 32, "ab" * 31 + " b", "ab" * 64]
)
def test_a_secret_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(Unavailable, match=r"^the line 'EXPORTER_SECRET' of BoringSSL's key log"):
        exporter_secret(line(text))


def test_two_secrets_are_refused() -> None:
    with pytest.raises(Unavailable):
        exporter_secret(line("ab" * 32) * 2)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_key_log_is_read_or_refused(tail: bytes) -> None:
    for lines in (bytearray(tail), bytearray(b"EXPORTER_SECRET " + tail)):
        with suppress(Unavailable):
            assert len(exporter_secret(lines)) in (0, 32, 48)


def der(tag: int, body: bytes) -> bytes:
    size = len(body).to_bytes(2, "big")
    return bytes((tag, 0x82)) + size + body


@settings(deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_the_certificate_is_the_element_3(certificate: bytes, other: bytes) -> None:
    session = der(0x30, der(0x02, other) + der(0xA3, certificate) + der(0xB3, other))
    assert peer.certificate(session) == certificate
    assert peer.certificate(der(0x30, der(0xB3, other))) == b""
    for cut in (session[:-1], session + b"\x00", session + session):
        with pytest.raises(ValueError):
            peer.certificate(cut)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_session_is_read_or_refused(data: bytes) -> None:
    for session in (data, der(0x30, data)):
        with suppress(ValueError):
            assert peer.certificate(session) in session
