# SPDX-License-Identifier: Apache-2.0
"""What agents have in the kernel, and what they leave there when they end."""

from __future__ import annotations

import ctypes
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.lab.kit.node import Node

NAME_SIZE = 16
NAME_AT = {"prog": 64, "map": 24}  # in struct bpf_prog_info and bpf_map_info, <linux/bpf.h>
PATIENCE_S = 180.0  # as long as an agent may take to start


def folder(node: Node) -> Path:
    """Where that node's agent pins."""
    return Path(f"/sys/fs/bpf/tlshub-{node.name}")


def detach(node: Node) -> dict[str, object]:
    """End what the node's agent left; what the command says of it."""
    words = ["tlshub-capture", "detach", "--json", str(node.agent.configuration)]
    found: dict[str, object] = json.loads(node.run(words, timeout=120))
    return found


def until(reached: Callable[[], bool], what: str) -> None:
    """Wait for what the kernel, or a process, does in its own time."""
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def loaded(kind: str) -> Counter[str]:
    """Names of all programs ('prog') or maps ('map') of this kernel, and how many there are of each."""
    library, number, found = ctypes.CDLL("libbpf.so.1", use_errno=True), ctypes.c_uint32(0), Counter[str]()
    while not getattr(library, f"bpf_{kind}_get_next_id")(number, ctypes.byref(number)):
        fd = getattr(library, f"bpf_{kind}_get_fd_by_id")(number)
        if fd >= 0:  # else it went meanwhile
            found[_name(library, fd, NAME_AT[kind])] += 1
            os.close(fd)
    return found


def _name(library: ctypes.CDLL, fd: int, at: int) -> str:
    info, size = ctypes.create_string_buffer(at + NAME_SIZE), ctypes.c_uint32(at + NAME_SIZE)
    assert not library.bpf_obj_get_info_by_fd(fd, info, ctypes.byref(size))
    return info.raw[at:].split(b"\0", 1)[0].decode()
