# SPDX-License-Identifier: Apache-2.0
"""nginx, HAProxy and curl."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.lab.kit.node import Node
from tests.lab.kit.ports import Ports
from tests.lab.kit.program import burning, need, serving
from tests.lab.kit.talk import payload
from tests.lab.kit.web import curl, haproxy, nginx, site
from tests.lab.kit.wire import Wire

SIZE = 1_000_000


def test_nginx_and_curl(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path) -> None:
    need("nginx", "nginx-light")
    need("curl", "curl")
    front, behind, control, content = ports.require(), ports.require(), ports.bypass(), payload(marker, SIZE)
    near, far = site(tmp_path / "a", content), site(tmp_path / "b", content)
    passes_on = nginx(far, f"{front}", f"[::]:{front}", f"{control}", behind=f"{node_a.ipv4}:{behind}")
    with ExitStack() as servers:
        servers.enter_context(serving(node_a, nginx(near, f"{behind}"), behind, log=tmp_path / "a.log"))
        servers.enter_context(serving(node_b, passes_on, front, control, log=tmp_path / "b.log"))
        where = f"http://{node_b.ipv4}:{front}"
        for url in (f"{where}/file", f"http://[{node_b.ipv6}]:{front}/file", f"{where}/proxied/file"):
            assert curl(node_a, url) == content
        header = content[:3000].decode().replace("\n", " ").strip()
        assert curl(node_a, "-H", f"X-Padding: {header}", f"{where}/headers").decode() == header
        assert curl(node_a, "--data-binary", f"@{far / 'www/file'}", f"{where}/upload") == b"stored"
        assert curl(node_a, f"http://{node_b.ipv4}:{control}/file") == content
    (uploaded,) = (far / "uploads").iterdir()
    assert uploaded.read_bytes() == content
    wire.secured(marker, front, behind)
    wire.clear(marker, control)


def test_http2_of_nginx_and_curl(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path
) -> None:
    need("nginx", "nginx-light")
    need("curl", "curl")
    need("h2load", "nghttp2-client")
    port, local, content = ports.require(), ports.bypass(), payload(marker, SIZE)
    folder = site(tmp_path / "b", content)
    server = nginx(folder, f"{port} http2", f"127.0.0.1:{local}", behind=f"127.0.0.1:{local}")
    with serving(node_b, server, port, log=tmp_path / "b.log"):
        where, http2 = f"http://{node_b.ipv4}:{port}", ["--http2-prior-knowledge", "-w", "%{http_version}"]
        with burning(3):  # keys take their time: curl 7.88 ends on an EAGAIN in the first send of a connection
            for _ in range(8):
                assert curl(node_a, *http2, "-o", str(tmp_path / "file"), f"{where}/file").endswith(b"2")
                assert content == (tmp_path / "file").read_bytes()
            # not by curl: see docs/applications.md; 16 requests, in 4 streams at once on each of 2 connections
            many = ["h2load", "-n", "16", "-c", "2", "-m", "4"]
            for one in ([f"{where}/file"], ["-d", str(folder / "www/file"), f"{where}/upload"]):
                said = node_a.run([*many, *one], 120)
                assert "16 succeeded, 0 failed" in said, said
    assert [file.read_bytes() == content for file in (folder / "uploads").iterdir()] == [True] * 16
    wire.secured(marker, port)


def test_haproxy_between_curl_and_nginx(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path
) -> None:
    need("nginx", "nginx-light")
    need("haproxy", "haproxy")
    http, tcp, behind, content = ports.require(), ports.require(), ports.require(), payload(marker, SIZE)
    folder = site(tmp_path / "a", content)
    proxy = haproxy(tmp_path, node_b.ipv4, http, tcp, f"{node_a.ipv4}:{behind}")
    with ExitStack() as servers:
        servers.enter_context(serving(node_a, nginx(folder, f"{behind}"), behind, log=tmp_path / "a.log"))
        servers.enter_context(serving(node_b, proxy, http, tcp, log=tmp_path / "b.log"))
        for port in (http, tcp):
            assert curl(node_a, f"http://{node_b.ipv4}:{port}/file") == content
            posted = curl(node_a, "--data-binary", f"@{folder / 'www/file'}", f"http://{node_b.ipv4}:{port}/stored")
            assert posted == b"stored"
    wire.secured(marker, http, tcp, behind)
