# SPDX-License-Identifier: Apache-2.0
"""Whether this machine can load the programs, and whether its kernel takes the gate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tlshub_capture_bpf import btf
from tlshub_capture_bpf.holding import WEAKER, lacks, try_one
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.loading import Loader
from tlshub_capture_bpf.objects import ObjectLoader
from tlshub_capture_bpf.programs import Hold, Programs
from tlshub_core.api import Holds, Level, Probe, TlshubError, Unavailable, Unsupported
from tlshub_core.namespaces import sees_all_processes

PROBE_TABLE = 16
NOT_TAKEN = {Hold.GATE: "the kernel does not take the gate", Hold.STOP: "it lets no process be stopped"}
GATE_NEEDS = "the gate needs a kernel with CONFIG_TLS, BPF trampolines and BTF"
STOP_NEEDS = "hold 'stop' needs a kernel with CONFIG_TLS and CONFIG_KPROBE_EVENTS"
RIGHTS = "ask as root, or with CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"


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
    why = list[str]()
    for one in [hold] if hold else Hold:
        error = _failure(library, loader, one)
        if error is None:
            return _taken(one, version, why, asked=hold is one)
        if isinstance(error, Unavailable) or not lacks(error):
            return _cannot_tell(version, error)
        why.append(f"{NOT_TAKEN[one]} ({_words(error)})")
    message = f"{version}; {', and '.join(why)}: only mode 'observe' works"
    remedy = STOP_NEEDS if hold is Hold.STOP else GATE_NEEDS
    return Probe(level=Level.WARNING, message=message, remedy=remedy, holds=Holds.NOT)


def _taken(one: Hold, version: str, why: Sequence[str], *, asked: bool) -> Probe:
    if one is Hold.GATE:
        return Probe(level=Level.OK, message=f"{version}; the kernel takes the gate")
    message, holds = "; ".join([version, *why, WEAKER]), Holds.WELL if asked else Holds.WEAKLY
    return Probe(level=Level.WARNING, message=message, remedy=GATE_NEEDS, holds=holds)


def _cannot_tell(version: str, error: OSError | TlshubError) -> Probe:
    """It may be another one's fault, or this user's: who starts then is told the same."""
    remedy = (
        RIGHTS
        if isinstance(error, PermissionError)
        else "mend that and ask again: with rules that hold, no agent starts until then"
    )
    message = f"{version}; whether connections can be held cannot be told ({_words(error)})"
    return Probe(level=Level.WARNING, message=message, remedy=remedy, holds=Holds.WEAKLY)


def _failure(library: Libbpf, loader: Loader, hold: Hold) -> OSError | Unsupported | Unavailable | None:
    """Why such programs are not to be had: when they are loaded, when they are attached, or when they hold."""
    try:
        programs = Programs(library, loader, hold=hold, table_size=PROBE_TABLE)
        try:
            try_one(programs, hold)
        finally:
            programs.close()
    except (OSError, Unsupported, Unavailable) as error:
        return error
    return None


def _words(error: OSError | TlshubError) -> str:
    return str(error.strerror if isinstance(error, OSError) else error)
