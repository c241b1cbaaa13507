#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""speak_first.py server|client HOST PORT --marker TEXT --size N --count N: an application like any other.

The server greets before it is spoken to, then sends back what it gets, a thread for each connection. The client opens
`count` connections one after the other, checks the greeting, and sends `size` bytes, which repeat the marker, while it
compares what comes back, bit for bit. It knows nothing of TLS. Exit status: 0, all was equal; 1, something was not.
"""

from __future__ import annotations

import argparse
import itertools
import socket
import sys
import threading
from pathlib import Path

_CHUNK = 65536
_SILENCE_S = 120.0


class Mismatch(Exception):
    """The other end did not send what it should have."""


def greeting(marker: str) -> bytes:
    """What the server says first; its end tells where the payload begins."""
    return f"220 welcome, {marker}\r\n".encode()


def payload(marker: str, size: int) -> bytes:
    """`size` bytes: the marker again and again, numbered, so that no part of it is like another."""
    wanted, parts, length = marker.encode(), [], 0
    while length < size:
        parts.append(b"%s %d\n" % (wanted, length))
        length += len(parts[-1])
    return b"".join(parts)[:size]


def _read(peer: socket.socket, size: int, last: bytes = b"") -> bytes:
    """Up to `size` bytes, less at end of file or once it ends with `last`."""
    found = bytearray()
    while len(found) < size and not (last and found.endswith(last)):
        if not (chunk := peer.recv(min(_CHUNK, size - len(found)))):
            break
        found += chunk
    return bytes(found)


def _expect(found: bytes, wanted: bytes, what: str) -> None:
    if found != wanted:
        same = next(
            (i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), min(len(found), len(wanted))
        )
        raise Mismatch(f"{what}: {len(found)} bytes came of {len(wanted)}, they differ from byte {same} on")


def _serve(peer: socket.socket, hello: bytes) -> None:
    try:
        with peer:
            peer.sendall(hello)
            while chunk := peer.recv(_CHUNK):
                peer.sendall(chunk)
    except OSError as error:
        # A client that goes away is its own matter; the server is there for the next one.
        print(f"speak_first: connection ended: {error}", file=sys.stderr, flush=True)


def server(arguments: argparse.Namespace) -> int:
    """Serve for ever, or `count` connections; with --ready, that file appears once connections are accepted."""
    hello = greeting(arguments.marker)
    family = socket.AF_INET6 if ":" in arguments.host else socket.AF_INET
    with socket.create_server(
        (arguments.host, arguments.port), family=family, backlog=128, dualstack_ipv6=family == socket.AF_INET6
    ) as listener:
        if arguments.ready:
            arguments.ready.write_text(str(listener.getsockname()[1]))
        for _ in range(arguments.count) if arguments.count else itertools.count():
            peer, _ = listener.accept()
            # Waited for at exit, as all threads are that are no daemons.
            threading.Thread(target=_serve, args=(peer, hello)).start()
    return 0


def _talk(arguments: argparse.Namespace, content: bytes) -> None:
    hello = greeting(arguments.marker)
    with socket.create_connection((arguments.host, arguments.port), timeout=_SILENCE_S) as peer:
        _expect(_read(peer, len(hello), b"\n"), hello, "greeting")
        # Sent from a thread, else both ends would wait for each other once the buffers are full.
        sender = threading.Thread(target=_send, args=(peer, content))
        sender.start()
        found = _read(peer, len(content))
        sender.join()
        _expect(found, content, "payload")
        _expect(_read(peer, 1), b"", "end")


def _send(peer: socket.socket, content: bytes) -> None:
    try:
        peer.sendall(content)
        peer.shutdown(socket.SHUT_WR)
    except OSError as error:
        print(f"speak_first: cannot send: {error}", file=sys.stderr, flush=True)


def client(arguments: argparse.Namespace) -> int:
    """Talk to the server `count` times (once, if 0)."""
    content = payload(arguments.marker, arguments.size)
    for number in range(arguments.count or 1):
        try:
            _talk(arguments, content)
        except (Mismatch, OSError) as error:
            print(f"speak_first: connection {number}: {error}", file=sys.stderr)
            return 1
    print(f"speak_first: {arguments.count or 1} connections, {len(content)} bytes each way, all equal")
    return 0


def main() -> int:
    """Do it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="speak_first.py", description=__doc__)
    parser.add_argument("role", choices=["server", "client"])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--marker", default="speak-first", help="text in the greeting and the payload")
    parser.add_argument("--size", type=int, default=100_000, help="bytes that the client sends (%(default)s)")
    parser.add_argument("--count", type=int, default=0, help="connections (server: without end, client: one)")
    parser.add_argument("--ready", type=Path, help="server: write the port here once it listens")
    arguments = parser.parse_args()
    return server(arguments) if arguments.role == "server" else client(arguments)


if __name__ == "__main__":
    sys.exit(main())
