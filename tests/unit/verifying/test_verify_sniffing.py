# SPDX-License-Identifier: Apache-2.0
"""Packets of an interface: what comes, what is dropped, and what a terminal shows of them."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.unit.verifying.frames import record
from tests.unit.verifying.running import PROGRAM, talk
from tests.unit.verifying.spaces import Spaces
from tlshub_core.types.errors import Unavailable
from tlshub_core.verifying.sniffing import Sniffer


def test_packets_that_the_kernel_drops_are_counted(link: Spaces) -> None:
    sniffer = link.within("a", lambda: Sniffer("wire", [(80, 80)]))
    sniffer._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    talk(link, 80, record(1000) * 100, record(1000) * 100)
    assert sum(1 for _ in sniffer.packets(1)) > 0
    sniffer.close()
    assert sniffer.lost > 0


def test_other_ports_do_not_reach_it(link: Spaces) -> None:
    sniffer = link.within("a", lambda: Sniffer("wire", [(90, 99)]))
    talk(link, 80, b"x", b"y")
    assert list(sniffer.packets(0)) == []
    sniffer.close()


def test_an_interface_that_is_not_there_is_said(link: Spaces) -> None:
    with pytest.raises(Unavailable, match="there is no interface 'nowhere' here: there are 'lo'"):
        Sniffer("nowhere", [(80, 80)])


def test_a_terminal_shows_what_is_known_by_now(link: Spaces, config: Path) -> None:
    ours, theirs = pty.openpty()
    command = ["ip", "netns", "exec", link.name("a"), str(PROGRAM), "verify", str(config), "-i", "wire"]
    wide = {**os.environ, "COLUMNS": "200", "TERM": "xterm"}
    process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=wide)
    go = threading.Event()

    def answer(sock: socket.socket) -> None:
        sock.sendall(b"220 welcome")
        assert go.wait(60)

    try:
        shown(ours, b"capturing on 'wire'")
        link.serve(81, answer)
        with link.connect(81) as sock:
            assert sock.recv(100) == b"220 welcome"
            shown(ours, b"in clear: ")
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
            go.set()
    finally:
        go.set()
        process.kill()
        process.communicate()
        os.close(theirs)
        os.close(ours)
    link.join()
    assert (process.returncode, b"11 in clear: 11 at 0" in out) == (1, True), out
    assert out.endswith(b"verdict: IN CLEAR: see above which bytes\n")


def shown(terminal: int, text: bytes) -> None:
    """Wait until the text is on the terminal."""
    found, deadline = b"", time.monotonic() + 60
    while text not in found:
        assert select.select([terminal], [], [], max(deadline - time.monotonic(), 0))[0], found
        found += os.read(terminal, 1 << 16)
