# SPDX-License-Identifier: Apache-2.0
"""Where a sink writes: standard output or a file, unbuffered, so that a batch that was written is there."""

from __future__ import annotations

import os
from pathlib import Path

from tlshub_core.unfinished import unfinished

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_STDOUT = 1


class Output:
    """Whole lines to a file (made with mode 0640, never truncated), or to standard output where `path` is None.

    A file that was renamed or removed, as log rotation does, is opened anew with the next batch. Each begins with
    `heading`: one that is empty, or was cut off in it, gets it; one that begins otherwise is not written to.
    """

    def __init__(self, path: Path | None, heading: bytes = b"") -> None:
        self._path, self._heading = path, heading
        self._fd = -1
        self._torn = False

    def open(self) -> None:
        """Open, if it is not open; raises OSError, and ValueError where the file begins otherwise than it should."""
        if self._fd >= 0:
            return
        self._fd = os.open(self._path, _FLAGS, 0o640) if self._path else _STDOUT
        try:
            self._put(self._heading[self._has_of_heading() :])
            if self._path:
                self._torn = unfinished(self._fd)
        except (OSError, ValueError):
            self.close()
            raise

    def write(self, data: bytes) -> None:
        """Write all of it; raises OSError, and then the next write begins on a new line."""
        if self._moved():
            self.close()
        self.open()
        self._torn, torn = bool(data), self._torn
        self._put(b"\n" + data if torn else data)
        self._torn = False

    def close(self) -> None:
        """Close the file, if it is open; standard output stays open."""
        fd, self._fd = self._fd, -1
        if fd > _STDOUT:
            os.close(fd)

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def _has_of_heading(self) -> int:
        if not self._heading or self._path is None or not os.fstat(self._fd).st_size:
            return 0
        with self._path.open("rb") as file:
            found = file.read(len(self._heading))
        if not self._heading.startswith(found):
            raise ValueError(f"'{self._path}' does not begin as this release writes it: rename or remove it")
        return len(found)

    def _moved(self) -> bool:
        if self._path is None or self._fd < 0:
            return False
        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(self._fd))
        except FileNotFoundError:
            return True
