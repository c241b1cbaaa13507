# SPDX-License-Identifier: Apache-2.0
"""The agent's log: whatever a stranger chose, a message is one line, and what a terminal obeys is not in it."""

from __future__ import annotations

import logging
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from tlshub_core.log_lines import Formatter

FORGED = "x\nERROR tlshub.agent: forged\r\x1b[2J\u202e\x9b31m\0\ud8ff"


def logged(text: str, error: BaseException | None = None) -> list[str]:
    raised = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("tlshub.x", logging.WARNING, __file__, 1, "process '%s' is odd", (text,), raised)
    return Formatter().format(record).split("\n")


def test_a_line_cannot_be_forged() -> None:
    (line,) = logged(FORGED)
    escaped = r"x\nERROR tlshub.agent: forged\r\x1b[2J\u202e\x9b31m\x00\ud8ff"
    assert line == f"WARNING tlshub.x: process '{escaped}' is odd"


@given(st.text())
def test_whatever_it_is_it_is_one_line_and_can_be_written(text: str) -> None:
    (line,) = logged(text)
    assert line.isprintable() and line.encode(sys.stderr.encoding or "ascii", "strict")


def test_what_an_exception_says_cannot_be_taken_for_a_line_of_the_log() -> None:
    try:
        raise ValueError(FORGED)
    except ValueError as error:
        first, *trace = logged("a", error)
    assert first == "WARNING tlshub.x: process 'a' is odd"
    assert trace[0] == "  | Traceback (most recent call last):" and "ERROR tlshub.agent: forged" in "".join(trace)
    assert all(line.startswith("  | ") and line.isprintable() for line in trace)


def test_the_level_is_obeyed() -> None:
    code = (
        "import logging; from tlshub_core.log_lines import log_to_stderr; log_to_stderr('WARNING');"
        "log = logging.getLogger('tlshub.x'); log.info('no'); log.warning('a%sb', chr(27))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "WARNING tlshub.x: a\\x1bb\n")
