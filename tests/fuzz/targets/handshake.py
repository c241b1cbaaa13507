# SPDX-License-Identifier: Apache-2.0
"""What a stranger may send to an agent's port, and what somebody on the way may change in a handshake.

The first byte says which libraries the two ends have (bit 0 the client's, bit 1 the server's), the second how large
the pieces are. Bit 2 unset: what follows are changes to a handshake of the two, four bytes each: which way (bit 0),
where in what goes that way (2 bytes), and what to exclusive-or it with. Set: what follows is sent to one end (bit 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

import tlshub_capture_boringssl
import tlshub_capture_openssl

from tests.fuzz.kit.scratch import scratch
from tests.fuzz.kit.target import Target
from tlshub_core.peering import identity
from tlshub_core.peering.exporter import LABEL
from tlshub_core.testing import pair as pairs
from tlshub_core.types.errors import Refused
from tlshub_core.types.interfaces import TlsEngine

NOISE, TO_SERVER = 4, 8
_LIBRARIES = (tlshub_capture_openssl.engines, tlshub_capture_boringssl.engines)
_WORD = b"what the client says"
_ALERT = b"\x15\x03\x03\x00\x02\x02\x30"


@cache
def _factories(library: int) -> tuple[Callable[[bool], TlsEngine], Callable[[bool], TlsEngine]]:
    """Of the client's node and of the server's."""
    client, server = pairs.identities(scratch(), 4646)
    return _LIBRARIES[library](client), _LIBRARIES[library](server)


def _ends(libraries: int) -> tuple[TlsEngine, TlsEngine]:
    return _factories(libraries & 1)[0](False), _factories(libraries >> 1 & 1)[1](True)


def _seeds() -> Iterable[bytes]:
    for libraries in range(4):
        first, _ = _ends(libraries)
        hello = first.drain()
        yield bytes((libraries, 255))
        yield from (bytes((libraries, 7, way, 0, at, 1)) for way in (0, 1) for at in (0, 5, 60))
        yield from (bytes((libraries, 255, way, 2, 88, 1, way, 0, 3, 32)) for way in (0, 1))
        for noise in (hello, hello[:90], _ALERT, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(90)):
            yield from (bytes((libraries | NOISE | end, 255)) + noise for end in (0, TO_SERVER))


def _one(data: bytes) -> Iterable[str]:
    if len(data) < 2:
        return ()
    client, server = _ends(data[0] & 3)
    if data[0] & NOISE:
        return _strange(server if data[0] & TO_SERVER else client, data[2:], data[1] + 1)
    return _handshake(client, server, data[2:], data[1] + 1)


def _strange(end: TlsEngine, noise: bytes, step: int) -> Iterable[str]:
    """Nobody without a certificate gets through."""
    refused = _fed(end, noise, step)
    assert not end.done()
    return ["noise: refused" if refused else "noise: waits"]


def _fed(end: TlsEngine, data: bytes, step: int) -> bool:
    """Whether it was refused; what is there to be sent then is an alert, or nothing."""
    try:
        for at in range(0, len(data), step):
            end.feed(data[at : at + step])
    except Refused:
        return True
    return False


def _handshake(client: TlsEngine, server: TlsEngine, changes: bytes, step: int) -> Iterable[str]:
    """Two ends that both think they are done have the same keys and know each other, whatever was changed."""
    there, back = _Way(client, server, changes, 0), _Way(server, client, changes, 1)
    while there.carry(step) + back.carry(step):
        continue
    if client.done() and server.done():
        _know_each_other(client, server)
        client.write(_WORD)
        there.carry(step)
    if there.refused or back.refused:
        return ["changed: refused"]
    heard = _heard(server) if server.done() else b""
    assert heard in (b"", _WORD), f"the server hears {heard!r}"
    return ["done"] if heard else ["unfinished"]


def _heard(end: TlsEngine) -> bytes:
    try:
        return end.read()
    except Refused:
        return b""


class _Way:
    """What one end sends to the other, changed on the way; after a refusal nothing arrives any more."""

    def __init__(self, sender: TlsEngine, receiver: TlsEngine, changes: bytes, way: int) -> None:
        self._sender, self._receiver, self._at, self.refused = sender, receiver, 0, False
        each = (changes[at : at + 4] for at in range(0, len(changes) - 3, 4))
        self._changes = {int.from_bytes(one[1:3], "big"): one[3] for one in each if one[0] & 1 == way}

    def carry(self, step: int) -> int:
        """What there is to be sent; how many bytes that were."""
        data = self._sender.drain()
        changed = bytes(byte ^ self._changes.get(at, 0) for at, byte in enumerate(data, self._at))
        self._at += len(data)
        self.refused = self.refused or _fed(self._receiver, changed, step)
        return len(data)


def _know_each_other(client: TlsEngine, server: TlsEngine) -> None:
    assert client.export(LABEL, b"", 32) == server.export(LABEL, b"", 32), "both are done, with different keys"
    for end, other in ((client, pairs.SERVER_NODE), (server, pairs.CLIENT_NODE)):
        assert identity.check(end.peer_certificate(), pairs.TRUST_DOMAIN) == other.name


TARGET = Target(
    one=_one,
    seeds=_seeds,
    kinds=frozenset({"noise: refused", "noise: waits", "changed: refused", "done", "unfinished"}),
    refusals=(),
    modules=(
        "tlshub_capture_openssl.engine",
        "tlshub_capture_boringssl.engine",
        "tlshub_capture_boringssl.alerts",
        "tlshub_capture_boringssl.peer",
    ),
)
