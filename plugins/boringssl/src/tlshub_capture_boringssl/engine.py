# SPDX-License-Identifier: Apache-2.0
"""TLS 1.3 over memory buffers with BoringSSL (the package 'utls'), mutually authenticated."""

from __future__ import annotations

import weakref

import utls

from tlshub_capture_boringssl import alerts, peer
from tlshub_capture_boringssl.keylog import HASHES, KeyLog
from tlshub_core.api import Reason, Refused, Unavailable
from tlshub_core.peering.engines import failed, unverified
from tlshub_core.peering.exporter import tls_export, wipe

CHUNK = 65_536
# X509_V_ERR_INVALID_CALL, which BoringSSL begins with: no certificate was looked at, whatever utls calls the failure.
NOT_LOOKED_AT = 65


class Engine:
    """One side of one TLS connection (the protocol TlsEngine); `library` is its name for people."""

    def __init__(self, context: utls.SSLContext, log: KeyLog, library: str) -> None:
        self._incoming, self._outgoing = utls.MemoryBIO(), utls.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=context.server_side)
        self._log, self._library = log, library
        self._done, self._secret = False, bytearray()
        if not context.server_side:
            self._handshake()

    def feed(self, data: bytes) -> None:
        """Take bytes from the wire; raises Refused."""
        self._incoming.write(data)
        if not self._done:
            self._handshake(data)

    def drain(self) -> bytes:
        """Bytes for the wire."""
        return self._outgoing.read()

    def done(self) -> bool:
        """Whether the handshake is complete on this side; a client may still be turned away by the server."""
        return self._done

    def peer_certificate(self) -> bytes:
        """DER; raises Refused where there is none."""
        session = self._tls.session
        try:
            der = peer.certificate(session.to_der()) if session is not None else b""
        except ValueError as error:
            raise Refused(f"BoringSSL's session cannot be read: {error}", Reason.PEER_UNVERIFIED) from error
        if not der:
            raise Refused("the peer has no certificate", Reason.PEER_UNVERIFIED)
        return der

    def write(self, data: bytes) -> None:
        """Encrypt; a memory buffer takes all of it. Raises Refused where the session has failed."""
        try:
            self._tls.write(data)
        except utls.SSLError as error:
            raise failed(words(error)) from error

    def read(self) -> bytes:
        """What has arrived, decrypted; raises Refused for an alert or a damaged record."""
        parts: list[bytes] = []
        try:
            while part := self._tls.read(CHUNK):
                parts.append(part)
        except utls.SSLWantReadError:
            return b"".join(parts)
        except utls.SSLError as error:
            raise failed(words(error)) from error
        return b"".join(parts)

    def export(self, label: bytes, context: bytes, size: int) -> bytearray:
        """RFC 8446, section 7.5, from the secret in the key log."""
        return tls_export(self._secret, label, context, size, HASHES[len(self._secret)])

    def library(self) -> str:
        """The name given to it."""
        return self._library

    def _handshake(self, arrived: bytes = b"") -> None:
        try:
            self._tls.do_handshake()
            self._done = True
        except utls.SSLWantReadError:
            return
        except utls.SSLError as error:
            raise self._refused(error, arrived) from error
        finally:
            self._keep(self._log.take())
        if not self._secret:
            raise Unavailable("BoringSSL wrote no exporter secret into its key log", Reason.PROVIDER_FAILED)

    def _keep(self, secret: bytearray) -> None:
        if secret:
            self._secret = secret
            weakref.finalize(self, wipe, secret)

    def _refused(self, error: utls.SSLError, arrived: bytes) -> Refused:
        code = getattr(error, "verify_code", None)
        if code is not None and code != NOT_LOOKED_AT:
            return unverified(code)
        if alert := alerts.in_clear(arrived):
            return failed(alert)
        try:
            self._tls.read(1)  # fails as the handshake did, and says why
        except utls.SSLError as actual:
            return failed(words(actual))
        return failed(words(error))


def words(error: utls.SSLError) -> str:
    """The reasons in the library's message, which is 'WHERE: error:NUMBER:LIBRARY:FUNCTION:REASON; …'."""
    reasons = [part.rpartition(":")[2].strip() for part in str(error.args[-1]).split(";")]
    return ", ".join(reason.lower().replace("_", " ") for reason in reasons if reason) or type(error).__name__
