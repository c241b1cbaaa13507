# SPDX-License-Identifier: Apache-2.0
"""The kernel: its release, BTF, trampolines for fmod_ret programs, lockdown, pidfd_getfd."""

from __future__ import annotations

import ctypes
import errno
import os
import re
from pathlib import Path

from tlshub_core.doctor.check import Check, checked, failed, ok, text, warning
from tlshub_core.types.interfaces import Level, Probe

TESTED = (6, 1)
OLDEST = (5, 17)  # the first with bpf_loop, which programs of either backend call (bpf/tests/test_bpf_oldest.py)

_PIDFD_GETFD = 438  # asm-generic/unistd.h, the same number on all architectures but alpha
_PROBES = " register_kprobe\n"
_WEAKER = "only the weaker hold can be had, which stops processes"
_SYMBOLS = ("bpf_trampoline_link_prog", "security_socket_sendmsg")


def checks(root: Path) -> list[Check]:
    """All of this file."""
    return [
        checked("kernel", "release", release, os.uname().release),
        checked("kernel", "btf", btf, root),
        checked("kernel", "trampolines", trampolines, root),
        checked("kernel", "lockdown", lockdown, root),
        checked("kernel", "pidfd_getfd", pidfd_getfd),
    ]


def release(name: str) -> Probe:
    """Whether this release is tested, and not too old."""
    numbers = re.match(r"(\d+)\.(\d+)", name)
    if not numbers:
        return warning(f"cannot tell from the release '{name}'")
    found = (int(numbers[1]), int(numbers[2]))
    if found < OLDEST:
        return failed(f"'{name}' is older than 5.17, and has not what the programs call", "boot a kernel 6.1 or newer")
    if found < TESTED:
        return warning(f"'{name}' is older than 6.1, the oldest that is tested", "boot a kernel 6.1 or newer")
    return ok(f"'{name}'")


def btf(root: Path) -> Probe:
    """Whether the kernel describes its own types; fmod_ret programs cannot be loaded without."""
    if (root / "sys/kernel/btf/vmlinux").exists():
        return ok("the kernel describes its types")
    message, remedy = "'/sys/kernel/btf/vmlinux' is missing", "boot a kernel with CONFIG_DEBUG_INFO_BTF=y"
    if _PROBES not in (text(root, "proc/kallsyms") or ""):
        return failed(message, remedy)
    return warning(f"{message}: {_WEAKER}, by programs that are compiled on this node", remedy)


def trampolines(root: Path) -> Probe:
    """Hints in the kernel's symbols that fmod_ret programs can be attached; only loading one would prove it."""
    symbols = text(root, "proc/kallsyms")
    if not symbols:
        return warning("cannot tell as this user: '/proc/kallsyms' cannot be read", "run this as root")
    found = _lack(symbols)
    if found.level is not Level.FAILED or _PROBES not in symbols:
        return found
    return warning(f"{found.message}: {_WEAKER}", found.remedy)


def _lack(symbols: str) -> Probe:
    missing = [name for name in _SYMBOLS if f" {name}\n" not in symbols]
    if missing:
        remedy = "boot a kernel with CONFIG_BPF_JIT=y and CONFIG_SECURITY_NETWORK=y"
        return failed(f"the kernel has no '{missing[0]}'", remedy)
    if " register_ftrace_direct\n" not in symbols:
        return failed("programs cannot be attached to functions", "boot a kernel with CONFIG_FUNCTION_TRACER=y")
    return ok("the kernel has what they need")


def lockdown(root: Path) -> Probe:
    """Whether lockdown forbids helpers: integrity bpf_probe_write_user, confidentiality also reading the kernel."""
    state = text(root, "sys/kernel/security/lockdown")
    if state is None:
        if (root / "sys/kernel/security").is_dir() and any((root / "sys/kernel/security").iterdir()):
            return ok("not part of this kernel")
        return warning("cannot tell: '/sys/kernel/security' is not mounted or cannot be read")
    if "[confidentiality]" in state:
        return failed("'confidentiality' forbids programs to read the kernel", "boot with lockdown=none")
    if "[integrity]" in state:
        message = "'integrity' forbids bpf_probe_write_user: FIONREAD on secured sockets counts encrypted bytes"
        return warning(message, "boot with lockdown=none, where an application (such as nginx) believes FIONREAD")
    return ok("off")


def pidfd_getfd() -> Probe:
    """Whether the call exists: with no process at all it has to complain about that, not about itself."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(ctypes.c_long(_PIDFD_GETFD), ctypes.c_long(-1), ctypes.c_long(0), ctypes.c_long(0))
    found = ctypes.get_errno()
    if found == errno.EBADF:
        return ok("the kernel has it")
    if found == errno.ENOSYS:
        return failed("the kernel does not have it", "boot a kernel 6.1 or newer, or allow it in the container")
    return warning(f"cannot tell as this user: it says '{os.strerror(found)}'", "allow it in the container's seccomp")
