# SPDX-License-Identifier: Apache-2.0
"""What a writer that was killed leaves: half a line, which the next one must not go on with."""

from __future__ import annotations

import os
from stat import S_ISREG


def unfinished(fd: int) -> bool:
    """Whether a file that is open, for writing too, ends within a line; False where it cannot be read. Raises OSError.

    A signal that kills ends a write(2) between two pages (mm/filemap.c, generic_perform_write).
    """
    status = os.fstat(fd)
    if not S_ISREG(status.st_mode) or not status.st_size:
        return False
    try:
        reader = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return False
    try:
        return os.pread(reader, 1, status.st_size - 1) != b"\n"
    finally:
        os.close(reader)
