# SPDX-License-Identifier: Apache-2.0
"""A pair of stunnels: what TLS is done with today where an application has none."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tlshub_core.benching import child
from tlshub_core.types.errors import Unavailable

SUITE = "TLS_AES_128_GCM_SHA256"
COMMON = f"""\
foreground = yes
debug = err
syslog = no
pid =
sslVersion = TLSv1.3
ciphersuites = {SUITE}
sessionResume = no
"""
_PATIENCE_S, _PAUSE_S = 30.0, 0.02


def near_end(accept: str, server: str) -> str:
    """The client's end: from this address to the far end's, both 'ADDRESS:PORT'."""
    return f"client = yes\n[near]\naccept = {accept}\nconnect = {server}\n"


def far_end(accept: str, backend: str, cert: Path, key: Path) -> str:
    """The server's end: from this address, with that certificate, to the server itself."""
    return f"cert = {cert}\nkey = {key}\n[far]\naccept = {accept}\nconnect = {backend}\n"


def program() -> str | None:
    """Where it is installed; Debian's package is called 'stunnel4'."""
    return shutil.which("stunnel") or shutil.which("stunnel4")


@contextmanager
def far(folder: Path, address: str, port: int, backend: int) -> Iterator[int | None]:
    """Run the server's end, on a free port where `port` is 0; its port, None where no stunnel is installed."""
    if program() is None:
        yield None
        return
    port = port or _free(address)
    cert, key = folder / "server.pem", folder / "server-key.pem"
    own = far_end(f"{address}:{port}", f"{address}:{backend}", cert, key)
    with _running(folder / "far.conf", own, address, port):
        yield port


@contextmanager
def near(folder: Path, server: str, port: int) -> Iterator[int]:
    """Run the client's end, which verifies the server by 'ca.pem' in the folder; its port, on loopback."""
    own_port = _free("127.0.0.1")
    verify = f"verifyChain = yes\nCAfile = {folder / 'ca.pem'}\n"
    own = near_end(f"127.0.0.1:{own_port}", f"{server}:{port}") + verify
    with _running(folder / "near.conf", own, "127.0.0.1", own_port):
        yield own_port


def _free(address: str) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as found:
        return int(found.getsockname()[1])


@contextmanager
def _running(file: Path, own: str, address: str, port: int) -> Iterator[None]:
    file.write_text(COMMON + own)
    words, log = [program() or "stunnel", str(file)], file.with_suffix(".log")
    bound = partial(child.begin, os.getpid())
    with log.open("w") as said, subprocess.Popen(words, stderr=said, preexec_fn=bound) as process:
        try:
            if not _listens(process, address, port):
                raise Unavailable(f"stunnel does not listen on '{address}', port {port}: {log.read_text().strip()}")
            yield
        finally:
            process.terminate()


def _listens(process: subprocess.Popen[bytes], address: str, port: int) -> bool:
    """Tries until it can be connected to: stunnel tells nobody when it is ready."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((address, port), timeout=_PATIENCE_S).close()
        except ConnectionRefusedError:
            time.sleep(_PAUSE_S)
        else:
            return True
    return False
