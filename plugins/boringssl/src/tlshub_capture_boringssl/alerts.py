# SPDX-License-Identifier: Apache-2.0
"""Alerts in clear: OpenSSL's client has no keys to send with when it refuses the server's certificate.

BoringSSL takes such an alert for a damaged record. It is no proof of anything, and serves to tell an operator why.
"""

from __future__ import annotations

RECORD = 7
ALERT = 21
# RFC 8446, section 6: those that a client sends.
NAMES = {
    10: "unexpected message",
    20: "bad record mac",
    40: "handshake failure",
    42: "bad certificate",
    43: "unsupported certificate",
    44: "certificate revoked",
    45: "certificate expired",
    46: "certificate unknown",
    47: "illegal parameter",
    48: "unknown ca",
    50: "decode error",
    51: "decrypt error",
    70: "protocol version",
    80: "internal error",
}


def in_clear(data: bytes) -> str:
    """What `data` says, if it is one alert record in clear; empty if it is not."""
    if len(data) != RECORD or data[0] != ALERT or data[3:5] != b"\x00\x02":
        return ""
    return f"the peer sent the alert '{NAMES.get(data[6], data[6])}' in clear"
