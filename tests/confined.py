# SPDX-License-Identifier: Apache-2.0
"""confined.py COMMAND...: runs a command with what the systemd unit leaves it of capabilities and system calls.

For where systemd is not process 1. Of the unit's other restrictions none is applied here.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tlshub_core import privileges

UNIT = Path(__file__).parents[1] / "deploy/systemd/tlshub-capture.service"
ALLOW, REFUSE = 0x7FFF0000, 0x00050001  # SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM)


def values(key: str) -> list[list[str]]:
    """The words of an option, line by line."""
    lines: list[str] = re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)
    return [line.split() for line in lines]


def bounding() -> set[str]:
    """Capabilities by their names, without 'CAP_'."""
    return {word.removeprefix("CAP_") for line in values("CapabilityBoundingSet") for word in line}


def calls() -> set[str]:
    """The system calls that are left; raises FileNotFoundError where systemd-analyze is not installed."""
    sets, allowed = _sets(), set[str]()
    for line in values("SystemCallFilter"):
        named = {call for word in line for call in _expanded(word.removeprefix("~"), sets)}
        allowed = allowed - named if line[0].startswith("~") else allowed | named
    return allowed


def _sets() -> dict[str, list[str]]:
    """What systemd calls by one name."""
    command = ["systemd-analyze", "--no-pager", "syscall-filter"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found, name = dict[str, list[str]](), ""
    for line in said.splitlines():
        if line.startswith("@"):
            name = line.strip()
            found[name] = []
        elif line.startswith(" ") and not line.strip().startswith("#"):
            found[name].append(line.strip())
    return found


def _expanded(word: str, sets: Mapping[str, Sequence[str]]) -> Iterator[str]:
    if not word.startswith("@"):
        yield word
    for inner in sets.get(word, ()):
        yield from _expanded(inner, sets)


def confine() -> None:
    """From here on; raises OSError where libseccomp is not installed, or the kernel does not let us."""
    allowed = calls()
    privileges.drop([privileges.Capability[name] for name in bounding()])
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(REFUSE)))
    for name in sorted(allowed):
        if (number := seccomp.seccomp_syscall_resolve_name(name.encode())) >= 0:  # those of this architecture
            _check(seccomp.seccomp_rule_add_array(context, ctypes.c_uint32(ALLOW), number, 0, None), name)
    _check(seccomp.seccomp_load(context), "seccomp_load")


def _check(result: int, what: str) -> None:
    if result < 0:
        raise OSError(-result, f"{what}: {os.strerror(-result)}")


if __name__ == "__main__":
    confine()
    os.execvp(sys.argv[1], sys.argv[1:])
