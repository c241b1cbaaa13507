# SPDX-License-Identifier: Apache-2.0
"""What a process is about."""

from __future__ import annotations

from pathlib import Path


def state_of(pid: int) -> str:
    """In the letters of /proc/PID/stat: 'T' is stopped, 'Z' a zombie. Raises OSError where it is not there."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
