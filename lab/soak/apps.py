# SPDX-License-Identifier: Apache-2.0
"""The applications: servers that never end, and clients that connect again and again and check what they get."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread

from tests.lab.kit.chat import Flag
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, IPV6, Way
from tests.lab.kit.program import serving
from tests.lab.kit.talk import QUIET_S, Talk, listener, receives_first, sends_first, take
from tests.lab.kit.web import nginx, site

ECHO4, ECHO6, GREETED, WEB, REDIS = 7001, 7002, 7003, 7004, 7005
PORTS = (ECHO4, ECHO6, GREETED, WEB, REDIS)
PAUSE_S = 0.2  # after a failure, which comes at once where an agent is away


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What a client found: attempts that went well, that failed, and that brought other bytes than were sent."""

    good: int = 0
    failed: int = 0
    wrong: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(good=self.good + other.good, failed=self.failed + other.failed, wrong=self.wrong + other.wrong)


def repeat(_say: Say, attempt: Callable[[], bool], enough: Flag) -> Count:
    """Again and again until there is enough of it; `attempt` raises where it fails, and is false where bytes differ."""
    count = Count()
    while not enough.is_set():
        try:
            count += Count(good=1) if attempt() else Count(wrong=1)
        except (OSError, subprocess.SubprocessError):
            count += Count(failed=1)
            time.sleep(PAUSE_S)
    return count


def talked(way: Way, port: int, talk: Talk, content: bytes) -> bool:
    """Both ends send the same; an end that comes too soon is a failure, as a reset is."""
    with socket.socket(way.family) as sock:
        sock.connect((way.host, port))
        got = talk(sock, content)
    if len(got) < len(content) and content.startswith(got):
        raise ConnectionError(f"{len(got)} of {len(content)} bytes")
    return got == content


def fetched(content: bytes) -> bool:
    """A page by curl, which fails where it does not get all of it."""
    return _said(["curl", "-sS", "--fail", "--max-time", "100", f"http://{IPV4.host}:{WEB}/file"]) == content


def stored(content: bytes) -> bool:
    """A value into redis and out again; a client that lost its connection says so on its standard output."""
    cli = ["redis-cli", "-h", IPV4.host, "-p", str(REDIS)]
    if _said([*cli, "-x", "set", "key"], content) != b"OK\n":
        raise ConnectionError("not stored")
    found = _said([*cli, "get", "key"])
    if found.startswith((b"Error", b"Could not")):
        raise ConnectionError("not read")
    return found == content + b"\n"


def _said(words: list[str], given: bytes = b"") -> bytes:
    return subprocess.run(words, input=given, check=True, capture_output=True, timeout=120).stdout


def greets(sock: socket.socket, content: bytes) -> bytes:
    """The server speaks first."""
    sock.sendall(content)
    return take(sock, len(content))


def serve(say: Say, way: Way, port: int, talk: Talk, content: bytes) -> None:
    """For ever, a thread for each connection; what becomes of one is its client's to say."""
    with listener(way, port) as door:
        door.settimeout(None)
        say("listening")
        while True:
            Thread(target=_serve_one, args=(door.accept()[0], talk, content), daemon=True).start()


def _serve_one(sock: socket.socket, talk: Talk, content: bytes) -> None:
    with sock:
        sock.settimeout(3 * QUIET_S)
        try:
            talk(sock, content)
        except OSError:  # refused or reset: the client has the same, and counts it
            return


@contextmanager
def servers(node: Node, folder: Path, content: bytes) -> Iterator[None]:
    """All of them, in that node."""
    redis = ["redis-server", "--port", str(REDIS), "--bind", "0.0.0.0", "--save", "", "--protected-mode", "no"]
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        web = nginx(site(folder / "site", content), str(WEB))
        stack.enter_context(serving(node, web, WEB, log=folder / "nginx.log"))
        stack.enter_context(serving(node, redis, REDIS, log=folder / "redis.log"))
        for way, port, talk in ((IPV4, ECHO4, receives_first), (IPV6, ECHO6, receives_first), (IPV4, GREETED, greets)):
            job = node.start(partial(serve, way=way, port=port, talk=talk, content=content))
            stack.callback(job.kill)
            assert job.heard() == "listening"
        yield


def clients(content: bytes) -> tuple[Callable[[], bool], ...]:
    """One attempt of each."""
    return (
        partial(talked, IPV4, ECHO4, sends_first, content),
        partial(talked, IPV6, ECHO6, sends_first, content),
        partial(talked, IPV4, GREETED, receives_first, content),
        partial(fetched, content),
        partial(stored, content),
    )
