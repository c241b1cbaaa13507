# SPDX-License-Identifier: Apache-2.0
"""Quantities and foreign text as people read them."""

from __future__ import annotations


def duration(ns: int) -> str:
    """Nanoseconds in the unit that fits: '850 us', '1.2 ms', '3.4 s', '2 min 5 s', '3 h 20 min'."""
    if ns < 1_000_000:
        return f"{ns // 1000} us"
    if ns < 999_950_000:
        return f"{ns / 1e6:.1f} ms"
    if ns < 59_950_000_000:
        return f"{ns / 1e9:.1f} s"
    seconds = round(ns / 1e9)
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def size(count: int) -> str:
    """Bytes in the unit that fits, powers of 1000: '512 bytes', '1.2 kB', '3.4 MB'."""
    if count < 1000:
        return f"{count} byte{'' if count == 1 else 's'}"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} TB"


def printable(text: str) -> str:
    """The text with what a terminal or a reader of lines would obey (controls, line ends) shown as escapes.

    A process chooses its own name, and a peer its words: neither may write lines of its own into a log.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
