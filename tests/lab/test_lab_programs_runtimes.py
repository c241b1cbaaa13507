# SPDX-License-Identifier: Apache-2.0
"""Run-times with a network loop of their own: Node, Java, Go (rclone at both ends) and Python's asyncio."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import Ports
from tests.lab.kit.program import need, serving
from tests.lab.kit.talk import payload
from tests.lab.kit.wire import Wire

APPS = Path(__file__).parent / "apps"
COUNT = 4


def test_node(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path) -> None:
    node, port, file = need("node", "nodejs"), ports.require(), tmp_path / "file"
    file.write_bytes(payload(marker, 300_000))
    script = str(APPS / "echo.mjs")
    with serving(node_b, [node, script, "server", str(port)], port, log=tmp_path / "log"):
        for host in (node_b.ipv4, node_b.ipv6):
            node_a.run([node, script, "client", host, str(port), str(file), str(2 * COUNT)], 120)
    wire.secured(marker, port)


def test_java(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path) -> None:
    need("javac", "openjdk-17-jdk-headless")
    port, file = ports.require(), tmp_path / "file"
    file.write_bytes(payload(marker, 300_000))
    node_b.run(["javac", "-d", str(tmp_path), str(APPS / "Echo.java")], 120)
    java = ["java", "-XX:TieredStopAtLevel=1", "-cp", str(tmp_path), "Echo"]
    with serving(node_b, [*java, "server", str(port)], port, log=tmp_path / "log"):
        node_a.run([*java, "client", node_b.ipv4, str(port), str(file), str(COUNT)], 120)
    wire.secured(marker, port, flows=COUNT)


def test_go_as_rclone(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path) -> None:
    rclone, port, content = need("rclone", "rclone"), ports.require(), payload(marker, 1_000_000)
    served, sent, back = (tmp_path / name for name in ("served", "sent", "back"))
    for folder in (served, sent):
        folder.mkdir()
    (sent / "file").write_bytes(content)
    serve = [rclone, "serve", "webdav", served, "--addr", f"{node_b.ipv4}:{port}", "--config", ""]
    remote = ["--webdav-url", f"http://{node_b.ipv4}:{port}", "--config", "", "--retries", "1"]
    with serving(node_b, serve, port, log=tmp_path / "log"):
        node_a.run([rclone, "copy", str(sent), ":webdav:", *remote], 120)
        node_a.run([rclone, "copy", ":webdav:", str(back), *remote], 120)
    assert (served / "file").read_bytes() == content == (back / "file").read_bytes()
    wire.secured(marker, port)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def serve(say: Say, hosts: list[str], port: int) -> None:
    async def forever() -> None:
        server = await asyncio.start_server(echo, hosts, port)
        say("listening")
        await server.serve_forever()

    asyncio.run(forever())


async def ask(host: str, port: int, content: bytes) -> bool:
    reader, writer = await asyncio.open_connection(host, port)
    got = asyncio.create_task(reader.readexactly(len(content)))
    writer.write(content)
    await writer.drain()
    writer.write_eof()
    same = await got == content and await reader.read() == b""
    writer.close()
    return same


def dial(_say: Say, hosts: list[str], port: int, content: bytes) -> list[bool]:
    async def at_once() -> list[bool]:
        return await asyncio.gather(*(ask(host, port, content) for host in hosts))

    return asyncio.run(at_once())


def test_asyncio(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    port, content, hosts = ports.require(), payload(marker, 60_000), [node_b.ipv4, node_b.ipv6] * COUNT
    assert node_b.start(partial(serve, hosts=hosts[:2], port=port)).heard() == "listening"
    assert node_a.start(partial(dial, hosts=hosts, port=port, content=content)).result() == [True] * len(hosts)
    wire.secured(marker, port, flows=len(hosts))
