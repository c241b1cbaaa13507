# SPDX-License-Identifier: Apache-2.0
"""Capabilities of this process, as the agent would have them if this user started it, and whom it sees."""

from __future__ import annotations

import re
from pathlib import Path

from tlshub_core.doctor.check import Check, checked, failed, ok, text, warning
from tlshub_core.namespaces import sees_all_processes
from tlshub_core.privileges import Capability
from tlshub_core.types.interfaces import Probe

# Any one of a row will do.
_NEEDED = (
    ("CAP_BPF", (Capability.BPF, Capability.SYS_ADMIN), "load programs"),
    ("CAP_PERFMON", (Capability.PERFMON, Capability.SYS_ADMIN), "attach programs to kernel functions"),
    ("CAP_NET_ADMIN", (Capability.NET_ADMIN,), "attach programs to cgroups, refuse connections"),
    ("CAP_SYS_PTRACE", (Capability.SYS_PTRACE,), "fetch applications' sockets"),
)


def checks(root: Path) -> list[Check]:
    """One check for each capability, and one of the pid namespace."""
    effective = _effective(text(root, "proc/self/status") or "")
    found = [checked("privileges", name, capability, effective, name, bits, use) for name, bits, use in _NEEDED]
    return [*found, checked("privileges", "processes", processes, root)]


def processes(root: Path) -> Probe:
    """Whether the agent would find the processes that the programs name."""
    try:
        if sees_all_processes(root):
            return ok("sees all processes of this machine")
    except OSError as error:
        return warning(f"cannot tell: '/proc/self/ns/pid' cannot be read: {error.strerror}")
    remedy = "start the agent in the machine's: 'hostPID: true' of a pod, 'docker run --pid=host'"
    return failed("in a pid namespace of its own: applications' sockets cannot be fetched", remedy)


def capability(effective: int | None, name: str, bits: tuple[int, ...], use: str) -> Probe:
    """Whether one of `bits` is in the set; None stands for a set that cannot be read."""
    if effective is None:
        return warning("cannot tell: '/proc/self/status' cannot be read")
    if any(effective >> bit & 1 for bit in bits):
        return ok(f"can {use}")
    return failed(f"this user cannot {use}", f"run as root, or give the agent {name}")


def _effective(status: str) -> int | None:
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return int(found[1], 16) if found else None
