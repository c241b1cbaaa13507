# SPDX-License-Identifier: Apache-2.0
"""The servers: nginx on node-b, the tunnels on both nodes; all run all the time, whichever is measured."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from bench import tunnels
from bench.load import LoadError
from tests.lab.kit.node import Node

CLEAR, CAPTURED, TLS = 8001, 8002, 8443
BIG = 256 * 1024 * 1024
_NGINX = Path(__file__).with_name("nginx.conf")
_PATIENCE_S, _ANSWER_S = 60.0, 30.0


class Servers:
    """Starts them, and waits until they listen."""

    def __init__(self, folder: Path, nodes: Mapping[str, Node], marker: str) -> None:
        self._folder, self._nodes = folder, nodes
        self._prepare(marker)
        self._processes = {"nginx": [self._nginx()]}
        for name, make in (("stunnel", tunnels.stunnel), ("haproxy", tunnels.haproxy)):
            commands = make(folder, nodes["node-b"].ipv4, CLEAR)
            self._processes[name] = [nodes[node].spawn(words) for node, words in commands.items()]
        for node, ports in (
            ("node-a", (tunnels.STUNNEL_IN, tunnels.HAPROXY_IN)),
            ("node-b", (CLEAR, CAPTURED, TLS, tunnels.STUNNEL_TLS, tunnels.HAPROXY_TLS)),
        ):
            for port in ports:
                self._listening(node, port)

    def _prepare(self, marker: str) -> None:
        www = self._folder / "www"
        www.mkdir(parents=True)
        self._folder.chmod(0o755)
        (www / "small").write_bytes(os.urandom(1024))
        (www / "marker").write_text(marker)
        block = os.urandom(1 << 20)
        with (www / "big").open("wb") as big:
            for _ in range(BIG >> 20):
                big.write(block)
        pair = self._folder / "pair.pem"
        words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=bench -days 2"
        made = subprocess.run(["openssl", *words.split()], check=True, capture_output=True, cwd=self._folder)
        pair.write_bytes((self._folder / "privkey.pem").read_bytes() + made.stdout)

    @property
    def pids(self) -> dict[str, list[int]]:
        """The processes of each kind, whose children belong to them."""
        return {name: [one.pid for one in processes] for name, processes in self._processes.items()}

    def _nginx(self) -> subprocess.Popen[bytes]:
        file = self._folder / "nginx.conf"
        file.write_text(_NGINX.read_text().replace("unix:", f"unix:{self._folder}/"))
        words = ["nginx", "-p", f"{self._folder}/", "-c", str(file), "-g", "daemon off;"]
        return self._nodes["node-b"].spawn(words)

    def _listening(self, node: str, port: int) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not self._nodes[node].run(["ss", "-Hltn", f"sport = :{port}"]).strip():
            ended = [name for name, all_of in self._processes.items() if any(p.poll() is not None for p in all_of)]
            if ended or time.monotonic() > deadline:
                raise TimeoutError(
                    f"no server listens on port {port} of '{node}': {ended} ended: see what was printed above"
                )
            time.sleep(0.1)

    def served(self) -> int:
        """How many requests nginx has got, as it says itself. Raises LoadError where it does not say."""
        try:
            return self._served()
        except TimeoutError as error:
            raise LoadError(f"nginx does not say in {_ANSWER_S} s how many requests it has got") from error

    def _served(self) -> int:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(_ANSWER_S)
            sock.connect(str(self._folder / "status"))
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            text = b"".join(iter(lambda: sock.recv(4096), b"")).decode()
        numbers = text.partition("requests")[2].split()
        return int(numbers[2])
