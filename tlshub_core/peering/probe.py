# SPDX-License-Identifier: Apache-2.0
"""Whether this node's certificate, key and authority will do, before any peer finds out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tlshub_core.peering import identity as names
from tlshub_core.types.errors import Refused
from tlshub_core.types.interfaces import Identity, Level, Probe

if TYPE_CHECKING:
    from cryptography import x509

SOON = timedelta(days=7)
RENEW = "make them with 'tlshub-capture pki init', or ask who runs the authority"


def check_identity(identity: Identity) -> Probe:
    """Reads the three PEM files: readable, matching, signed by the authority, of this node, not expired soon."""
    try:
        chain = _certificates(identity.cert)
        roots = _certificates(identity.ca)
        _check_key(identity.key, chain[0])
        node = names.check(_der(chain[0]), identity.trust_domain)
    except (OSError, ValueError, TypeError, Refused) as error:
        return _failed(f"'{identity.cert}': {error}")
    if node != identity.node:
        return _failed(f"'{identity.cert}' is of the node '{node}', this node is '{identity.node}'")
    if not any(_signed_by(chain[0], issuer) for issuer in (*chain[1:], *roots)):
        return _failed(f"'{identity.cert}' is not signed by the authority in '{identity.ca}'")
    return _warnings(identity, chain[0])


def culprit(identity: Identity) -> Path:
    """The file to name where a TLS library cannot use certificate and key: the key's, if there is a certificate."""
    try:
        _certificates(identity.cert)
    except ValueError:
        return identity.cert
    return identity.key


def _warnings(identity: Identity, certificate: x509.Certificate) -> Probe:
    end = certificate.not_valid_after_utc
    if end - datetime.now(UTC) < SOON:
        message = f"'{identity.cert}' expires at {end:%Y-%m-%d %H:%M} UTC"
        return Probe(level=Level.WARNING, message=message, remedy="renew it: sessions that begin later use it")
    if identity.key.stat().st_mode & 0o077:
        message = f"'{identity.key}' can be read by other users"
        return Probe(level=Level.WARNING, message=message, remedy=f"chmod 600 '{identity.key}'")
    return Probe(level=Level.OK, message=f"certificate of node '{identity.node}', valid until {end:%Y-%m-%d}")


def _certificates(path: Path) -> list[x509.Certificate]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"'{path}' has no PEM certificate ({error})") from error


def _check_key(path: Path, certificate: x509.Certificate) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if load_pem_private_key(path.read_bytes(), None).public_key() != certificate.public_key():
        raise ValueError(f"the key in '{path}' is not this certificate's")


def _der(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _failed(message: str) -> Probe:
    return Probe(level=Level.FAILED, message=message, remedy=RENEW)
