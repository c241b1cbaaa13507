# SPDX-License-Identifier: Apache-2.0
"""Programs of the system as applications of a node: started, waited for until they listen, and ended."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from tests.lab.kit.node import Node

PATIENCE_S = 60.0
LISTEN = "0A"  # a state in /proc/net/tcp, where addresses and ports are hexadecimal too


def need(program: str, package: str) -> str:
    """The path of a program; the test is skipped, by name, where it is not installed."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"'{program}' is not installed: apt-get install {package}")
    return found


@contextmanager
def serving(node: Node, words: Sequence[str | Path], *ports: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens on these ports for as long as the block runs; what it says is in `log`."""
    with log.open("wb") as out:
        command = ["on", node.name, *map(str, words)]
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        for port in ports:
            _await(server, port, log)
        yield server
    except Exception as error:
        error.add_note(f"{words[0]} said: {_said(log)}")
        raise
    finally:
        end(server)


@contextmanager
def burning(count: int) -> Iterator[None]:
    """So many programs beside that want nothing but processors, for as long as the block runs."""
    with ExitStack() as ends:
        for _ in range(count):
            ends.callback(end, subprocess.Popen(["nice", "-n", "5", "sh", "-c", "while :; do :; done"]))
        yield


def end(server: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL to one that does not mind it; its children end with it or have lost what they wait for."""
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGKILL)
        server.wait()


def _await(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Asks the kernel, not the server: a connection to try it out would be captured, and judged with the others."""
    deadline = time.monotonic() + PATIENCE_S
    while not _listens(server.pid, port):
        if server.poll() is not None:
            _fail(f"ended with {server.returncode} before it listened", log)
        if time.monotonic() > deadline:
            _fail(f"does not listen on port {port}", log)
        time.sleep(0.05)


def _listens(pid: int, port: int) -> bool:
    lines = [line for name in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()]
    fields = [line.split() for line in lines[1:]]
    return any(words[1].endswith(f":{port:04X}") and words[3] == LISTEN for words in fields if len(words) > 3)


def _fail(what: str, log: Path) -> NoReturn:
    raise AssertionError(f"the server {what}:\n{_said(log)}")


def _said(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]
