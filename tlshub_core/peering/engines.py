# SPDX-License-Identifier: Apache-2.0
"""What engines say alike, whatever library they are made of."""

from __future__ import annotations

from pathlib import Path

from tlshub_core.types.errors import ConfigError, Reason, Refused

# X509_V_ERR_* of <openssl/x509_vfy.h> that an operator meets; BoringSSL has the same numbers.
_VERIFY_ERRORS = {
    2: "its authority is not the one in 'ca'",
    7: "its signature is wrong",
    9: "it is not valid yet, see the clocks",
    10: "it has expired, renew it",
    18: "it is self-signed",
    19: "its authority is not the one in 'ca'",
    20: "its authority is not the one in 'ca'",
    21: "its authority is not the one in 'ca'",
    26: "it is not made for this purpose",
}


def unverified(code: int) -> Refused:
    """The error for a peer whose certificate failed verification with that X509_V_ERR code."""
    why = _VERIFY_ERRORS.get(code, f"X509_V_ERR {code}")
    return Refused(f"the peer's certificate is refused: {why}", Reason.PEER_UNVERIFIED)


def failed(reason: str) -> Refused:
    """The error for a handshake or a session that failed otherwise; `reason` is in the library's words."""
    return Refused(f"the TLS session failed: {reason}", Reason.PEER_UNVERIFIED)


def check_readable(*paths: Path) -> None:
    """Raises ConfigError for the first file that cannot be read, which TLS libraries do not say so well."""
    for path in paths:
        try:
            path.open("rb").close()
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from error
