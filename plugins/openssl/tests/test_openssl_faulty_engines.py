# SPDX-License-Identifier: Apache-2.0
"""The tests of engines catch an engine that has one fault, and pass the same engine without it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest
import tlshub_capture_openssl

from tlshub_core.api import Identity, Refused, TlsEngine
from tlshub_core.peering.dial import EngineFactory
from tlshub_core.testing.engine import TlsEngineConformance
from tlshub_core.testing.engine_files import expired, stranger


class Sound:
    """Hands everything on."""

    def __init__(self, engine: TlsEngine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


class ForgetsTheContext(Sound):
    def export(self, label: bytes, _context: bytes, size: int) -> bytearray:
        return self._engine.export(label, b"", size)


class ForgetsTheLabel(Sound):
    def export(self, _label: bytes, context: bytes, size: int) -> bytearray:
        return self._engine.export(b"x", context, size)


class ExportsBytes(Sound):
    def export(self, label: bytes, context: bytes, size: int) -> bytes:
        return bytes(self._engine.export(label, context, size))


class ExportsWhatItLikes(Sound):
    def export(self, _label: bytes, _context: bytes, size: int) -> bytearray:
        return bytearray(secrets.token_bytes(size))


class HasOneSecret(Sound):
    def export(self, _label: bytes, _context: bytes, size: int) -> bytearray:
        return bytearray(size)


class IsDoneAtOnce(Sound):
    def done(self) -> bool:
        return True


class ShowsAnotherCertificate(Sound):
    def peer_certificate(self) -> bytes:
        return bytes(40)


class LosesTheEnd(Sound):
    def read(self) -> bytes:
        return self._engine.read()[:16_384]


class SendsInClear(Sound):
    def write(self, data: bytes) -> None:
        self._engine.write(data)
        self._sent = data

    def drain(self) -> bytes:
        sent: bytes = self.__dict__.pop("_sent", b"")
        return self._engine.drain() + sent


class SwallowsRefusals(Sound):
    def feed(self, data: bytes) -> None:
        try:
            self._engine.feed(data)
        except Refused:
            self._refused = True

    def read(self) -> bytes:
        try:
            return self._engine.read()
        except Refused:
            return b""


class SendsNoAlert(Sound):
    def feed(self, data: bytes) -> None:
        try:
            self._engine.feed(data)
        except Refused:
            self._engine.drain()
            raise


class HasNoName(Sound):
    def library(self) -> str:
        return "TLS"


CASES = (
    (ForgetsTheContext, "exporter_is_equal_on_both_ends", ()),
    (ForgetsTheLabel, "exporter_is_equal_on_both_ends", ()),
    (ExportsBytes, "exporter_is_equal_on_both_ends", ()),
    (ExportsWhatItLikes, "exporter_is_equal_on_both_ends", ()),
    (HasOneSecret, "interleaved_sessions_have_secrets_of_their_own", ()),
    (IsDoneAtOnce, "the_server_is_not_done_before_the_client_has_shown_who_it_is", ()),
    (IsDoneAtOnce, "a_client_without_a_certificate_is_refused", ()),
    (IsDoneAtOnce, "an_older_version_is_refused", ()),
    (ShowsAnotherCertificate, "what_a_peer_sends_beside_its_certificate_is_not_taken_for_it", ()),
    (LosesTheEnd, "data_arrives_both_ways_in_any_fragmentation", (16_385,)),
    (SendsInClear, "what_is_sent_is_not_in_clear", ()),
    (SwallowsRefusals, "a_damaged_record_ends_the_session", ()),
    (SwallowsRefusals, "noise_is_refused_and_completes_nothing", (b"GET / HTTP/1.1\r\n\r\n", True)),
    (SwallowsRefusals, "a_bad_certificate_is_refused_and_the_other_end_told", ("server", expired, ".*", ".*")),
    (SendsNoAlert, "a_bad_certificate_is_refused_and_the_other_end_told", ("client", stranger, ".*", ".*")),
    (HasNoName, "the_library_has_a_name_and_a_version", ()),
)


def run(kind: type[Sound], name: str, folder: Path, arguments: tuple[object, ...]) -> None:
    class Conformance(TlsEngineConformance):
        def engines(self, who: Identity) -> EngineFactory:
            make = tlshub_capture_openssl.engines(who)
            return lambda server_side: kind(make(server_side))

    getattr(Conformance(), f"test_{name}")(folder, *arguments)


@pytest.mark.parametrize(("fault", "name", "arguments"), CASES)
def test_a_fault_is_caught(tmp_path: Path, fault: type[Sound], name: str, arguments: tuple[object, ...]) -> None:
    run(Sound, name, tmp_path / "sound", arguments)
    with pytest.raises((AssertionError, pytest.fail.Exception, KeyError)):
        run(fault, name, tmp_path / "faulty", arguments)
