# SPDX-License-Identifier: Apache-2.0
"""Python's own TLS as a client for engines to meet: one without a certificate, an old one, one that would resume."""

from __future__ import annotations

import ssl

from tlshub_core.types.errors import Reason, Refused
from tlshub_core.types.interfaces import Identity

CHUNK = 65_536


class PlainClient:
    """A client (the protocol TlsEngine, but for the exporter) of the standard library; it trusts `who.ca`.

    `certified`: it shows the certificate of `who`; `newest` is the newest version that it speaks; it offers to resume
    the session of `earlier`.
    """

    def __init__(
        self,
        who: Identity,
        *,
        certified: bool = True,
        newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        earlier: PlainClient | None = None,
    ) -> None:
        self._context: ssl.SSLContext = earlier._context if earlier else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.maximum_version = newest
        self._context.load_verify_locations(cafile=who.ca)
        if certified:
            self._context.load_cert_chain(who.cert, who.key)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = earlier.tls.session if earlier else None
        self.tls: ssl.SSLObject = self._context.wrap_bio(self._incoming, self._outgoing, session=session)
        self._done = False
        self._handshake()

    def feed(self, data: bytes) -> None:
        """See TlsEngine."""
        self._incoming.write(data)
        if not self._done:
            self._handshake()

    def drain(self) -> bytes:
        """See TlsEngine."""
        return self._outgoing.read()

    def done(self) -> bool:
        """See TlsEngine."""
        return self._done

    def peer_certificate(self) -> bytes:
        """See TlsEngine."""
        return self.tls.getpeercert(binary_form=True) or b""

    def write(self, data: bytes) -> None:
        """See TlsEngine."""
        self.tls.write(data)

    def read(self) -> bytes:
        """See TlsEngine."""
        try:
            return self.tls.read(CHUNK)
        except ssl.SSLWantReadError:
            return b""

    def export(self, label: bytes, context: bytes, size: int) -> bytearray:
        """Not of this library."""
        raise NotImplementedError

    def library(self) -> str:
        """See TlsEngine."""
        return ssl.OPENSSL_VERSION

    def close(self) -> None:
        """Send close_notify."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            return

    def _handshake(self) -> None:
        try:
            self.tls.do_handshake()
            self._done = True
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            raise Refused(str(error), Reason.PEER_UNVERIFIED) from error
