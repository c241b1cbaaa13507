# SPDX-License-Identifier: Apache-2.0
"""Whether this machine can load the programs, and whether its kernel takes the gate."""

from __future__ import annotations

import os
from pathlib import Path

from tlshub_capture_bpf import btf
from tlshub_capture_bpf.holding import WEAKER, try_one
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.loading import Loader
from tlshub_capture_bpf.objects import ObjectLoader
from tlshub_capture_bpf.programs import Hold, Programs
from tlshub_core.api import Level, Probe, Unavailable
from tlshub_core.namespaces import sees_all_processes

PROBE_TABLE = 16
NO_GATE = "the kernel does not take the gate"
GATE_NEEDS = "a kernel with CONFIG_TLS, BPF trampolines and BTF"


def probe(path: Path, hold: Hold | None = None) -> Probe:
    """Whether libbpf, BTF and the programs compiled in `path` are there, and what the kernel takes of these."""
    library = library_or_lack()
    if isinstance(library, Probe):
        return library
    if not btf.is_there():
        return failed(f"no BTF in '{btf.KERNELS}'", "a kernel with CONFIG_DEBUG_INFO_BTF, or the backend 'bcc'")
    if not path.exists():
        remedy = "install the wheel of 'tlshub-capture-bpf', or build it with clang and libbpf-dev"
        return failed(f"no compiled programs in '{path}'", remedy)
    return loads(library, ObjectLoader(path), f"libbpf {library.version()}", hold)


def need_all_processes() -> None:
    """Raises Unavailable where the agent could not fetch the sockets of the processes that the programs name."""
    if not sees_all_processes():
        where = "start it in the machine's ('hostPID: true' of a pod, 'docker run --pid=host')"
        raise Unavailable(f"the agent is in a pid namespace of its own, where it cannot reach applications: {where}")


def failed(message: str, remedy: str) -> Probe:
    """What is missing, and what to do."""
    return Probe(level=Level.FAILED, message=message, remedy=remedy)


def library_or_lack() -> Libbpf | Probe:
    """The library, or what all programs miss, whoever compiled them."""
    try:
        return Libbpf()
    except OSError as error:
        return failed(f"libbpf: {error}", "apt-get install libbpf1")


def loads(library: Libbpf, loader: Loader, version: str, hold: Hold | None) -> Probe:
    """Whether the kernel takes what this hold needs, or any where it is None; what is tried does nothing."""
    gate = None if hold is Hold.STOP else _lack(library, loader, Hold.GATE)
    if isinstance(gate, PermissionError) and os.geteuid():
        remedy = "ask as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
        return Probe(level=Level.WARNING, message=f"{version}; this user cannot try the gate", remedy=remedy)
    if gate is None and hold is not Hold.STOP:
        return Probe(level=Level.OK, message=f"{version}; the kernel takes the gate")
    stop = None if hold is Hold.GATE else _lack(library, loader, Hold.STOP)
    why = [f"{NO_GATE} ({_words(gate)})"] if gate else []
    if hold is not Hold.GATE and stop is None:
        message = "; ".join([version, *why, WEAKER])
        return Probe(level=Level.WARNING, message=message, remedy=GATE_NEEDS)
    why += [f"it lets no process be stopped ({_words(stop)})"] if stop else []
    message = f"{version}; {', and '.join(why)}: only mode 'observe' works"
    return Probe(level=Level.WARNING, message=message, remedy=GATE_NEEDS)


def _lack(library: Libbpf, loader: Loader, hold: Hold) -> OSError | Unavailable | None:
    """Why the kernel does not take such programs: when they are loaded, or only when they are attached."""
    try:
        programs = Programs(library, loader, hold=hold, table_size=PROBE_TABLE)
        try:
            try_one(programs, hold)
        finally:
            programs.close()
    except (OSError, Unavailable) as error:
        return error
    return None


def _words(error: OSError | Unavailable) -> str:
    return str(error.strerror if isinstance(error, OSError) else error)
