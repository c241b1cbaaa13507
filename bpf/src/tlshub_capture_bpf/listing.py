# SPDX-License-Identifier: Apache-2.0
"""Has the kernel list all TCP sockets (NETLINK_SOCK_DIAG), for a program that looks at each; nobody reads the list."""

from __future__ import annotations

import os
import struct
from socket import AF_INET, AF_INET6, IPPROTO_TCP, SOCK_RAW, socket

from tlshub_core.pipeline.sockdiag import (
    AF_NETLINK,
    HEADER,
    NETLINK_SOCK_DIAG,
    NLM_F_REQUEST,
    NLMSG_ERROR,
    SOCK_DIAG_BY_FAMILY,
    answer,
)

NLM_F_DUMP = 0x300
NLMSG_DONE = 3
ALL_STATES = 0xFFFFFFFF
_LARGEST = 1 << 16  # part of a list
_REQUEST = struct.Struct("=BBBBI48x")  # struct inet_diag_req_v2 of <linux/inet_diag.h>, naming no socket


def list_all() -> None:
    """Those of the calling thread's network namespace. Raises OSError."""
    with socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(1.0)
        for family in (AF_INET, AF_INET6):
            netlink.send(request(family))
            while not is_last(netlink.recv(_LARGEST)):
                pass


def request(family: int) -> bytes:
    """The message that asks for all of one family."""
    size, flags = HEADER.size + _REQUEST.size, NLM_F_REQUEST | NLM_F_DUMP
    header = HEADER.pack(size, SOCK_DIAG_BY_FAMILY, flags, 1, 0)
    return header + _REQUEST.pack(family, IPPROTO_TCP, 0, 0, ALL_STATES)


def is_last(data: bytes) -> bool:
    """Whether the list ends with this part of it; raises OSError where the kernel gives up, ValueError for no list."""
    at = 0
    while at < len(data):
        if len(data) - at < HEADER.size:
            raise ValueError(f"netlink message of {len(data) - at} bytes is too short")
        length, kind, *_ = HEADER.unpack_from(data, at)
        if kind == NLMSG_ERROR:
            number = answer(data[at:])
            raise OSError(number, f"list of sockets: {os.strerror(number)}")
        if kind == NLMSG_DONE:
            return True
        at += max(HEADER.size, length + 3 & ~3)
    return False
