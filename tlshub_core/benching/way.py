# SPDX-License-Identifier: Apache-2.0
"""How a client comes to a connection on which it can talk to the server."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where to connect to; with `authority`, in PEM, TLS is talked there, to a server that it has certified."""

    host: str
    port: int
    authority: str = ""

    def dial(self, context: ssl.SSLContext | None) -> socket.socket:
        """A connection, TLS's handshake included; `context` is what `context` returned. Raises OSError."""
        sock = socket.create_connection((self.host, self.port), timeout=PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(sock) if context else sock

    def context(self) -> ssl.SSLContext | None:
        """What all connections of a process share; no session is kept, so each handshake is a full one."""
        if not self.authority:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False  # the certificate is one of this bench, and names no host
        context.load_verify_locations(cadata=self.authority)
        return context
