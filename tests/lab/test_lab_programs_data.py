# SPDX-License-Identifier: Apache-2.0
"""Stores that are spoken to in short messages: redis, memcached, and MQTT by mosquitto."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports, Way
from tests.lab.kit.program import need, serving
from tests.lab.kit.talk import payload, take
from tests.lab.kit.wire import Wire

VALUES = 50


def test_redis(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path) -> None:
    need("redis-server", "redis-server")
    need("redis-cli", "redis-tools")
    port, value = str(ports.require()), payload(marker).decode()
    server = ["redis-server", "--port", port, "--bind", "0.0.0.0", "::", "--save", "", "--protected-mode", "no"]
    with serving(node_b, server, int(port), log=tmp_path / "log"):
        for host in (node_b.ipv4, node_b.ipv6):
            cli = ["redis-cli", "-h", host, "-p", port]
            assert node_a.run([*cli, "set", host, value]) == "OK\n"
            assert node_a.run([*cli, "get", host]) == value + "\n"
        bench = [
            "redis-benchmark",
            "-h",
            node_b.ipv4,
            "-p",
            port,
            "-n",
            "200",
            "-c",
            "8",
            "-t",
            "set,lrange_100",
            "--csv",
        ]
        assert '"SET"' in node_a.run(bench, 120)
    wire.secured(marker, int(port))


def cached(_say: Say, way: Way, port: int, content: bytes) -> int:
    """Store many values without waiting for an answer in between, then get them all at once; how many were right."""
    names = [b"value-%d" % number for number in range(VALUES)]
    with socket.create_connection((way.host, port)) as sock:
        for name in names:
            sock.sendall(b"set %s 0 0 %d\r\n%s\r\n" % (name, len(content), content))
        stored = take(sock, len(b"STORED\r\n") * VALUES)
        assert stored == b"STORED\r\n" * VALUES, stored[:200]
        sock.sendall(b"get %s\r\n" % b" ".join(names))
        wanted = [b"VALUE %s 0 %d\r\n%s\r\n" % (name, len(content), content) for name in names]
        got = take(sock, sum(map(len, wanted)) + len(b"END\r\n"))
        assert got == b"".join(wanted) + b"END\r\n"
    return len(names)


def test_memcached(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path) -> None:
    memcached, port, content = need("memcached", "memcached"), ports.require(), payload(marker, 20_000)
    with serving(node_b, [memcached, "-u", "root", "-t", "2", "-p", str(port)], port, log=tmp_path / "log"):
        clients = [node_a.start(partial(cached, way=IPV4, port=port, content=content)) for _ in range(3)]
        assert [client.result() for client in clients] == [VALUES] * 3
    wire.secured(marker, port, flows=3)


def test_mosquitto(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path) -> None:
    """A message that is kept for who comes later, and one that somebody waits for."""
    mosquitto, port, content = need("mosquitto", "mosquitto"), ports.require(), payload(marker, 200_000)
    need("mosquitto_pub", "mosquitto-clients")
    (tmp_path / "message").write_bytes(content)
    (tmp_path / "settings").write_text(f"listener {port} {node_b.ipv4}\nallow_anonymous true\nuser root\n")
    client = ["-h", node_b.ipv4, "-p", str(port), "-q", "1"]
    publish = ["mosquitto_pub", *client, "-r", "-f", str(tmp_path / "message")]
    with serving(node_b, [mosquitto, "-c", tmp_path / "settings"], port, log=tmp_path / "log"):
        node_a.run([*publish, "-t", "kept"])
        listening = ["mosquitto_sub", *client, "-N", "-C", "2", "-W", "60", "-t", "kept", "-t", "live"]
        waiting = node_b.start(lambda _say: node_b.run(listening))
        node_a.await_closed(1)
        node_a.run([*publish, "-t", "live"])
        assert waiting.result().encode() == 2 * content
    wire.secured(marker, port)
