# SPDX-License-Identifier: Apache-2.0
"""What all sessions of a node share: its certificate, the authority that it trusts, and TLS 1.3 alone."""

from __future__ import annotations

import re
from collections.abc import Callable

import utls

from tlshub_capture_boringssl.engine import Engine, words
from tlshub_capture_boringssl.keylog import KeyLog
from tlshub_core.api import ConfigError, Identity, TlsEngine, Unavailable
from tlshub_core.peering.engines import check_readable
from tlshub_core.peering.probe import culprit


def engines(identity: Identity) -> Callable[[bool], TlsEngine]:
    """The factory of engines with this node's certificate; raises ConfigError naming the file that will not do.

    They belong to one thread: see `KeyLog.take`.
    """
    check_readable(identity.cert, identity.key, identity.ca)
    log = KeyLog()
    client, server = (_context(identity, log, way) for way in (utls.PROTOCOL_TLS_CLIENT, utls.PROTOCOL_TLS_SERVER))
    name = library()
    return lambda server_side: Engine(server if server_side else client, log, name)


def library() -> str:
    """Such as 'BoringSSL (boring-sys 5.2.0, utls 2026.10.3)'; BoringSSL itself has no versions."""
    bindings = re.search(r"boring-sys [\w.+-]+", utls.OPENSSL_VERSION)
    return f"BoringSSL ({bindings[0] if bindings else utls.OPENSSL_VERSION}, utls {utls.__version__})"


def _context(identity: Identity, log: KeyLog, protocol: int) -> utls.SSLContext:
    context = utls.SSLContext(protocol)
    context.minimum_version = utls.TLSVersion.TLSv1_3
    context.check_hostname = False  # the peer is known by its URI, which `identity.check` looks at
    context.verify_mode = utls.CERT_REQUIRED
    context.num_tickets = 0
    _load(context, identity)
    try:
        context.keylog_filename = log.path
    except utls.SSLError as error:
        raise Unavailable(f"BoringSSL cannot open a file of this process below '/proc': {words(error)}") from error
    return context


def _load(context: utls.SSLContext, identity: Identity) -> None:
    try:
        context.load_cert_chain(identity.cert, identity.key)
    except utls.SSLError as error:
        raise ConfigError(f"BoringSSL cannot use it: {words(error)}", file=str(culprit(identity))) from error
    try:
        context.load_verify_locations(cafile=identity.ca)
    except utls.SSLError as error:
        raise ConfigError(f"BoringSSL cannot use it: {words(error)}", file=str(identity.ca)) from error
