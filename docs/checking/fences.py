# SPDX-License-Identifier: Apache-2.0
"""Fenced blocks say their language, so that readers' programs show them as what they are."""

from __future__ import annotations

from collections.abc import Iterator

from checking.fault import Fault
from checking.page import Page
from checking.repository import Repository


def faults(page: Page, repository: Repository) -> Iterator[Fault]:
    """Each fence without a language."""
    for block in page.blocks:
        if not block.language:
            message = "a fenced block without a language: 'text' will do"
            yield Fault(page=repository.name(page.path), line=block.line, message=message)
