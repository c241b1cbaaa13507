# SPDX-License-Identifier: Apache-2.0
"""Packets of an interface, as they cross it (packet(7)): a socket of our own, which the kernel filters for.

No other program has to be installed or to be kept pace with, and the kernel says at any time how many packets it
dropped.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence

from tlshub_core.types.errors import Unavailable
from tlshub_core.verifying.pcap import Packet
from tlshub_core.verifying.port_filter import attach, port_filter

_ETH_P_ALL, _RAW, _LOOPBACK = 3, 101, 772
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_RCVBUFFORCE = 33
_BUFFER = 64 << 20
_LONGEST = 1 << 20  # above what the kernel merges or leaves uncut ("BIG TCP", 512 KB)
_AT_A_TIME = 512


class Sniffer:
    """Packets between these ports on one interface; `lost` counts those that the kernel dropped. Needs CAP_NET_RAW."""

    def __init__(self, interface: str, ranges: Sequence[tuple[int, int]]) -> None:
        """Raises Unavailable."""
        self._buffer, self.lost = bytearray(_LONGEST), 0
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)
        except OSError as error:
            raise Unavailable(f"packets cannot be captured ({_words(error)}): run as root") from None
        try:
            self._open(interface, ranges)
        except OSError as error:
            self._socket.close()
            raise Unavailable(_why(interface, error)) from None

    def close(self) -> None:
        """Capture no more; `lost` is complete."""
        with self._socket:
            self._count()

    def packets(self, patience_s: float) -> Iterator[Packet]:
        """What has come, or comes within that time: some, and then it ends. Raises Unavailable, where the link goes."""
        if not select.select([self._socket], [], [], patience_s)[0]:
            return
        for _ in range(_AT_A_TIME):
            try:
                size, (_, _, kind, hardware, _) = self._socket.recvfrom_into(self._buffer, 0, socket.MSG_TRUNC)
            except BlockingIOError:
                break
            except OSError as error:
                raise Unavailable(f"the interface cannot be captured any more: {_words(error)}") from None
            # What crosses the loopback interface comes twice, going out and coming in.
            if not (hardware == _LOOPBACK and kind == socket.PACKET_OUTGOING):
                yield Packet(_RAW, time.time_ns(), bytes(self._buffer[: min(size, _LONGEST)]), size)
        self._count()

    def _open(self, interface: str, ranges: Sequence[tuple[int, int]]) -> None:
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        attach(self._socket, port_filter(ranges))
        # Bound only now: before it is filtered nothing comes.
        self._socket.bind((interface, _ETH_P_ALL))

    def _count(self) -> None:
        """Asking sets the kernel's counts back to 0."""
        _, dropped = struct.unpack("@II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        self.lost += dropped


def _words(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _why(interface: str, error: OSError) -> str:
    if error.errno in (errno.ENODEV, errno.ENXIO):
        there = ", ".join(f"'{name}'" for _, name in socket.if_nameindex())
        return f"there is no interface '{interface}' here: there are {there}"
    return f"'{interface}' cannot be captured: {_words(error)}"
