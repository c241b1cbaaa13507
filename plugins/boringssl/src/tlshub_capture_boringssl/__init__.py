# SPDX-License-Identifier: Apache-2.0
"""Key provider 'boringssl': as the sessions of other TLS libraries, with BoringSSL at this node's end of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tlshub_core.api import Identity, KeyProviderSpec, TlsEngine, hookimpl
from tlshub_core.peering.spec import peering_spec

NAME = "boringssl"


@hookimpl
def tlshub_key_providers() -> Iterable[KeyProviderSpec]:
    """The one provider of this plugin."""
    return [
        peering_spec(NAME, "keys exported from mutual TLS 1.3 sessions between agents (BoringSSL)", engines, library)
    ]


def engines(identity: Identity) -> Callable[[bool], TlsEngine]:
    """See `contexts.engines`."""
    from tlshub_capture_boringssl.contexts import engines

    return engines(identity)


def library() -> str:
    """See `contexts.library`."""
    from tlshub_capture_boringssl.contexts import library

    return library()
