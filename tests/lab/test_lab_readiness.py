# SPDX-License-Identifier: Apache-2.0
"""What says how much there is to read, where a record is more, or less, than its payload (docs/limits.md)."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.kit.against import SHORT, against, short_records
from tests.lab.kit.node import Node
from tests.lab.kit.ports import Ports
from tests.lab.kit.talk import take
from tests.lab.test_lab_refusals import queued

LONG = 16_384
SETTLED_S = 1.0
TRIES = 15
# With bcc no more than the first record's head and tail are left out (docs/limits.md).
TOO_MANY = 2 * 22 if os.environ.get("LAB_BACKEND") == "bcc" else 0


def counted(sock: socket.socket) -> list[int]:
    """FIONREAD of what waits, and how much that was."""
    time.sleep(SETTLED_S)
    said = queued(sock)
    sock.setblocking(False)
    return [said, len(sock.recv(LONG))]


def test_the_number_of_bytes_to_read_in_several_short_records(node_a: Node, node_b: Node, ports: Ports) -> None:
    for port, more in ((ports.require(), TOO_MANY), (ports.bypass(), 0)):
        found = against(node_a, node_b, port, counted, short_records, bytes(3 * SHORT))
        assert isinstance(found, list) and found == [3 * SHORT + more, 3 * SHORT], found


@contextmanager
def narrow(node: Node) -> Iterator[None]:
    """What the node sends takes its time: 12,500 bytes a second."""
    limit = ["rate", "100kbit", "burst", "2000", "latency", "5s"]
    node.run(["tc", "qdisc", "add", "dev", node.name, "root", "tbf", *limit])
    try:
        yield
    finally:
        node.run(["tc", "qdisc", "del", "dev", node.name, "root"])


def one_record(sock: socket.socket, content: bytes) -> bytes:
    """All of it in one record."""
    sock.sendall(b".")
    sock.sendall(content)
    return take(sock, 1)


def in_vain(sock: socket.socket) -> list[int]:
    """Receive at each readiness; how many of these were none, and how much came."""
    sock.setblocking(False)
    vain = got = 0
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    while got < LONG:
        assert poll.poll(40_000), f"never ready after {got} bytes"
        try:
            got += len(sock.recv(LONG))
        except BlockingIOError:
            vain += 1
            time.sleep(0.05)
    return [vain, got]


def test_a_record_that_has_come_in_part_may_show_as_readable(node_a: Node, node_b: Node, ports: Ports) -> None:
    vain = 0
    with narrow(node_b):
        plain = against(node_a, node_b, ports.bypass(), in_vain, one_record, bytes(LONG))
        for _ in range(TRIES):  # a client that is late finds all of it
            captured = against(node_a, node_b, ports.require(), in_vain, one_record, bytes(LONG))
            assert isinstance(captured, list) and captured[1] == LONG
            vain += captured[0]
            if vain:
                break
    assert vain > 0 and plain == [0, LONG], (vain, plain)
