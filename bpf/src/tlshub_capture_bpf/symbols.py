# SPDX-License-Identifier: Apache-2.0
"""Addresses of the kernel's own symbols."""

from __future__ import annotations

from pathlib import Path

from tlshub_core.api import Unavailable

KALLSYMS = Path("/proc/kallsyms")


def address_of(name: str, *, optional: bool, listed: Path = KALLSYMS) -> int:
    """Of one symbol, 0 where it is `optional` and not there; raises Unavailable, OSError."""
    text = listed.read_bytes()
    at = text.find(f" {name}\n".encode())
    if at < 0:
        at = text.find(f" {name}\t".encode())  # in a module
    found = int(text[text.rfind(b"\n", 0, at) + 1 : at].split()[0], 16) if at >= 0 else 0
    if not found and not optional:
        raise Unavailable(
            f"'{listed}' does not tell where the kernel's '{name}' is: "
            "it does to who has CAP_SYSLOG, with 'kernel.kptr_restrict' at 1 or 0"
        )
    return found
