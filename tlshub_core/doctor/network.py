# SPDX-License-Identifier: Apache-2.0
"""Settings of TCP that matter to captured connections."""

from __future__ import annotations

from pathlib import Path

from tlshub_core.doctor.check import Check, checked, ok, text, warning
from tlshub_core.types.interfaces import Probe

_WITHOUT_COOKIE = 0x4 | 0x200  # tcp(7), ip-sysctl: data in the SYN without a cookie, either side
_EVERY_LISTENER = 0x400


def checks(root: Path) -> list[Check]:
    """All of this file."""
    return [checked("network", "fast-open", fast_open, root)]


def fast_open(root: Path) -> Probe:
    """Fast Open sends data in the SYN; the programs refuse it, which is cheapest where nobody tries."""
    value = (text(root, "proc/sys/net/ipv4/tcp_fastopen") or "").strip()
    if not value.isdecimal():
        return warning("cannot tell: 'net.ipv4.tcp_fastopen' cannot be read")
    if int(value) & (_WITHOUT_COOKIE | _EVERY_LISTENER):
        message = f"'net.ipv4.tcp_fastopen' is {value}: every socket uses it, and on captured ones the data goes twice"
        return warning(message, "sysctl net.ipv4.tcp_fastopen=1")
    return ok(f"'net.ipv4.tcp_fastopen' is {value}; captured connections fall back to an ordinary handshake")
