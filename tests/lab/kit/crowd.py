# SPDX-License-Identifier: Apache-2.0
"""Many connections of one process at once, non-blocking; a server that echoes, and a client that counts."""

from __future__ import annotations

import selectors
import socket

from tests.lab.kit.job import Say
from tests.lab.kit.polling import begun
from tests.lab.kit.ports import Way
from tests.lab.kit.talk import listener


def echo_many(say: Say, way: Way, port: int, size: int, count: int, quiet: float = 60) -> int:
    """Echo `size` bytes on each connection, many at once; ends when nothing has happened for a while."""
    done = 0
    with listener(way, port, count + 1) as door, selectors.DefaultSelector() as waiting:
        door.setblocking(False)
        waiting.register(door, selectors.EVENT_READ)
        say("listening")
        while events := waiting.select(quiet):
            for key, _ in events:
                if key.fileobj is door:
                    one = door.accept()[0]
                    one.setblocking(False)
                    waiting.register(one, selectors.EVENT_READ, bytearray())
                else:
                    done += _echo(key, waiting, size)
            if done == count:
                break
    return done


def _echo(key: selectors.SelectorKey, waiting: selectors.BaseSelector, size: int) -> int:
    sock, got = key.fileobj, key.data
    assert isinstance(sock, socket.socket)
    try:
        chunk = sock.recv(65536)
    except BlockingIOError:
        return 0
    except ConnectionError:
        chunk = b""
    got += chunk
    if chunk and len(got) < size:
        return 0
    waiting.unregister(sock)
    sock.setblocking(True)
    with sock:
        if chunk:
            sock.sendall(got)
    return bool(chunk)


def dial_many(_say: Say, way: Way, port: int, content: bytes, count: int) -> tuple[int, int]:
    """So many connections at once, all kept open to the end; how many got their echo, how many an error."""
    good = bad = 0
    with selectors.DefaultSelector() as waiting:
        socks = [begun(way, port) for _ in range(count)]
        for sock in socks:
            waiting.register(sock, selectors.EVENT_WRITE, bytearray())
        while good + bad < count and (events := waiting.select(50)):
            for key, bits in events:
                assert isinstance(key.fileobj, socket.socket)
                outcome = step(key, bits, waiting, content)
                good, bad = good + (outcome is True), bad + (outcome is False)
    return good, bad


def step(key: selectors.SelectorKey, bits: int, waiting: selectors.BaseSelector, content: bytes) -> bool | None:
    """Send, or take what there is of the echo: whether all of it is right, None where it goes on."""
    sock, got = key.fileobj, key.data
    assert isinstance(sock, socket.socket)
    try:
        if bits & selectors.EVENT_WRITE:
            assert sock.send(content) == len(content)
            waiting.modify(sock, selectors.EVENT_READ, got)
            return None
        chunk = sock.recv(65536)
    except BlockingIOError:
        return None
    except ConnectionError:
        chunk = b""
    got += chunk
    if chunk and len(got) < len(content):
        return None
    waiting.unregister(sock)
    return bool(got == content)
