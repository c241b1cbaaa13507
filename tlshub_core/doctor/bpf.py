# SPDX-License-Identifier: Apache-2.0
"""What the capture programs need around them: cgroup v2, a BPF file system, libbpf."""

from __future__ import annotations

import ctypes
from pathlib import Path, PurePosixPath

from tlshub_core.config import Config
from tlshub_core.config.tables import Capture
from tlshub_core.doctor.check import Check, checked, failed, ok, text, warning
from tlshub_core.types.interfaces import Probe


def checks(root: Path, config: Config | None) -> list[Check]:
    """All of this file, for the folders of `config` or the default ones."""
    capture = config.capture if config else Capture()
    return [
        checked("bpf", "cgroup", cgroup, root, capture.cgroup),
        checked("bpf", "pins", bpffs, root, capture.pins),
        checked("bpf", "library", libbpf),
    ]


def cgroup(root: Path, folder: Path) -> Probe:
    """Whether the folder is in a cgroup v2 hierarchy."""
    kind, at = mounted(root, folder)
    if not at:
        return warning("cannot tell: '/proc/self/mounts' cannot be read")
    if kind != "cgroup2":
        return failed(f"'{folder}' is on '{kind}'", _elsewhere(root, folder))
    if not (root / str(folder).lstrip("/")).is_dir():
        return failed(f"'{folder}' is not there", "make it, or set 'cgroup' in '[capture]'")
    return ok(f"'{folder}' is cgroup v2")


def _elsewhere(root: Path, folder: Path) -> str:
    """A host with both versions of cgroups has v2 in a place of its own, with all processes in it."""
    mounts = [line.split(" ") for line in (text(root, "proc/self/mounts") or "").splitlines()]
    if found := [fields[1] for fields in mounts if len(fields) > 2 and fields[2] == "cgroup2"]:
        return f"set 'cgroup' in '[capture]' to '{found[0]}', where cgroup v2 is mounted"
    return f"mount -t cgroup2 none '{folder}', or set 'cgroup' in '[capture]'"


def bpffs(root: Path, folder: Path) -> Probe:
    """Whether pins can be kept: without them nothing holds connections while the agent is away."""
    kind, at = mounted(root, folder)
    if not at:
        return warning("cannot tell: '/proc/self/mounts' cannot be read")
    if kind != "bpf":
        remedy = "mount -t bpf bpf /sys/fs/bpf, or set 'pins' in '[capture]'"
        return failed(f"'{folder}' is on '{kind}', not on a BPF file system", remedy)
    pinned = "; an agent's programs are pinned" if (root / str(folder).lstrip("/")).exists() else ""
    return ok(f"'{folder}' is on the BPF file system at '{at}'{pinned}")


def mounted(root: Path, folder: Path) -> tuple[str, str]:
    """Type and mount point of the file system that `folder` is (or would be) on; empty where it cannot be told."""
    best = ("", "")
    for line in (text(root, "proc/self/mounts") or "").splitlines():
        fields = line.split(" ")
        if len(fields) > 2 and PurePosixPath(folder).is_relative_to(fields[1]) and len(fields[1]) >= len(best[1]):
            best = (fields[2], fields[1])
    return best


def libbpf() -> Probe:
    """Whether libbpf 1.x is there, for backends that use it."""
    try:
        library = ctypes.CDLL("libbpf.so.1")
    except OSError:
        return warning("'libbpf.so.1' is not installed", "install it (Debian: 'libbpf1') for backends that use it")
    library.libbpf_version_string.restype = ctypes.c_char_p
    return ok(f"libbpf {library.libbpf_version_string().decode(errors='replace')}")
