# SPDX-License-Identifier: Apache-2.0
"""Programs with a TLS of their own: openssl's test server and client, and nginx and curl; one name for all of them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.kit.node import Node

PAGE = "page"
NGINX = """
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    server {{
        root {folder};
        listen {host}:{secret} ssl deferred;
        listen {host}:{plain};
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
    }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A folder with a page to serve, and a certificate for `name`."""

    folder: Path
    name: str

    @classmethod
    def make(cls, folder: Path, name: str, content: bytes) -> Site:
        """Write page, key and a certificate that signs itself."""
        folder.chmod(0o755)
        (folder / PAGE).write_bytes(content)
        kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
        subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
        subprocess.run(["openssl", "req", *kind, *files, *subject], check=True, capture_output=True)
        return cls(folder=folder, name=name)

    @contextmanager
    def nginx(self, node: Node, host: str, secret: int, plain: int) -> Iterator[None]:
        """Serve the page by TLS on one port and in plain on another.

        On the first one a connection is there for nginx, and for its agent, only once the client has sent something.
        """
        file = self.folder / "nginx.conf"
        file.write_text(NGINX.format(folder=self.folder, host=host, secret=secret, plain=plain))
        node.run(["nginx", "-c", str(file)])  # it listens by the time that it has gone into the background
        try:
            yield
        finally:
            node.run(["nginx", "-c", str(file), "-s", "stop"])

    def curl(self, node: Node, host: str, port: int, scheme: str) -> bytes:
        """Fetch the page."""
        names = ["--cacert", str(self.folder / "cert.pem"), "--resolve", f"{self.name}:{port}:{host}"]
        words = ["curl", "-sS", "--fail", "--max-time", "60", *names, f"{scheme}://{self.name}:{port}/{PAGE}"]
        return node.run(words).encode()

    @contextmanager
    def s_server(self, node: Node, host: str, port: int) -> Iterator[None]:
        """Serve the page by TLS to one client, with calls that block."""
        words = ["openssl", "s_server", "-accept", f"{host}:{port}", "-naccept", "1", "-WWW"]
        files = ["-cert", "cert.pem", "-key", "key.pem"]
        command = ["on", node.name, *words, *files]
        with subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
            assert server.stdout is not None
            while (line := server.stdout.readline()) and b"ACCEPT" not in line:
                continue
            assert line, "openssl s_server ended"
            try:
                yield
            finally:
                server.kill()

    def s_client(self, node: Node, host: str, port: int) -> tuple[int, bytes]:
        """Fetch the page with calls that block; exit status and what came."""
        words = ["openssl", "s_client", "-connect", f"{host}:{port}", "-servername", self.name, "-quiet"]
        trust = ["-CAfile", str(self.folder / "cert.pem"), "-verify_return_error"]
        request = f"GET /{PAGE} HTTP/1.0\r\n\r\n".encode()
        done = subprocess.run(["on", node.name, *words, *trust], input=request, capture_output=True, timeout=60)
        return done.returncode, done.stdout
