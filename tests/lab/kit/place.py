# SPDX-License-Identifier: Apache-2.0
"""Where a process of a node belongs: the node's cgroup and its network namespace."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

CLONE_NEWNET = 0x40000000


def enter_network(namespace: str) -> None:
    """Bring the calling thread into that network namespace; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(namespace, "rb") as file:
        if libc.setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns", namespace)


def enter(node: str) -> None:
    """Bring this process into that node; raises OSError."""
    Path(f"/sys/fs/cgroup/{node}/cgroup.procs").write_text(str(os.getpid()))
    enter_network(f"/run/netns/{node}")
