# SPDX-License-Identifier: Apache-2.0
"""What tcpdump says of itself, on SIGUSR1 and when it ends; its words are kept in a file beside the capture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_SAYS = re.compile(
    r"(\d+) packets? captured,?\s+(\d+) packets? received by filter,?\s+(\d+) packets? dropped by kernel"
    r"(?:,?\s+(\d+) packets? dropped by interface)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Packets written to the file, seen by the kernel's filter, and dropped by the kernel or the interface."""

    captured: int
    received: int
    dropped: int


def words_of(pcap: Path) -> Path:
    """The file with what tcpdump said while it wrote that capture."""
    return pcap.with_name(pcap.name + ".log")


def statistics(pcap: Path) -> list[Statistics]:
    """All that was said about the capture, the last at the end; empty where nobody noted it."""
    try:
        words = words_of(pcap).read_text()
    except FileNotFoundError:
        return []
    found = [tuple(map(int, match.groups(default="0"))) for match in _SAYS.finditer(words)]
    return [Statistics(captured=c, received=r, dropped=k + i) for c, r, k, i in found]
