# SPDX-License-Identifier: Apache-2.0
"""Calls that are not what they were on a captured socket: the table in docs/limits.md, beside a socket that is not."""

from __future__ import annotations

import socket
from functools import partial

from tests.lab.kit import mmsg
from tests.lab.kit.against import SHORT, against, drains, short_records
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import Ports
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_refusals import SO_ZEROCOPY, SOL_TLS, TCP_FASTOPEN_CONNECT, number_of
from tlshub_core.pipeline.sockdiag import disconnect

MSG_ZEROCOPY, TCP_ZEROCOPY_RECEIVE, TLS_GET_RECORD_TYPE, APPLICATION_DATA = 0x4000000, 35, 2, b"\x17"
OVERHEAD = 22  # of a record: header, content type, tag (RFC 8446, section 5.2)


def sending(sock: socket.socket) -> dict[str, str]:
    """How sends with flags of other sockets end, and those that end the connection last."""
    flags = {"OOB": socket.MSG_OOB, "EOR": socket.MSG_EOR, "ZEROCOPY": MSG_ZEROCOPY, "CONFIRM": socket.MSG_CONFIRM}
    flags["DONTROUTE"] = socket.MSG_DONTROUTE
    sock.sendall(b"x")
    found = {name: number_of(partial(sock.send, b"x", flag)) for name, flag in flags.items()}
    found["two messages"] = number_of(lambda: mmsg.send(sock, [b"x", b"y"]))
    found["SO_ZEROCOPY"] = number_of(lambda: sock.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1))
    found["zero-copy receive"] = number_of(lambda: sock.getsockopt(socket.IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, 64))
    found["disconnect"] = number_of(lambda: disconnect(sock.fileno()))
    return found


def test_calls_that_end_with_an_error(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    secret, control = ports.require(), ports.bypass()
    found, plain = (against(node_a, node_b, port, sending, drains) for port in (secret, control))
    assert isinstance(found, dict) and set(found.values()) == {"ENOTSUP"}, found
    assert isinstance(plain, dict)
    assert {name for name, error in plain.items() if error == "ENOTSUP"} == {"SO_ZEROCOPY"}, plain
    wire.secured(marker, secret, flows=1)


def options(_say: Say) -> list[object]:
    """Of sockets that are not connected: what Fast Open and zero-copy say, for TCP and beside it for UDP."""
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        return [
            number_of(partial(tcp.setsockopt, socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)),
            *(number_of(partial(one.setsockopt, socket.SOL_SOCKET, SO_ZEROCOPY, 1)) for one in (tcp, udp)),
        ]


def test_options_of_every_tcp_socket(node_a: Node) -> None:
    assert node_a.start(options).result() == ["ENOTSUP", "ENOTSUP", ""]


def receiving(sock: socket.socket) -> tuple[bool, str]:
    """Whether MSG_TRUNC discards what it takes, and what MSG_OOB says where there is no urgent byte."""
    assert sock.recv(1, socket.MSG_PEEK)
    into = bytearray(SHORT // 2)
    assert sock.recv_into(into, len(into), socket.MSG_TRUNC) == len(into)
    return into == bytes(len(into)), number_of(lambda: sock.recv(1, socket.MSG_OOB))


def test_flags_of_recv_that_are_passed_over(node_a: Node, node_b: Node, ports: Ports, marker: bytes) -> None:
    content = marker.ljust(SHORT)
    assert against(node_a, node_b, ports.require(), receiving, short_records, content) == (False, "")
    assert against(node_a, node_b, ports.bypass(), receiving, short_records, content) == (True, "EINVAL")


def with_control(sock: socket.socket) -> tuple[bytes, list[tuple[int, int, bytes]]]:
    """recvmsg() with space for control messages, and then the end."""
    got, control, _, _ = sock.recvmsg(SHORT, socket.CMSG_SPACE(64))
    sock.sendall(b".")
    assert sock.recv(1) == b"", "more than was sent"
    return got, control


def test_control_messages_and_an_end_that_nobody_announces(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes
) -> None:
    secret, control, content = ports.require(), ports.bypass(), marker.ljust(SHORT)
    typed = [(SOL_TLS, TLS_GET_RECORD_TYPE, APPLICATION_DATA)]
    assert against(node_a, node_b, secret, with_control, short_records, content) == (content, typed)
    assert against(node_a, node_b, control, with_control, short_records, content) == (content, [])
    ((_, sent),) = wire.streams(secret)
    assert len(sent) == 1 + OVERHEAD + SHORT + OVERHEAD, "a record that is no payload"
    wire.secured(marker, secret, flows=1)
