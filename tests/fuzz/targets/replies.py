# SPDX-License-Identifier: Apache-2.0
"""Small answers: TLSHub's module, the kernel's sock_diag, and BoringSSL's key log; the first byte says of whom."""

from __future__ import annotations

import errno
import re
import struct
from collections.abc import Callable, Iterable

from tlshub_capture_boringssl import keylog
from tlshub_capture_tlshub import wire

from tests.fuzz.kit.target import Target
from tlshub_core.pipeline import sockdiag
from tlshub_core.types.errors import Unavailable

_LENGTH = struct.Struct("=IHHII")
_MASTER = bytes(range(1, 33))
_RANDOM = b"5a" * 32


def _reply(kind: int, body: bytes) -> bytes:
    return wire.HEADER.pack(wire.REPLY_SIZE, 0, 0, 0, 0) + bytes((kind,)) + body.ljust(127, b"\0")


def _replies() -> Iterable[bytes]:
    yield from (_reply(kind, b"text of a log\n\x07") for kind in wire.Kind)
    yield from (_reply(0, struct.pack("=i", status) + _MASTER) for status in wire.Status)


def _acknowledged() -> Iterable[bytes]:
    for number in (0, errno.ENOENT, errno.EPERM, errno.EOPNOTSUPP):
        yield _LENGTH.pack(36, sockdiag.NLMSG_ERROR, 0, 1, 0) + struct.pack("=i", -number) + bytes(16)


def _logged() -> Iterable[bytes]:
    for size in keylog.HASHES:
        secret = keylog.LABEL + _RANDOM + b" " + b"c3" * size + b"\n"
        yield secret
        yield b"CLIENT_HANDSHAKE_TRAFFIC_SECRET " + _RANDOM + b" " + b"0f" * size + b"\n" + secret
    yield b"SERVER_TRAFFIC_SECRET_0 " + _RANDOM + b" 00\n"


def _module(data: bytes) -> Iterable[str]:
    reply = wire.decode(bytearray(data))
    assert len(reply.data) == wire.REPLY_SIZE
    if reply.kind == wire.Kind.LOG:
        assert wire.text(reply).isprintable()
        return ["module: log"]
    try:
        found = wire.fetched(reply)
    except ValueError as error:
        _says_nothing_of_a_key(error)
        return [f"module: {reply.kind}"] if reply.kind in tuple(wire.Kind) else ()
    is_key = found.status is wire.Status.OK
    assert len(found.master) == is_key * wire.MASTER_SIZE and any(found.master) == is_key
    reply.wipe()
    assert not any(reply.data)
    return [f"module: {found.status.name}"]


def _says_nothing_of_a_key(error: ValueError) -> None:
    known = r"a reply of type \d+ .*which holds no key|a reply with the unknown status -?\d+|a master key of zeros only"
    assert re.fullmatch(known, str(error)), error


def _kernel(data: bytes) -> Iterable[str]:
    number = sockdiag.answer(data)
    assert 0 <= number <= sockdiag.MAX_ERRNO, f"{number} is no errno"
    return ["kernel: done" if not number else "kernel: errno"]


def _library(data: bytes) -> Iterable[str]:
    lines = bytearray(data)
    secret = keylog.exporter_secret(lines)
    assert lines == data, "what was logged is changed"
    if not secret:
        return ["library: none"]
    assert keylog.LABEL in data and secret.hex().encode() in data, "a secret that was not logged"
    return [f"library: {len(secret)}"]


_WHO: tuple[Callable[[bytes], Iterable[str]], ...] = (_module, _kernel, _library)
_REFUSED = (kind for kind in wire.Kind if kind is not wire.Kind.LOG)


def _seeds() -> Iterable[bytes]:
    for number, texts in enumerate((_replies(), _acknowledged(), _logged())):
        yield from (bytes((number,)) + text for text in texts)


def _one(data: bytes) -> Iterable[str]:
    return _WHO[data[0] % len(_WHO)](data[1:]) if data else ()


TARGET = Target(
    one=_one,
    seeds=_seeds,
    kinds=frozenset(
        {
            "module: log", "kernel: done", "kernel: errno", "library: none",
            *(f"module: {kind.value}" for kind in _REFUSED),
            *(f"module: {status.name}" for status in wire.Status),
            *(f"library: {size}" for size in keylog.HASHES),
        }
    ),
    refusals=(ValueError, Unavailable),
    modules=("tlshub_capture_tlshub.wire", "tlshub_core.pipeline.sockdiag", "tlshub_capture_boringssl.keylog"),
    words=(keylog.LABEL, _RANDOM, b"\n"),
    longest=1024,
)  # fmt: skip
