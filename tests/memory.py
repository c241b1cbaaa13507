# SPDX-License-Identifier: Apache-2.0
"""What a process has in its memory, as /proc/PID shows it to root; see proc(5)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A private writable one: its first line in 'smaps', its addresses, and its fields."""

    line: str
    begin: int
    end: int
    fields: dict[str, str]


def writable(pid: int) -> list[Mapping]:
    """Those that may hold what the process made; raises OSError."""
    found: list[Mapping] = []
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        key, _, value = line.partition(":")
        if "-" in key and " " in key:
            begin, _, end = key.split()[0].partition("-")
            found.append(Mapping(line=line, begin=int(begin, 16), end=int(end, 16), fields={}))
        else:
            found[-1].fields[key] = value.strip()
    return [one for one in found if one.line.split()[1] == "rw-p"]


def unlocked(pid: int) -> list[str]:
    """Those that the kernel may write to the swap, or has."""
    mappings = writable(pid)
    assert len(mappings) > 20, mappings
    return [one.line for one in mappings if "lo" not in one.fields["VmFlags"].split() or one.fields["Swap"] != "0 kB"]


def holding(pid: int, wanted: Iterable[bytes]) -> Iterator[bytes]:
    """Those of the wanted bytes that are in its memory somewhere; raises OSError."""
    left = set(wanted)
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for one in writable(pid):
            try:
                content = os.pread(memory.fileno(), one.end - one.begin, one.begin)
            except OSError:  # what is only reserved, or has gone since
                continue
            found = {secret for secret in left if secret in content}
            left -= found
            yield from found
