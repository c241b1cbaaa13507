# SPDX-License-Identifier: Apache-2.0
"""The provider passes what every key provider must pass."""

from __future__ import annotations

import tlshub_capture_openssl

from tlshub_core.testing.provider import KeyProviderConformance


class TestOpenSsl(KeyProviderConformance):
    spec = next(iter(tlshub_capture_openssl.tlshub_key_providers()))

    def test_name(self) -> None:
        assert self.spec.name == "openssl"
