# SPDX-License-Identifier: Apache-2.0
"""Key provider 'openssl': each connection's keys come from a mutual TLS 1.3 session between the two nodes' agents."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tlshub_core.api import Identity, KeyProviderSpec, TlsEngine, hookimpl
from tlshub_core.peering.spec import peering_spec

NAME = "openssl"


@hookimpl
def tlshub_key_providers() -> Iterable[KeyProviderSpec]:
    """The one provider of this plugin."""
    summary = "keys exported from mutual TLS 1.3 sessions between agents (OpenSSL)"
    return [peering_spec(NAME, summary, engines, library)]


def engines(identity: Identity) -> Callable[[bool], TlsEngine]:
    """See `engine.engines`."""
    from tlshub_capture_openssl.engine import engines

    return engines(identity)


def library() -> str:
    """See `engine.library`."""
    from tlshub_capture_openssl.engine import library

    return library()
