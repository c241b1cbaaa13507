# SPDX-License-Identifier: Apache-2.0
"""Whether this machine can load the programs, and whether its kernel takes the gate."""

from __future__ import annotations

import os
from pathlib import Path

from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.loading import Loader
from tlshub_capture_bpf.objects import ObjectLoader
from tlshub_capture_bpf.programs import Programs
from tlshub_core.api import Level, Probe, Unavailable
from tlshub_core.namespaces import sees_all_processes

BTF = Path("/sys/kernel/btf/vmlinux")
PROBE_TABLE = 16
NO_GATE = "the kernel does not take the gate"


def probe(path: Path) -> Probe:
    """Whether libbpf, BTF and the programs compiled in `path` are there, and what the kernel takes of these."""
    library = library_or_lack()
    if isinstance(library, Probe):
        return library
    if not BTF.exists():
        return failed(f"no BTF in '{BTF}'", "a kernel with CONFIG_DEBUG_INFO_BTF")
    if not path.exists():
        remedy = "install the wheel of 'tlshub-capture-bpf', or build it with clang and libbpf-dev"
        return failed(f"no compiled programs in '{path}'", remedy)
    return loads(library, ObjectLoader(path), f"libbpf {library.version()}")


def need_all_processes() -> None:
    """Raises Unavailable where the agent could not fetch the sockets of the processes that the programs name."""
    if not sees_all_processes():
        where = "start it in the machine's ('hostPID: true' of a pod, 'docker run --pid=host')"
        raise Unavailable(f"the agent is in a pid namespace of its own, where it cannot reach applications: {where}")


def failed(message: str, remedy: str) -> Probe:
    """What is missing, and what to do."""
    return Probe(level=Level.FAILED, message=message, remedy=remedy)


def library_or_lack() -> Libbpf | Probe:
    """The library, or what is missing of it."""
    try:
        return Libbpf()
    except OSError as error:
        return failed(f"libbpf: {error}", "apt-get install libbpf1")


def loads(library: Libbpf, loader: Loader, version: str) -> Probe:
    """Whether the kernel takes the programs; loaded and not attached, they do nothing."""
    try:
        Programs(library, loader, gate=True, table_size=PROBE_TABLE).close()
    except (OSError, Unavailable) as error:
        if isinstance(error, PermissionError) and os.geteuid():
            remedy = "ask as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
            return Probe(level=Level.WARNING, message=f"{version}; this user cannot try the gate", remedy=remedy)
        why = error.strerror if isinstance(error, OSError) else error
        message = f"{version}; {NO_GATE} ({why}): only mode 'observe' works"
        return Probe(level=Level.WARNING, message=message, remedy="a kernel with CONFIG_TLS and BPF trampolines")
    return Probe(level=Level.OK, message=f"{version}; the kernel takes the gate")
