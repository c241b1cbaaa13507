# SPDX-License-Identifier: Apache-2.0
"""Keys that two agents agreed on and nobody has derived yet."""

from __future__ import annotations

from collections.abc import Callable
from socket import socket

from tlshub_core.peering import exporter
from tlshub_core.types.errors import Reason, Unavailable
from tlshub_core.types.flow import Isns
from tlshub_core.types.keys import Cipher, FlowKeys


class SessionPending:
    """A Pending whose keys come from a session's exporter; it outlives the session's connection.

    `asked_as` is the provider's name by which it was asked for (see NamedPending), `node` the one whose agent it was
    agreed on with; `release` is called once, when the flow was taken by its connection or was forgotten.
    """

    __slots__ = ("__weakref__", "_cipher", "_context", "_engine", "_release", "asked_as", "node")

    def __init__(
        self,
        engine: exporter.Exporter,
        context: bytes,
        cipher: Cipher,
        provider: str,
        node: str,
        release: Callable[[], None] | None = None,
    ) -> None:
        self._engine: exporter.Exporter | None = engine
        self.asked_as, self.node = provider, node
        self._context, self._cipher, self._release = context, cipher, release

    async def keys(self, isns: Isns, sock: socket | None) -> FlowKeys:
        """The keys, derived now, once; raises Unavailable where they were given or discarded before."""
        engine, self._engine = self._engine, None
        if engine is None:
            raise Unavailable("the keys of this flow were given or discarded before", Reason.CLOSED)
        return exporter.export_flow_keys(engine, self._context, self._cipher)

    @property
    def unspent(self) -> bool:
        """Whether no keys were derived of it, and it was not discarded."""
        return self._engine is not None

    def replace(self, newer: SessionPending) -> None:
        """It was agreed on anew: the keys will be those of `newer`, which is used up; the old ones never were."""
        self._engine, self._context, self._cipher = newer._engine, newer._context, newer._cipher
        newer.discard()

    def taken(self) -> None:
        """The connection has come: the flow counts no longer as outstanding."""
        release, self._release = self._release, None
        if release is not None:
            release()

    def discard(self) -> None:
        """Forget the flow; its keys can never be derived again here."""
        self._engine, self._context = None, b""
        self.taken()
