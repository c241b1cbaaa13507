# SPDX-License-Identifier: Apache-2.0
"""Step 5: keys into the application's socket as kernel TLS (<linux/tls.h>, Documentation/networking/tls.rst)."""

from __future__ import annotations

import errno
import struct
import time
from contextlib import suppress
from fcntl import ioctl
from socket import IPPROTO_TCP, TCP_INFO, socket

from tlshub_core.types.errors import Reason, Unavailable
from tlshub_core.types.flow import Side
from tlshub_core.types.keys import DirectionKeys, FlowKeys

TCP_ULP = 31
SOL_TLS = 282
TLS_TX, TLS_RX, TLS_RX_EXPECT_NO_PAD = 1, 2, 4
SIOCOUTQ = 0x5411
TCP_ESTABLISHED = 1
_INFO = struct.Struct("=HH")
_INT = struct.Struct("=i")

_REASONS = {
    errno.EEXIST: Reason.ULP_PRESENT,
    errno.EBUSY: Reason.ULP_PRESENT,
    errno.ENOTCONN: Reason.CLOSED,
    errno.EOPNOTSUPP: Reason.MPTCP,
}


def install(sock: socket, keys: FlowKeys, side: Side) -> tuple[int, int]:
    """Make the socket KTLS: TX first and RX last, because RX opens the gate; returns when each was in, CLOCK_MONOTONIC.

    Raises Unavailable with the reason: bytes in clear are queued, the connection is not (or no more) established, the
    socket has another ULP, or the kernel has no KTLS. After a failure the socket must be refused.
    """
    if sock.getsockopt(IPPROTO_TCP, TCP_INFO, 1)[0] != TCP_ESTABLISHED:
        raise Unavailable("the connection is not established any more", Reason.CLOSED)
    _refuse_queued(sock)
    sent, received = keys.client_to_server, keys.server_to_client
    if side is Side.SERVER:
        sent, received = received, sent
    try:
        sock.setsockopt(IPPROTO_TCP, TCP_ULP, b"tls")
        _set(sock, TLS_TX, keys, sent)
        tx_ns = time.monotonic_ns()
        _refuse_queued(sock)  # a hold that stops processes keeps no call back that was on its way
        _set(sock, TLS_RX, keys, received)
        rx_ns = time.monotonic_ns()
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, Reason.KTLS_UNAVAILABLE)
        raise Unavailable(f"the kernel refused KTLS: {error.strerror}", reason) from None
    _expect_no_padding(sock)
    return tx_ns, rx_ns


def _refuse_queued(sock: socket) -> None:
    if _INT.unpack(ioctl(sock, SIOCOUTQ, bytes(_INT.size)))[0]:
        raise Unavailable("bytes in clear are queued for sending", Reason.CLEAR_BYTES_QUEUED)


def change_sent(sock: socket, keys: FlowKeys) -> None:
    """Other keys for what a client sends from now on; raises OSError (EBUSY) where the kernel cannot, before 6.14."""
    _set(sock, TLS_TX, keys, keys.client_to_server)


def _expect_no_padding(sock: socket) -> None:
    """Let the kernel decrypt into the reader's own buffer (Linux 6.0): KTLS does not pad, so most records fit.

    The socket is secured with or without it: a kernel that does not know the option copies once more, and a record with
    padding, from a peer that is not KTLS, is decrypted a second time.
    """
    with suppress(OSError):
        sock.setsockopt(SOL_TLS, TLS_RX_EXPECT_NO_PAD, _INT.pack(1))


def _set(sock: socket, direction: int, keys: FlowKeys, one: DirectionKeys) -> None:
    info = _crypto_info(keys, one)
    try:
        sock.setsockopt(SOL_TLS, direction, info)
    finally:
        info[:] = bytes(len(info))


def _crypto_info(keys: FlowKeys, one: DirectionKeys) -> bytearray:
    """A struct tls12_crypto_info_*, filled in place: adding buffers up would leave copies of the key behind."""
    parts = (one.iv, one.key, one.salt, one.rec_seq)
    info, at = bytearray(_INFO.size + sum(map(len, parts))), _INFO.size
    _INFO.pack_into(info, 0, keys.version, keys.cipher)
    for part in parts:
        info[at : at + len(part)] = part
        at += len(part)
    return info
