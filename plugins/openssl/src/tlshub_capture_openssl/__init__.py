# SPDX-License-Identifier: Apache-2.0
"""Key provider 'openssl': each connection's keys come from a mutual TLS 1.3 session between the two nodes' agents."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tlshub_capture_openssl.config import OpenSslConfig
from tlshub_core.api import Identity, KeyProvider, KeyProviderSpec, TlsEngine, hookimpl

NAME = "openssl"


@hookimpl
def tlshub_key_providers() -> Iterable[KeyProviderSpec]:
    """The one provider of this plugin."""
    return [
        KeyProviderSpec(
            name=NAME,
            summary="keys exported from mutual TLS 1.3 sessions between agents (OpenSSL)",
            config=OpenSslConfig,
            factory=make,
            passthrough=True,
        )
    ]


def make(config: OpenSslConfig) -> KeyProvider:
    """A provider with these options; the certificate is read when it is started."""
    from tlshub_core.peering.provider import PeeringProvider

    return PeeringProvider(NAME, _engines, config.settings())


def _engines(identity: Identity) -> Callable[[bool], TlsEngine]:
    from tlshub_capture_openssl.engine import engines

    return engines(identity)
