# SPDX-License-Identifier: Apache-2.0
"""Which node a certificate names: exactly one URI, `spiffe://<trust domain>/node/<node>`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tlshub_core.types.errors import Reason, Refused

if TYPE_CHECKING:
    from cryptography import x509

_NODE = re.compile(r"[A-Za-z0-9._-]{1,253}\Z")
_DOMAIN = re.compile(r"[a-z0-9._-]{1,253}\Z")


def uri(trust_domain: str, node: str) -> str:
    """The name of a node; raises ValueError where a part has characters that SPIFFE does not allow."""
    if not _DOMAIN.match(trust_domain):
        raise ValueError(f"'{trust_domain}' is not a trust domain: lower-case letters, digits, '.', '-' and '_' only")
    if not _NODE.match(node) or node in (".", ".."):
        raise ValueError(f"'{node}' is not a node name: letters, digits, '.', '-' and '_' only")
    return f"spiffe://{trust_domain}/node/{node}"


def check(der: bytes, trust_domain: str) -> str:
    """The node that a verified certificate (DER) names; raises Refused with PEER_UNVERIFIED."""
    from cryptography import x509

    try:
        certificate = x509.load_der_x509_certificate(der)
        names, begin, end = _uris(certificate), certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise _no(f"the certificate cannot be read: {error}") from error
    _check_time(begin, end)
    if len(names) != 1:
        raise _no(f"the certificate has {len(names)} URI names, exactly one is needed")
    return _node(names[0], trust_domain)


def _uris(certificate: x509.Certificate) -> list[str]:
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def _check_time(begin: datetime, end: datetime) -> None:
    now = datetime.now(UTC)
    if now > end:
        raise _no(f"the certificate expired at {end:%Y-%m-%d %H:%M} UTC, renew it")
    if now < begin:
        raise _no(f"the certificate is valid from {begin:%Y-%m-%d %H:%M} UTC, not yet; see the clocks")


def _node(name: str, trust_domain: str) -> str:
    scheme, _, rest = name.partition("://")
    domain, _, path = rest.partition("/")
    if scheme != "spiffe":
        raise _no(f"the certificate's URI {name!r} does not begin with 'spiffe://'")
    if domain != trust_domain:
        raise _no(f"the certificate is of the trust domain {domain!r}, not of '{trust_domain}'")
    folder, _, node = path.partition("/")
    if folder != "node" or not _NODE.match(node) or node in (".", ".."):
        raise _no(f"the certificate's URI {name!r} is not 'spiffe://{trust_domain}/node/' and a node's name")
    return node


def _no(message: str) -> Refused:
    return Refused(message, Reason.PEER_UNVERIFIED)
