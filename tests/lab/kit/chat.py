# SPDX-License-Identifier: Apache-2.0
"""A connection that goes on for as long as a test wants, line by line, each line checked."""

from __future__ import annotations

import mmap
import socket
import time
from collections.abc import Callable
from functools import partial

from tests.lab.kit.job import Job, Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Way
from tests.lab.kit.talk import accept, listener

PAUSE_S = 0.1
SOL_TLS, TLS_TX, INFO_SIZE = 282, 1, 40  # of tls12_crypto_info_aes_gcm_128: any other size is EINVAL


def echo(say: Say, way: Way, port: int) -> int:
    """Echo line by line until the client ends; how many bytes."""
    count = 0
    with listener(way, port) as sock:
        say("listening")
        with accept(sock) as connection:
            while line := connection.recv(65536):
                connection.sendall(line)
                count += len(line)
    return count


def lines(say: Say, way: Way, port: int, marker: bytes, *, ended: Callable[[], bool]) -> int:
    """Send numbered lines, each after the echo of the one before, until told to end; how many bytes came back right."""
    count = number = 0
    with socket.socket(way.family) as sock:
        sock.connect((way.host, port))
        while number < 10 or not ended():
            number += 1
            line = b"%s %d\n" % (marker, number)
            sock.sendall(line)
            got = sock.recv(len(line), socket.MSG_WAITALL)
            assert got == line, f"line {number}: {got!r}"
            count += len(line)
            if number == 1:
                say("talking")
            time.sleep(PAUSE_S)
        say(_shows_keys(sock))
    return count


def _shows_keys(sock: socket.socket) -> bool:
    try:
        return bool(sock.getsockopt(SOL_TLS, TLS_TX, INFO_SIZE))
    except OSError:
        return False


class Chat:
    """A connection that goes on until it is told to end, line by line, each line checked."""

    def __init__(self, node_a: Node, node_b: Node, port: int, marker: bytes) -> None:
        self._server: Job[int] = node_b.start(partial(echo, way=IPV4, port=port))
        assert self._server.heard() == "listening"
        self._until = Flag()
        self._client = node_a.start(partial(lines, way=IPV4, port=port, marker=marker, ended=self._until.is_set))
        assert self._client.heard() == "talking"

    def end(self) -> object:
        """Assert that every line came back; whether the client could read its keys at the end."""
        self._until.set()
        shown = self._client.heard()
        assert self._client.result() == self._server.result() > 0
        return shown


class Flag:
    """Set in this process, seen in those that it forked."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, 1)

    def set(self) -> None:
        self._page[0] = 1

    def wait(self) -> None:
        """Until it is set."""
        while not self.is_set():
            time.sleep(PAUSE_S / 2)

    def is_set(self) -> bool:
        return bool(self._page[0])
