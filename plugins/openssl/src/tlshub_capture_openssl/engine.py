# SPDX-License-Identifier: Apache-2.0
"""TLS 1.3 over memory buffers with pyOpenSSL, mutually authenticated."""

from __future__ import annotations

from collections.abc import Callable

import OpenSSL
from OpenSSL import SSL, crypto
from OpenSSL._util import lib

from tlshub_core.api import ConfigError, Identity, Reason, Refused, TlsEngine
from tlshub_core.peering.engines import check_readable, failed, unverified

CHUNK = 65_536


def engines(identity: Identity) -> Callable[[bool], TlsEngine]:
    """The factory of engines with this node's certificate; raises ConfigError naming the file that will not do."""
    context = _context(identity)
    return lambda server_side: Engine(context, server_side)


def library() -> str:
    """Such as 'OpenSSL 3.5.4 (pyOpenSSL 25.3.0)'."""
    number = " ".join(SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[:2])
    return f"{number} (pyOpenSSL {OpenSSL.__version__})"


def _context(identity: Identity) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_options(SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    check_readable(identity.cert, identity.key, identity.ca)
    for use, path in (
        (context.use_certificate_chain_file, identity.cert),
        (context.use_privatekey_file, identity.key),
        (context.load_verify_locations, identity.ca),
    ):
        try:
            use(str(path))
        except SSL.Error as error:
            raise ConfigError(f"OpenSSL cannot use it: {_text(error)}", file=str(path)) from error
    try:
        context.check_privatekey()
    except SSL.Error as error:
        raise ConfigError(f"the key is not that of '{identity.cert}'", file=str(identity.key)) from error
    return context


class Engine:
    """One side of one TLS connection (the protocol TlsEngine)."""

    def __init__(self, context: SSL.Context, server_side: bool) -> None:
        self._connection = SSL.Connection(context, None)
        self._done = False
        if server_side:
            self._connection.set_accept_state()
        else:
            self._connection.set_connect_state()
            self._handshake()

    def feed(self, data: bytes) -> None:
        """Take bytes from the wire; raises Refused."""
        self._connection.bio_write(data)
        if not self._done:
            self._handshake()

    def drain(self) -> bytes:
        """Bytes for the wire."""
        parts: list[bytes] = []
        while True:
            try:
                parts.append(self._connection.bio_read(CHUNK))
            except SSL.WantReadError:
                return b"".join(parts)

    def done(self) -> bool:
        """Whether the handshake is complete on this side; a client may still be turned away by the server."""
        return self._done

    def peer_certificate(self) -> bytes:
        """DER; raises Refused where there is none."""
        certificate = self._connection.get_peer_certificate()
        if certificate is None:
            raise Refused("the peer has no certificate", Reason.PEER_UNVERIFIED)
        return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)

    def write(self, data: bytes) -> None:
        """Encrypt; a memory buffer takes all of it. Raises Refused where the session has failed."""
        try:
            self._connection.sendall(data)
        except SSL.Error as error:
            raise self._refused(error) from error

    def read(self) -> bytes:
        """What has arrived, decrypted; raises Refused for an alert or a damaged record."""
        parts: list[bytes] = []
        while True:
            try:
                parts.append(self._connection.recv(CHUNK))
            except (SSL.WantReadError, SSL.ZeroReturnError):
                return b"".join(parts)
            except SSL.Error as error:
                raise self._refused(error) from error

    def library(self) -> str:
        """See `library`."""
        return library()

    def export(self, label: bytes, context: bytes, size: int) -> bytearray:
        """RFC 8446, section 7.5. The library's own copy is an immutable `bytes`, which nobody can wipe."""
        return bytearray(self._connection.export_keying_material(label, size, context))

    def _handshake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            raise self._refused(error) from error
        self._done = True

    def _refused(self, error: SSL.Error) -> Refused:
        problem = _problem(self._connection)
        return unverified(problem) if problem else failed(_text(error))


def _problem(connection: SSL.Connection) -> int:
    """Why verification failed, as X509_V_ERR_*, or 0; OpenSSL's own error does not say.

    Asked below pyOpenSSL: a callback, its own way to it, needs memory that can be written and executed, which the unit
    for systemd forbids.
    """
    return int(lib.SSL_get_verify_result(connection._ssl))


def _text(error: SSL.Error) -> str:
    """The reasons in an OpenSSL error: a list of (library, function, reason)."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(str(entry[-1]) for entry in entries if entry[-1]) or type(error).__name__
