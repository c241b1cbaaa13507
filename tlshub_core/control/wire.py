# SPDX-License-Identifier: Apache-2.0
"""The lines of an answer: one JSON object each, with one key.

Any number of '{"rows": [...]}' for a long table, then '{"answer": {...}}', with the fields of the command's answer, or
'{"error": {...}}', with those of `Failure`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tlshub_core.control.shape import dumps, loads
from tlshub_core.types.errors import ConfigError, TlshubError

LIMIT = 1 << 20  # bytes of a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a command was not carried out; what is wrong in a configuration file has its place."""

    message: str
    file: str = ""
    table: str = ""
    key: str = ""

    @classmethod
    def of(cls, error: TlshubError) -> Failure:
        """What an error says."""
        if isinstance(error, ConfigError):
            return cls(message=str(error), file=error.file, table=error.table, key=error.key)
        return cls(message=str(error))


def line(kind: str, value: object) -> bytes:
    """The line that says so."""
    return dumps({kind: value}).encode() + b"\n"


def parse(data: bytes) -> tuple[str, object]:
    """What a line is, and its value; raises ValueError."""
    found = loads(data)
    if not isinstance(found, dict) or len(found) != 1:
        raise ValueError("a line of it is not one of 'rows', 'answer' and 'error'")
    return next(iter(found.items()))
