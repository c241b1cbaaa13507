# SPDX-License-Identifier: Apache-2.0
"""nginx and HAProxy in a node, configured as anybody would, with a folder of files; and curl."""

from __future__ import annotations

from pathlib import Path

from tests.lab.kit.node import Node

NGINX = """
daemon off;
user root;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_max_body_size 8m;
    large_client_header_buffers 4 16k;
    client_body_temp_path {folder}/uploads;
    proxy_temp_path {folder}/proxy;
    server {{
        {listen}
        root {folder}/www;
        location /headers {{ return 200 "$http_x_padding"; }}
        location /stored {{ return 200 stored; }}
        location /upload {{
            client_body_in_file_only on;
            proxy_pass http://{behind}/stored;
        }}
        location /proxied/ {{ proxy_pass http://{behind}/; }}
    }}
}}
"""
HAPROXY = """
global
    maxpipes 16
defaults
    timeout connect 30s
    timeout client 60s
    timeout server 60s
listen as-http
    mode http
    bind {address}:{http}
    server nginx {behind}
listen as-tcp
    mode tcp
    option splice-auto
    bind {address}:{tcp}
    server nginx {behind}
"""


def site(folder: Path, content: bytes) -> Path:
    """A folder with one file to be served."""
    for name in ("www", "uploads", "proxy"):
        (folder / name).mkdir(parents=True)
    (folder / "www/file").write_bytes(content)
    return folder


def nginx(folder: Path, *listen: str, behind: str = "127.0.0.1:9") -> list[str | Path]:
    """The command of a server of that folder; `behind` is where it hands uploads and '/proxied/' to."""
    lines = "".join(f"listen {one}; " for one in listen)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, listen=lines, behind=behind))
    return ["nginx", "-c", folder / "nginx.conf"]


def haproxy(folder: Path, address: str, http: int, tcp: int, behind: str) -> list[str | Path]:
    """The command of a proxy that reads HTTP on one port, and on another splices what it does not read."""
    (folder / "haproxy.cfg").write_text(HAPROXY.format(address=address, http=http, tcp=tcp, behind=behind))
    return ["haproxy", "-db", "-f", folder / "haproxy.cfg"]


def curl(node: Node, *arguments: str) -> bytes:
    """What curl got; raises CalledProcessError where it did not get all, or an error from the server."""
    return node.run(["curl", "-sS", "--fail", "--max-time", "100", *arguments], 120).encode()
