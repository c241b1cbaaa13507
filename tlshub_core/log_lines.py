# SPDX-License-Identifier: Apache-2.0
"""The agent's own log: a line per message, whatever a process is called, a peer says or a plugin raises."""

from __future__ import annotations

import logging
from types import TracebackType

from tlshub_core.events.human import printable

FORM = "%(levelname)s %(name)s: %(message)s"
_TRACE = "  | "
_Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Formatter(logging.Formatter):
    """What a terminal or a reader of lines would obey is shown as escapes; lines of a trace begin with a bar.

    Messages quote what strangers chose: none of it may pass for a line of the agent's.
    """

    def __init__(self) -> None:
        super().__init__(FORM)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """The line without its trace."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: _Raised) -> str:  # noqa: N802 - the library's name
        """The trace, of which only the exception's own words are a stranger's, though on any number of lines."""
        return "\n".join(_TRACE + printable(line) for line in super().formatException(ei).split("\n"))


def log_to_stderr(level: str) -> None:
    """From now on, messages of that level or above."""
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter())
    logging.basicConfig(level=level, handlers=[handler])
