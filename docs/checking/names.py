# SPDX-License-Identifier: Apache-2.0
"""Files that are named in backticks are there, under that path, or one that ends so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch

from checking.fault import Fault
from checking.page import Page
from checking.repository import Repository

_PATH = re.compile(r"[\w.*-]+(/[\w.*-]+)*/?")
_PLACEHOLDER = re.compile(r"(^|/)[A-Z_]+(/|$)")
_SOURCE = re.compile(r".+\.(py|bpf\.[ch])")


def faults(page: Page, repository: Repository) -> Iterator[Fault]:
    """Each name of a file that is neither in the repository nor a file that the page itself writes."""
    for code in page.codes:
        name = code.text.rstrip("/")
        if _means_a_file(code.text, repository) and not _is_there(name, repository) and not _is_written(name, page):
            message = f"'{code.text}' looks like a file of the repository, and there is none"
            yield Fault(page=repository.name(page.path), line=code.line, message=message)


def _means_a_file(text: str, repository: Repository) -> bool:
    if not _PATH.fullmatch(text):
        return False
    first, slash, _ = text.partition("/")
    if _PLACEHOLDER.search(text):
        return False
    return bool(_SOURCE.fullmatch(text)) or (bool(slash) and first in repository.folders)


def _is_there(name: str, repository: Repository) -> bool:
    if "*" in name:
        return any(fnmatch(ending, name) for ending in repository.endings)
    return name in repository.endings or name in repository.folders


def _is_written(name: str, page: Page) -> bool:
    """Pages that make a package have the reader write its files: '`src/x.py`:' and then the block of code."""
    return bool(re.search(rf"`{re.escape(name)}`[^`\n]*:\n\n```", page.text))
