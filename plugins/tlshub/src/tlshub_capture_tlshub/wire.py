# SPDX-License-Identifier: Apache-2.0
"""The module's messages in both versions, as pure functions: requests are encoded, replies strictly decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address

from tlshub_core.api import Tuple4, wipe

HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: len, type, flags, seq, pid; host order
REPLY_SIZE = 144
FIELDS_END = 142  # the structure ends here; netlink rounds the datagram up to a multiple of four, not always its `len`
BODY = 17
MASTER_SIZE = 32
NOWHERE = IPv4Address(0)
_STATUS = struct.Struct("=i")
_KEY_AT = BODY + _STATUS.size
_PAYLOAD = {1: struct.Struct("!4s4sHHBB2x"), 2: struct.Struct("!4s4s4sHHBB2x")}


class Opcode(IntEnum):
    """What is asked of the module."""

    INIT = 0
    START = 1
    FETCH = 2


class Kind(IntEnum):
    """Types of replies."""

    FIRST_HANDSHAKE = 1
    LATER_HANDSHAKE = 2
    FAILED = 3
    LOG = 4
    CONNECTED = 5
    INITIALISED = 7


class Status(IntEnum):
    """What a FETCH found."""

    OK = 0
    NOT_DONE = -1
    EXPIRED = -2


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; `node` is the address of the server's node, `NOWHERE` if unknown, and not part of version 1."""

    opcode: Opcode
    server: bool
    client: IPv4Address = NOWHERE
    client_port: int = 0
    target: IPv4Address = NOWHERE
    target_port: int = 0
    node: IPv4Address = NOWHERE

    @classmethod
    def about(cls, opcode: Opcode, tuple4: Tuple4, *, server: bool, node: IPv4Address = NOWHERE) -> Request:
        """A request about a connection; `server`: whether this is its server's side. Raises ValueError for IPv6."""
        client, target = tuple4.client, tuple4.server
        if not (isinstance(client, IPv4Address) and isinstance(target, IPv4Address)):
            raise ValueError(f"'{client}' and '{target}' are not two IPv4 addresses")
        ports = {"client_port": tuple4.client_port, "target_port": tuple4.server_port}
        return cls(opcode=opcode, server=server, client=client, target=target, node=node, **ports)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reply:
    """One reply: its type as it came, and the whole datagram, which may hold a master key."""

    kind: int
    data: bytearray = field(repr=False)

    def wipe(self) -> None:
        """Overwrite the datagram."""
        wipe(self.data)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fetched:
    """What a FETCH found; the master key has 32 bytes where the status is OK, and none else."""

    status: Status
    master: bytearray = field(repr=False)


def encode(version: int, request: Request, port_id: int) -> bytes:
    """The datagram of a request, 32 bytes in version 1, 36 in version 2; `port_id` is the sender's own."""
    nodes = [request.node.packed] if version == 2 else []
    addresses = [request.client.packed, request.target.packed, *nodes]
    rest = (request.client_port, request.target_port, request.opcode, request.server)
    payload = _PAYLOAD[version].pack(*addresses, *rest)
    return HEADER.pack(HEADER.size + len(payload), 0, 0, 0, port_id) + payload


def decode(data: bytearray) -> Reply:
    """The reply in a datagram, which it keeps; raises ValueError where lengths are wrong. No byte of it is in the text.

    Type, flags, sequence and port id of the header mean nothing to the module: it is the sender that has to be checked.
    """
    if len(data) != REPLY_SIZE:
        raise ValueError(f"a reply of {len(data)} bytes, expected {REPLY_SIZE}")
    length = HEADER.unpack_from(data)[0]
    if not FIELDS_END <= length <= REPLY_SIZE:
        raise ValueError(f"a reply whose header says {length} bytes, expected {FIELDS_END} to {REPLY_SIZE}")
    return Reply(kind=data[HEADER.size], data=data)


def text(reply: Reply) -> str:
    """What a log reply says, printable, on one line."""
    raw = bytes(reply.data[BODY:FIELDS_END]).partition(b"\0")[0].decode("utf-8", "backslashreplace").strip()
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in raw)


def fetched(reply: Reply) -> Fetched:
    """What the reply to a FETCH holds; raises ValueError for one that is none. The reply still has to be wiped."""
    if reply.kind in (Kind.FIRST_HANDSHAKE, Kind.LATER_HANDSHAKE, Kind.FAILED, Kind.CONNECTED, Kind.INITIALISED):
        raise ValueError(f"a reply of type {reply.kind} ('{Kind(reply.kind).name.lower()}'), which holds no key")
    number = _STATUS.unpack_from(reply.data, BODY)[0]
    if number not in tuple(Status):
        raise ValueError(f"a reply with the unknown status {number}")
    status = Status(number)
    if status is not Status.OK:
        return Fetched(status=status, master=bytearray())
    master = reply.data[_KEY_AT : _KEY_AT + MASTER_SIZE]
    if not any(master):
        raise ValueError("a master key of zeros only")
    return Fetched(status=status, master=master)
