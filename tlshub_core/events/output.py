# SPDX-License-Identifier: Apache-2.0
"""Where a sink writes: standard output or a file, unbuffered, so that a batch that was written is there."""

from __future__ import annotations

import os
from pathlib import Path

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_STDOUT = 1


class Output:
    """Whole lines to a file (made with mode 0640, never truncated), or to standard output where `path` is None.

    A file that was renamed or removed, as log rotation does, is opened anew with the next batch.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._fd = -1
        self._torn = False

    def open(self) -> None:
        """Open, if it is not open; raises OSError."""
        if self._fd < 0:
            self._fd = os.open(self._path, _FLAGS, 0o640) if self._path else _STDOUT

    def write(self, data: bytes) -> None:
        """Write all of it; raises OSError, and then the next write begins on a new line."""
        if self._moved():
            self.close()
        self.open()
        rest = memoryview(b"\n" + data if self._torn else data)
        self._torn = bool(rest)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        self._torn = False

    def close(self) -> None:
        """Close the file, if it is open; standard output stays open."""
        fd, self._fd = self._fd, -1
        if fd > _STDOUT:
            os.close(fd)

    def _moved(self) -> bool:
        if self._path is None or self._fd < 0:
            return False
        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(self._fd))
        except FileNotFoundError:
            return True
