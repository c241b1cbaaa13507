# SPDX-License-Identifier: Apache-2.0
"""SOCK_DESTROY, and a look at a socket, over NETLINK_SOCK_DIAG (<linux/sock_diag.h>, <linux/inet_diag.h>).

One message, written here: a netlink library takes seconds to import where the agent must start at once, and this is
the call that refuses a connection.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from contextlib import closing
from socket import AF_INET, AF_INET6, IPPROTO_TCP, SOCK_RAW, socket

from tlshub_core.types.flow import Side, Tuple4

AF_NETLINK, NETLINK_SOCK_DIAG = 16, 4
SOCK_DIAG_BY_FAMILY, SOCK_DESTROY = 20, 21
ANY_COOKIE = 2**64 - 1  # INET_DIAG_NOCOOKIE
NLM_F_REQUEST, NLM_F_ACK = 1, 4
NLMSG_ERROR = 2
MAX_ERRNO = 4095  # <linux/err.h>
HEADER = struct.Struct("=IHHII")  # struct nlmsghdr of <linux/netlink.h>
_REQUEST = struct.Struct("=BBBBI")
_ID = struct.Struct("!HH16s16s")
_TAIL = struct.Struct("=III")
_ERROR = struct.Struct("=i")
_ENDS = HEADER.size + _ERROR.size  # an acknowledgement is no shorter
_libc = ctypes.CDLL(None, use_errno=True)


def request(cookie: int, tuple4: Tuple4, side: Side, kind: int = SOCK_DESTROY, wanted: int = 0) -> bytes:
    """The message that destroys one socket, or looks at it, named by its tuple and checked by its cookie.

    `wanted` are the bits of the attributes that a look has to bring.
    """
    ends = [(tuple4.client, tuple4.client_port), (tuple4.server, tuple4.server_port)]
    local, remote = ends if side is Side.CLIENT else ends[::-1]
    family = AF_INET if tuple4.client.version == 4 else AF_INET6
    body = _REQUEST.pack(family, IPPROTO_TCP, wanted, 0, 0xFFFFFFFF)
    body += _ID.pack(local[1], remote[1], local[0].packed.ljust(16, b"\0"), remote[0].packed.ljust(16, b"\0"))
    body += _TAIL.pack(0, cookie & 0xFFFFFFFF, cookie >> 32)
    flags = NLM_F_REQUEST | (NLM_F_ACK if kind == SOCK_DESTROY else 0)
    return HEADER.pack(HEADER.size + len(body), kind, flags, 1, 0) + body


def answer(data: bytes) -> int:
    """The errno in the kernel's acknowledgement, 0 for success; raises ValueError for anything else."""
    try:
        length, kind, _, _, _ = HEADER.unpack_from(data)
        number: int = _ERROR.unpack_from(data, HEADER.size)[0]
    except struct.error as error:
        raise ValueError(f"netlink answer of {len(data)} bytes is too short") from error
    if kind != NLMSG_ERROR or not _ENDS <= length <= len(data) or not -MAX_ERRNO <= number <= 0:
        raise ValueError(f"netlink answer of type {kind} and {len(data)} bytes is no acknowledgement")
    return -number


class Destroyer:
    """Destroys sockets of the network namespace that it is made in.

    Its descriptor is there before it is needed: an agent that is out of them can still reset what it refuses. Raises
    OSError where it has none.
    """

    def __init__(self) -> None:
        self._netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG)
        self._netlink.settimeout(1.0)

    def destroy(self, cookie: int, tuple4: Tuple4, side: Side) -> bool:
        """Destroy the socket; false where it is not there. The kernel answers before `send` returns. Raises OSError."""
        self._netlink.send(request(cookie, tuple4, side))
        number = answer(self._netlink.recv(4096))
        if number in (errno.ENOENT, errno.ESTALE):
            return False
        if number:
            raise OSError(number, f"SOCK_DESTROY: {os.strerror(number)}")
        return True

    def close(self) -> None:
        """Let go of the descriptor."""
        self._netlink.close()


def destroy(cookie: int, tuple4: Tuple4, side: Side) -> bool:
    """Destroy a socket of this network namespace, once; as `Destroyer.destroy`."""
    with closing(Destroyer()) as destroyer:
        return destroyer.destroy(cookie, tuple4, side)


def disconnect(fd: int) -> None:
    """connect() to AF_UNSPEC, which ends a TCP connection with a reset (tcp_disconnect). Raises OSError."""
    address = struct.pack("=H14x", 0)
    if _libc.connect(fd, address, len(address)):
        number = ctypes.get_errno()
        raise OSError(number, f"connect to AF_UNSPEC: {os.strerror(number)}")
