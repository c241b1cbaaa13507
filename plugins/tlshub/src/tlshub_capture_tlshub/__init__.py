# SPDX-License-Identifier: Apache-2.0
"""Key provider 'tlshub': each connection's keys come from a master key that TLSHub's kernel module agreed on."""

from __future__ import annotations

from collections.abc import Iterable
from socket import AF_INET

from tlshub_capture_tlshub.config import TlshubConfig
from tlshub_core.api import KeyProvider, KeyProviderSpec, hookimpl

NAME = "tlshub"


@hookimpl
def tlshub_key_providers() -> Iterable[KeyProviderSpec]:
    """The one provider of this plugin."""
    return [
        KeyProviderSpec(
            name=NAME,
            summary="master keys of the TLSHub kernel module, over netlink (IPv4)",
            config=TlshubConfig,
            factory=make,
            families=frozenset({AF_INET}),
        )
    ]


def make(config: TlshubConfig) -> KeyProvider:
    """A provider with these options; the module is spoken to when it is started."""
    from tlshub_capture_tlshub.provider import TlshubProvider

    return TlshubProvider(config)
