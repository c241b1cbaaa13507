# SPDX-License-Identifier: Apache-2.0
"""Two network namespaces with a link between, and sockets in either."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ENDS = {"a": ("10.99.0.1", "fd99::1"), "b": ("10.99.0.2", "fd99::2")}
_NEWNET = 0x40000000


@dataclass(slots=True)
class Spaces:
    """The client's is 'a', the server's 'b'; the link is called 'wire' in both."""

    prefix: str
    _threads: list[threading.Thread] = field(default_factory=list)

    def name(self, space: str) -> str:
        """As 'ip netns' has it."""
        return f"{self.prefix}-{space}"

    def within(self, space: str, work: Callable[[], T]) -> T:
        """Do it in that namespace, which is a thread's: sockets stay in the one that they were made in."""
        done: list[T] = []
        thread = threading.Thread(target=lambda: done.append(_entered(self.name(space), work)))
        thread.start()
        thread.join(30)
        assert done, f"it was not done in '{space}'"
        return done[0]

    def serve(self, port: int, talk: Callable[[socket.socket], None], six: bool = False) -> None:
        """Accept one connection in 'b', and let `talk` have it, in a thread."""
        family = socket.AF_INET6 if six else socket.AF_INET
        listener = self.within("b", lambda: socket.create_server((ENDS["b"][six], port), family=family))

        def accept() -> None:
            with listener:
                sock, _ = listener.accept()
            with sock:
                talk(sock)

        self._threads.append(threading.Thread(target=accept))
        self._threads[-1].start()

    def connect(self, port: int, six: bool = False) -> socket.socket:
        """Connect from 'a'."""
        return self.within("a", lambda: socket.create_connection((ENDS["b"][six], port), timeout=30))

    def join(self) -> None:
        """Wait for what serves."""
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a server did not end"


@contextmanager
def spaces() -> Iterator[Spaces]:
    """For as long as the block runs. Raises OSError where this user may not make them."""
    made = Spaces(f"verify-{os.getpid()}")
    names = [made.name(space) for space in ENDS]
    try:
        for name in names:
            _ip("netns", "add", name)
        _ip("-n", names[0], "link", "add", "name", "wire", "type", "veth", "peer", "name", "wire", "netns", names[1])
        for name, addresses in zip(names, ENDS.values(), strict=True):
            _ip("-n", name, "addr", "add", f"{addresses[0]}/24", "dev", "wire")
            _ip("-n", name, "addr", "add", f"{addresses[1]}/64", "dev", "wire", "nodad")
            _ip("-n", name, "link", "set", "wire", "up")
        yield made
        made.join()
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise OSError(f"'ip {' '.join(words)}': {done.stderr.strip()}")


def _entered(name: str, work: Callable[[], T]) -> T:
    libc, fd = ctypes.CDLL(None, use_errno=True), os.open(Path("/run/netns", name), os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(fd, _NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        return work()
    finally:
        os.close(fd)
