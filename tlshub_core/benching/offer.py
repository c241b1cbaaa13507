# SPDX-License-Identifier: Apache-2.0
"""What a bench server has to offer, asked for over its plain port; strict JSON on the way.

What comes is an unknown server's word: it is decoded strictly, and nothing depends on it but where the bench connects.
"""

from __future__ import annotations

from dataclasses import dataclass

from tlshub_core.benching.frames import SIZE, Head, Operation, fill, head_of, put
from tlshub_core.benching.way import Way
from tlshub_core.control.shape import build, dumps, loads
from tlshub_core.types.errors import Unavailable
from tlshub_core.wording import lowered

VERSION = 1
LIMIT = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Ports by way, `stunnel` None where the server has none; `authority` has certified the server, in PEM.

    `workers` is how many connections of a way are served at a time.
    """

    version: int
    plain: int
    captured: int
    tls: int
    stunnel: int | None
    authority: str
    workers: int

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot be."""
        if self.version != VERSION:
            raise ValueError(f"the server's version is {self.version}, this one's is {VERSION}")
        ports = (self.plain, self.captured, self.tls, self.stunnel or self.plain)
        if not all(0 < port < 65536 for port in ports):
            raise ValueError("a port is not one of 1 to 65535")
        if self.workers < 1:
            raise ValueError("the server serves nobody")


def encode(offer: Offer) -> bytes:
    """The bytes that `decode` reads."""
    return dumps(offer).encode()


def decode(data: bytes) -> Offer:
    """The offer that these bytes are; raises ValueError."""
    return build(Offer, loads(data))


def ask(host: str, port: int) -> Offer:
    """The offer of the server at an address; raises Unavailable."""
    where = f"'{host}', port {port}"
    try:
        with Way(host=host, port=port).dial(None) as sock:
            buffer = bytearray(SIZE)
            put(Head(operation=Operation.OFFER, size=0, number=0), buffer)
            sock.sendall(buffer)
            filled = fill(sock, memoryview(buffer))
            answer = bytearray(_size(head_of(buffer)) if filled else 0)
            fill(sock, memoryview(answer))
            return decode(bytes(answer))
    except OSError as error:
        why = lowered(error.strerror or str(error))
        raise Unavailable(f"no bench server answers at {where} ({why}): start one with 'bench serve'") from error
    except ValueError as error:
        raise Unavailable(f"what answers at {where} is no bench server of this release: {error}") from error


def _size(head: Head) -> int:
    if head.operation is not Operation.OFFER or head.size > LIMIT:
        raise ValueError("its answer is no offer")
    return head.size
