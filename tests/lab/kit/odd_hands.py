# SPDX-License-Identifier: Apache-2.0
"""Odder ways for a connection to change hands before its first byte: numbers, programs, threads that end."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.lab.kit.handing import Get, Use, result_of, start_child, write_use
from tests.lab.kit.job import Say

HIGH = 700  # a number that nobody else has
PROGRAM = """
import socket, sys
sock, size = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
got = sock.recv(size, socket.MSG_WAITALL)
sys.stdout.buffer.write(got)
sys.stdout.buffer.flush()
sock.sendall(got)
"""


def renumbered(say: Say, get: Get, use: Use) -> bytes:
    """Under another number in the same process; the old one is another file's."""
    sock = get()
    os.dup2(sock.fileno(), HIGH)
    with open(os.devnull) as other:
        os.dup2(other.fileno(), sock.fileno())
    os.close(sock.detach())
    say("done")
    with socket.socket(fileno=HIGH) as moved:
        return use(moved)


def inherited_under_another_number(say: Say, get: Get, use: Use) -> bytes:
    """Left to a child, which moves it at once."""
    out, into = os.pipe()

    def moved() -> socket.socket:
        os.dup2(sock.fileno(), HIGH)
        sock.close()
        return socket.socket(fileno=HIGH)

    with get() as sock:
        child = start_child(lambda: write_use(into, moved, use))
    say("done")
    return result_of(out, into, child)


def executed(size: int) -> Callable[[Say, Get, Use], bytes]:
    """Left to a child, which becomes another program: that one receives so many bytes, and sends them back."""

    def hand(say: Say, get: Get, _use: Use) -> bytes:
        out, into = os.pipe()
        with get() as sock:
            sock.set_inheritable(True)
            child = start_child(lambda: _execute(sock.fileno(), into, size))
        say("done")
        return result_of(out, into, child)

    return hand


def _execute(number: int, into: int, size: int) -> None:
    os.dup2(into, 1)
    os.execv("/usr/bin/python3", ["python3", "-ISc", PROGRAM, str(number), str(size)])


def spawned(say: Say, get: Get, _use: Use) -> bytes:
    """Given to a program that is spawned, as its input and its output, as inetd does; it echoes."""
    with get() as sock:
        moves = [(os.POSIX_SPAWN_DUP2, sock.fileno(), number) for number in (0, 1)]
        child = os.posix_spawn("/bin/cat", ["cat"], os.environ, file_actions=moves)
    say("done")
    os.waitpid(child, 0)
    return b""


def beside_a_spawned_one(say: Say, get: Get, use: Use) -> bytes:
    """Another program is spawned meanwhile, which inherits nothing."""
    with get() as sock:
        os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)
        say("done")
        return use(sock)


def thread_ended(say: Say, get: Get, use: Use) -> bytes:
    """Made by a thread, which ends; another one goes on with it."""
    made: list[socket.socket] = []
    thread = threading.Thread(target=lambda: made.append(get()))
    thread.start()
    thread.join()
    say("done")
    with made[0] as sock:
        return use(sock)


def without_main_thread(say: Say, get: Get, use: Use) -> bytes:
    """Made and used by a thread of a child whose main thread has ended before."""
    out, into = os.pipe()
    child = start_child(lambda: _end_main_thread(say, into, get, use))
    return result_of(out, into, child)


def _end_main_thread(say: Say, into: int, get: Get, use: Use) -> None:
    def rest() -> None:
        while "Z (zombie)" not in Path(f"/proc/{os.getpid()}/status").read_text():
            time.sleep(0.01)
        sock = get()
        say("done")
        with suppress(ConnectionError):
            write_use(into, lambda: sock, use)
        os._exit(0)

    threading.Thread(target=rest).start()
    ctypes.CDLL(None).pthread_exit(None)
