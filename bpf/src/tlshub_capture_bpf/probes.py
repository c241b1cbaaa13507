# SPDX-License-Identifier: Apache-2.0
"""Places of programs at the kernel's functions that need no trampoline: kprobes, by perf_event_open(2)."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from ctypes import c_uint32, c_uint64
from pathlib import Path

BEGINS, RETURNS = "kprobe/", "kretprobe/"
PERF_EVENT = 41  # enum bpf_attach_type of <linux/bpf.h>
_SOURCE = Path("/sys/bus/event_source/devices/kprobe")
_CALLS = {"x86_64": 298, "aarch64": 241}  # perf_event_open
_ALL_PROCESSES, _ANY_PROCESSOR, _NO_GROUP, _CLOSED_BY_EXEC = -1, 0, -1, 8
_libc = ctypes.CDLL(None, use_errno=True)


class _Attributes(ctypes.Structure):
    """struct perf_event_attr of <linux/perf_event.h>, as far as kprobes need it."""

    _fields_ = (
        ("type", c_uint32),
        ("size", c_uint32),
        ("config", c_uint64),
        ("sample_period", c_uint64),
        ("sample_type", c_uint64),
        ("read_format", c_uint64),
        ("flags", c_uint64),
        ("wakeup_events", c_uint32),
        ("bp_type", c_uint32),
        ("function", ctypes.c_char_p),
        ("offset", c_uint64),
    )


def is_probe(place: str) -> bool:
    """Whether a program of this section belongs to a kprobe, at a function's beginning or its return."""
    return place.startswith((BEGINS, RETURNS))


def opened(place: str) -> int:
    """A descriptor of the event; raises OSError, FileNotFoundError where there is no such function."""
    if not _SOURCE.exists():
        raise OSError(errno.ENODEV, "the kernel has no kprobes (CONFIG_KPROBE_EVENTS)")
    kind, function = int((_SOURCE / "type").read_text()), place.partition("/")[2].encode()
    bit = int((_SOURCE / "format/retprobe").read_text().rpartition(":")[2])
    wanted = _Attributes(type=kind, size=ctypes.sizeof(_Attributes), function=function)
    wanted.config = 1 << bit if place.startswith(RETURNS) else 0
    number = _CALLS.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"kprobes are not known on '{platform.machine()}'")
    whose = (_ALL_PROCESSES, _ANY_PROCESSOR, _NO_GROUP, _CLOSED_BY_EXEC)
    fd = int(_libc.syscall(number, ctypes.byref(wanted), *whose))
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"'{place}': {os.strerror(code)}")
    return fd
