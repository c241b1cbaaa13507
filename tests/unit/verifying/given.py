# SPDX-License-Identifier: Apache-2.0
"""Connections as they cross the wire, and the rules that they are judged by."""

from __future__ import annotations

from tests.unit.verifying.frames import Packet, Talk, record

CONFIG = """
[keys]
provider = "openssl"
[peering]
node = "node-a"
any_node = true
[[rule]]
name = "by process"
match = { ports = [83], process = "curl", direction = "out" }
mode = "require"
[[rule]]
name = "web"
match = { ports = [80] }
mode = "require"
[[rule]]
name = "prefers"
match = { ports = [81] }
mode = "prefer"
[[rule]]
name = "watched"
match = { ports = [82] }
mode = "observe"
[[rule]]
name = "inside"
match = { ports = [84], cidrs = ["10.9.0.0/16"] }
mode = "require"
[[rule]]
name = "own"
match = { ports = [85] }
mode = "require"
passthrough = "tls"
[[rule]]
name = "peering"
match = { ports = [4646] }
mode = "require"
"""
HELLO = b"\x16\x03\x01\0\x05\1abcd"
_ANSWER = b"\x16\x03\x03\0\x05\2abcd\x14\x03\x03\0\1\1"


def spoken(talk: Talk, sent: bytes, received: bytes) -> list[Packet]:
    """A whole connection: handshake, what both ends send (if anything), and its end."""
    streams = [
        talk.stream(content, [len(content) // 2], way) for way, content in enumerate((sent, received)) if content
    ]
    return [*talk.hello(), *(packet for stream in streams for packet in stream), *talk.bye(len(sent), len(received))]


def secured(talk: Talk) -> list[Packet]:
    """Records alone, in both directions."""
    return spoken(talk, 3 * record(20), record(300))


def own_tls(talk: Talk) -> list[Packet]:
    """What TLS libraries send."""
    return spoken(talk, HELLO + b"\x14\x03\x03\0\1\1" + record(60), _ANSWER + record(70) + b"\x15\x03\x03\0\2\1\0")
