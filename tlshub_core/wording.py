# SPDX-License-Identifier: Apache-2.0
"""Small helpers for messages to people."""

from __future__ import annotations

import traceback
from collections.abc import Iterable


def quoted(names: Iterable[str]) -> str:
    """Names in single quotes, separated by commas; 'none' where there are none."""
    return ", ".join(f"'{name}'" for name in names) or "none"


def suggestion(word: str, choices: Iterable[str]) -> str:
    """The end of a message about an unknown word: the nearest known one, or all of them, or nothing."""
    from difflib import get_close_matches  # only errors come here

    known = list(choices)
    if near := get_close_matches(word, known, n=1):
        return f", did you mean '{near[0]}'?"
    return f", known are {quoted(known)}" if known else ""


def lowered(text: str) -> str:
    """The text with a small first letter, unless it starts with an abbreviation."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def raised(error: BaseException) -> str:
    """What foreign code raised and where, without the exception's own words, in which there may be a key."""
    where = traceback.extract_tb(error.__traceback__, limit=-1)[0]
    return f"{type(error).__name__} at '{where.filename}', line {where.lineno}"
