# SPDX-License-Identifier: Apache-2.0
"""The core's own exporter, for libraries that have none, against OpenSSL's, from the secret in OpenSSL's key log."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tlshub_capture_openssl.engine import Engine, _context

from tlshub_core.peering import exporter
from tlshub_core.testing import pair as pairs


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, bytes]:
    """An engine past its handshake, and its exporter master secret."""
    one, two = pairs.identities(tmp_path_factory.mktemp("pki"), 4646)
    lines: list[bytes] = []
    context = _context(one)
    context.set_keylog_callback(lambda _, line: lines.append(line))
    ends = Engine(context, False), Engine(_context(two), True)
    while not all(end.done() for end in ends):
        for end, other in (ends, ends[::-1]):
            other.feed(end.drain())
    (secret,) = [line.split()[2] for line in lines if line.startswith(b"EXPORTER_SECRET ")]
    return ends[0], bytes.fromhex(secret.decode())


@settings(deadline=None)
@given(st.sampled_from([exporter.LABEL, b"EXPORTER-x"]), st.binary(max_size=300), st.integers(1, 200))
def test_it_equals_openssl_s(logged: tuple[Engine, bytes], label: bytes, context: bytes, size: int) -> None:
    engine, secret = logged
    name = {32: "sha256", 48: "sha384"}[len(secret)]
    assert exporter.tls_export(secret, label, context, size, name) == engine.export(label, context, size)
