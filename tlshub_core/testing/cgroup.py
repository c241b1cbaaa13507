# SPDX-License-Identifier: Apache-2.0
"""A cgroup of a test's own, and what BPF the kernel says is attached to it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

SYS_BPF = {"x86_64": 321, "aarch64": 280}
BPF_PROG_QUERY = 16
ATTACH_TYPES = (0, 1, 3, 22)  # ingress, egress, sock_ops, setsockopt of a cgroup


def cgroup_root() -> Path:
    """Where cgroup v2 is mounted; skips the test where it is not, or may not be used."""
    if os.geteuid() != 0:
        pytest.skip("needs root: to make a cgroup and to load BPF programs")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2" and os.access(where, os.W_OK):
            return Path(where)
    pytest.skip("no cgroup v2 is mounted here that can be written")


@contextmanager
def own_cgroup() -> Iterator[Path]:
    """A new cgroup, removed at the end."""
    path = cgroup_root() / f"tlshub-test-{uuid4().hex[:8]}"
    try:
        path.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error.strerror}")
    try:
        yield path
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError):  # busy, while an ended process is still being taken out of it
            return path.rmdir()
        time.sleep(0.02)
    path.rmdir()


class _Query(ctypes.Structure):
    _fields_ = (
        ("target", ctypes.c_uint32), ("attach_type", ctypes.c_uint32), ("query_flags", ctypes.c_uint32),
        ("attach_flags", ctypes.c_uint32), ("ids", ctypes.c_uint64), ("count", ctypes.c_uint32),
    )  # fmt: skip


def programs_on(cgroup: Path) -> int:
    """How many BPF programs are attached to the cgroup, asked of the kernel itself."""
    libc, number = ctypes.CDLL(None, use_errno=True), SYS_BPF[platform.machine()]
    directory, total = os.open(cgroup, os.O_RDONLY), 0
    try:
        for attach_type in ATTACH_TYPES:
            query = _Query(target=directory, attach_type=attach_type)
            if libc.syscall(number, BPF_PROG_QUERY, ctypes.byref(query), ctypes.sizeof(query)):
                raise OSError(ctypes.get_errno(), "BPF_PROG_QUERY")
            total += query.count
    finally:
        os.close(directory)
    return total


def bpf_descriptors() -> int:
    """How many descriptors of programs, maps and links this process has."""
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the listing's own descriptor
            links.append(os.readlink(entry))
    return sum("bpf" in link for link in links)
