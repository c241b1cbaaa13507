# SPDX-License-Identifier: Apache-2.0
"""A program for the kernel that lets through TCP between given ports (classic BPF, networking/filter.rst).

It is for packets that begin with their IP header. What it cannot tell it lets through: fragments, and IPv6 with
headers before TCP's; whoever reads the packets looks again.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from ctypes import addressof, create_string_buffer

_INSTRUCTION = struct.Struct("=HBBI")
_PROGRAM = struct.Struct("@HP")
_SO_ATTACH_FILTER = 26
_BYTE, _HALF, _HALF_BEHIND_X, _X, _X_BEHIND_IPV4 = 0x30, 0x28, 0x48, 0x01, 0xB1
_EQUAL, _ABOVE, _AT_LEAST, _ANY_BIT, _SHIFT, _JUMP, _RETURN = 0x15, 0x25, 0x35, 0x45, 0x74, 0x05, 0x06
_WHOLE = 0x7FFFFFFF
_TCP, _UDP, _ICMP6 = 6, 17, 58
_MOST = 64  # ranges: a jump reaches over 255 instructions

Line = tuple[int, int, str, str] | str
Instruction = tuple[int, int, int, int]


def port_filter(ranges: Sequence[tuple[int, int]]) -> list[Instruction]:
    """Instructions as (code, jump if true, jump if false, value); with very many ranges all of TCP comes through."""
    return _assembled([*_HEAD, *_ports(ranges if len(ranges) <= _MOST else [(0, 65535)]), *_TAIL])


def attach(sock: socket.socket, program: Sequence[Instruction]) -> None:
    """Have the kernel run it for each packet; raises OSError."""
    code = create_string_buffer(b"".join(_INSTRUCTION.pack(*one) for one in program))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _PROGRAM.pack(len(program), addressof(code)))


# A line is a label, or a code, its value, and the labels of two jumps; '' is the next line.
_HEAD: tuple[Line, ...] = (
    (_BYTE, 0, "", ""),
    (_SHIFT, 4, "", ""),
    (_EQUAL, 6, "ipv6", ""),
    (_EQUAL, 4, "", "no"),
    (_BYTE, 9, "", ""),
    (_EQUAL, _TCP, "", "no"),
    (_HALF, 6, "", ""),
    (_ANY_BIT, 0x3FFF, "yes", ""),
    (_X_BEHIND_IPV4, 0, "", ""),
    (_JUMP, 0, "ports", ""),
    "ipv6",
    (_BYTE, 6, "", ""),
    (_EQUAL, _UDP, "no", ""),
    (_EQUAL, _ICMP6, "no", ""),
    (_EQUAL, _TCP, "", "yes"),
    (_X, 40, "", ""),
    (_JUMP, 0, "ports", ""),
    "yes",
    (_RETURN, _WHOLE, "", ""),
    "no",
    (_RETURN, 0, "", ""),
    "ports",
)
_TAIL: tuple[Line, ...] = ((_RETURN, 0, "", ""),)


def _ports(ranges: Sequence[tuple[int, int]]) -> list[Line]:
    """X is where TCP begins: let through what comes from one of these ports, or goes to one."""
    lines: list[Line] = []
    for at in (0, 2):
        lines.append((_HALF_BEHIND_X, at, "", ""))
        for number, (low, high) in enumerate(ranges):
            other = f"not {at} {number}"
            lines += [(_AT_LEAST, low, "", other), (_ABOVE, high, other, ""), (_RETURN, _WHOLE, "", ""), other]
    return lines


def _assembled(lines: Sequence[Line]) -> list[Instruction]:
    places, code = dict[str, int](), list[tuple[int, int, str, str]]()
    for line in lines:
        if isinstance(line, str):
            places[line] = len(code)
        else:
            code.append(line)
    return [_one(number, line, places) for number, line in enumerate(code, 1)]


def _one(following: int, line: tuple[int, int, str, str], places: dict[str, int]) -> Instruction:
    code, value, true, false = line
    if code == _JUMP:
        return code, 0, 0, places[true] - following
    yes, no = (places[label] - following if label else 0 for label in (true, false))
    return code, yes, no, value
