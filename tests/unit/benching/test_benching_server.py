# SPDX-License-Identifier: Apache-2.0
"""The echo server and its client, for real: processes, TLS, damage on the way, and what is left when they end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tlshub_core.benching import crew, server
from tlshub_core.benching.echoes import Damaged, Echoes
from tlshub_core.benching.frames import SIZE, Head, Operation, put
from tlshub_core.benching.offer import Offer, ask
from tlshub_core.benching.way import Way
from tlshub_core.benching.work import Ready, Share
from tlshub_core.types.errors import Unavailable

HOST, WORKERS = "127.0.0.1", 3
# A shell has its background jobs ignore SIGINT, and all that they start.
MAIN = "from signal import *; signal(SIGINT, default_int_handler); from tlshub_core.cli.main import main; main()"


@pytest.fixture(scope="module")
def offer() -> Iterator[Offer]:
    with server.serving(HOST, 0, WORKERS) as found:
        yield found


def share(way: Way, count: int = 5, size: int = 1000, *, fresh: bool = False, seed: int = 1) -> Share:
    return Share(way=way, count=count, size=size, fresh=fresh, warm_up=1, seed=seed)


def ways(offer: Offer) -> list[Way]:
    return [
        Way(host=HOST, port=offer.plain),
        Way(host=HOST, port=offer.captured),
        Way(host=HOST, port=offer.tls, authority=offer.authority),
    ]


def test_it_says_what_it_offers_and_is_asked_by_address(offer: Offer) -> None:
    assert ask(HOST, offer.plain) == offer


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("size", [0, 1, 65537])
def test_all_ways_carry_all_bytes_side_by_side(offer: Offer, size: int, fresh: bool) -> None:
    for way in ways(offer):
        seen: list[Ready] = []
        outcome = crew.run([share(way, 3, size, fresh=fresh, seed=at) for at in range(WORKERS)], seen.extend)
        assert len(outcome.took_ns) == 9 and min(outcome.took_ns) > 0
        assert max(outcome.took_ns) / 1e9 <= outcome.seconds
        assert len({one.port for one in seen}) == WORKERS
        assert [name.startswith("TLS_") for name in outcome.suites] == [True] * bool(way.authority)


def test_a_server_of_another_authority_is_not_talked_to(offer: Offer) -> None:
    with server.serving(HOST, 0, 1) as other, pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        crew.run([share(Way(host=HOST, port=offer.tls, authority=other.authority))], len)


def test_who_breaks_the_rules_loses_the_connection_and_others_do_not(offer: Offer) -> None:
    for said in (b"GET / HTTP/1.1\r\n\r\n and so on", bytes(SIZE)):
        with socket.create_connection((HOST, offer.plain), timeout=10) as sock:
            sock.sendall(said)
            try:
                assert sock.recv(1) == b""
            except ConnectionResetError:
                continue  # it did not read all that it was sent
    assert ask(HOST, offer.plain) == offer


def test_a_check_that_fails_ends_all(offer: Offer) -> None:
    def check(_ready: object) -> None:
        raise Unavailable("not captured")

    with pytest.raises(Unavailable, match="not captured"):
        crew.run([share(ways(offer)[0])] * 2, check)


def test_nobody_there_is_said() -> None:
    with socket.create_server((HOST, 0)) as found:
        port = found.getsockname()[1]
    with pytest.raises(Unavailable, match=r"no bench server answers at '127.0.0.1', port \d+ \(connection refused\)"):
        ask(HOST, port)
    with pytest.raises(Unavailable, match="Connection refused"):
        crew.run([share(Way(host=HOST, port=port))], len)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"port {port}: address already in use: choose others with '--port'"):
            server._listener(HOST, port)


@pytest.mark.parametrize("at", [0, SIZE - 1, SIZE, SIZE + 99])
def test_one_wrong_byte_is_found(at: int) -> None:
    ours, theirs = socket.socketpair()

    def answer() -> None:
        data = bytearray(theirs.recv(SIZE + 100, socket.MSG_WAITALL))
        data[at] ^= 1
        theirs.sendall(data)

    with ours, theirs:
        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(Damaged, match=rf"1 bytes are not those that were sent, the first one is byte {at}$"):
            Echoes(100, 7).one(ours)
        thread.join()


def test_an_answer_that_is_late_by_one_is_a_wrong_one() -> None:
    """Each byte of it is that of an earlier request: only patterns that differ can show it."""
    one, other = Echoes(100, 7), Echoes(100, 7)
    assert all(a != b for at, a in enumerate(one._messages) for b in one._messages[at + 1 :])
    assert one._messages == other._messages


@pytest.mark.parametrize(("count", "among", "pieces"), [(7, 3, [2, 2, 3]), (2, 4, [1, 1]), (4, 1, [4])])
def test_work_is_shared_out(count: int, among: int, pieces: list[int]) -> None:
    assert crew.shared(count, among) == pieces


def test_what_is_unknown_to_it_is_not_answered(offer: Offer) -> None:
    buffer = bytearray(SIZE)
    put(Head(operation=Operation.ECHO, size=10, number=1), buffer)
    with socket.create_connection((HOST, offer.plain), timeout=10) as sock:
        sock.sendall(buffer + bytes(4))
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""


def _processes_of(group: int) -> set[int]:
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        if int(fields[2]) == group and fields[0] != "Z":
            found.add(int(folder.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_however_it_ends_no_process_of_it_is_left(number: signal.Signals, tmp_path: Path) -> None:
    words = [sys.executable, "-c", MAIN, "bench", "serve", HOST, "--port", "0", "--workers", "2"]
    where = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True, env=where)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline().startswith("serving on '127.0.0.1', 2 connections at a time: plain")
    assert len(_processes_of(process.pid)) > 6
    os.kill(process.pid, number)
    assert process.wait(20) == (-number if number == signal.SIGKILL else 0)
    _await_none(process.pid, tmp_path, number)


def _await_none(group: int, folder: Path, number: signal.Signals) -> None:
    deadline = time.monotonic() + 20
    assert bool(list(folder.iterdir())) == (number == signal.SIGKILL), "certificates are left"
    while left := _processes_of(group):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_session_that_is_ended_leaves_no_process(number: signal.Signals, tmp_path: Path) -> None:
    words = [sys.executable, "-c", MAIN, "bench", "--port", "0", "--requests", "100000", "--sizes", "64"]
    where = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True, env=where)
    assert process.stderr is not None
    assert any("trying" in line for line in process.stderr)
    os.kill(process.pid, number)
    assert process.wait(20) == (-number if number == signal.SIGKILL else 1)
    _await_none(process.pid, tmp_path, number)
    process.stderr.close()
