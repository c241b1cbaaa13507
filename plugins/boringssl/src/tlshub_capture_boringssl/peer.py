# SPDX-License-Identifier: Apache-2.0
"""The peer's certificate, out of the serialized session: the library's own call leaves it out on the server's side.

There it gives what the peer sent beside its certificate, if anything, and that may be another node's.
"""

from __future__ import annotations

from collections.abc import Iterator

SEQUENCE = 0x30
PEER = 0xA3  # [3] EXPLICIT of BoringSSL's SSL_SESSION (ssl/ssl_asn1.cc): the peer's end certificate


def certificate(session: bytes) -> bytes:
    """The end certificate, DER, of an SSL_SESSION in DER; empty without one. Raises ValueError for another form."""
    ((tag, body),) = _elements(session)
    if tag != SEQUENCE:
        raise ValueError(f"a session begins with tag {tag:#x}")
    found = [value for tag, value in _elements(body) if tag == PEER]
    if len(found) > 1:
        raise ValueError(f"a session has {len(found)} end certificates")
    return found[0] if found else b""


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and contents of each element, in order; X.690, sections 8.1.2 (tags of one byte) and 8.1.3 (definite)."""
    while der:
        tag, at, size = der[0], 2, der[1] if len(der) > 1 else 0x80
        if size >= 0x80:
            count = size & 0x7F
            at, size = 2 + count, int.from_bytes(der[2 : 2 + count], "big")
            if not 1 <= count <= 4:
                raise ValueError("a length is indefinite or too long")
        if tag & 0x1F == 0x1F or len(der) < at + size:
            raise ValueError("an element is of an unknown form or cut short")
        yield tag, der[at : at + size]
        der = der[at + size :]
