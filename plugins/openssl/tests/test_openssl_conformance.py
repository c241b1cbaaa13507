# SPDX-License-Identifier: Apache-2.0
"""Provider and engine pass what every one of them must pass."""

from __future__ import annotations

import tlshub_capture_openssl

from tlshub_core.api import Identity
from tlshub_core.peering.dial import EngineFactory
from tlshub_core.testing.engine import TlsEngineConformance
from tlshub_core.testing.provider import KeyProviderConformance


class TestOpenSsl(KeyProviderConformance):
    spec = next(iter(tlshub_capture_openssl.tlshub_key_providers()))
    supports = ("installed", "promises")

    def test_name(self) -> None:
        assert self.spec.name == "openssl"


class TestEngine(TlsEngineConformance):
    def engines(self, who: Identity) -> EngineFactory:
        return tlshub_capture_openssl.engines(who)
