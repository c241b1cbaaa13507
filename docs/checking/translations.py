# SPDX-License-Identifier: Apache-2.0
"""A page and its translation say the same: headings, blocks of code, names, links and tables correspond."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from checking.fault import Fault
from checking.links import target
from checking.page import Page
from checking.repository import Repository

TRANSLATIONS = {"README.zh-CN.md": "README.md", "docs/zh-CN/guide.md": "docs/guide.md"}
_COMMENT = re.compile(r"(^|\s)#.*")


def faults(page: Page, repository: Repository) -> Iterator[Fault]:
    """Each place where a translation differs from what it translates."""
    name = repository.name(page.path)
    if name in TRANSLATIONS:
        (original,) = [one for one in repository.pages if repository.name(one.path) == TRANSLATIONS[name]]
        for line, message in differences(original, page, repository):
            yield Fault(page=name, line=line, message=f"{message} (in '{TRANSLATIONS[name]}')")


def differences(original: Page, other: Page, repository: Repository) -> Iterator[tuple[int, str]]:
    """Lines of `other` and what is different there; prose is nobody's to compare."""
    levels = [[heading.level for heading in page.headings] for page in (original, other)]
    if levels[0] != levels[1]:
        yield 1, f"headings are {_outline(levels[1])}, and {_outline(levels[0])}"
        return
    if original.tables != other.tables:
        yield 1, f"tables have (columns, rows) {list(other.tables)}, and {list(original.tables)}"
    yield from _blocks(original, other)
    for section in range(len(other.headings) + 1):
        line = other.headings[section - 1].line if section else 1
        yield from _spans(line, "names in backticks", _codes(original, section), _codes(other, section))
        links = [_links(page, section, repository) for page in (original, other)]
        yield from _spans(line, "links", *links)


def _blocks(original: Page, other: Page) -> Iterator[tuple[int, str]]:
    if len(original.blocks) != len(other.blocks):
        yield 1, f"{len(other.blocks)} blocks of code, and {len(original.blocks)}"
        return
    for ours, theirs in zip(original.blocks, other.blocks, strict=True):
        if (ours.language, _bare(ours.text)) != (theirs.language, _bare(theirs.text)):
            yield theirs.line, f"another block of code than that of line {ours.line}"


def _spans(line: int, what: str, ours: Counter[str], theirs: Counter[str]) -> Iterator[tuple[int, str]]:
    if ours.keys() != theirs.keys():
        missing, more = sorted(ours.keys() - theirs.keys()), sorted(theirs.keys() - ours.keys())
        yield line, f"{what} differ: without {missing}, and with {more}"


def _codes(page: Page, section: int) -> Counter[str]:
    return Counter(code.text for code in page.codes if code.section == section)


def _links(page: Page, section: int, repository: Repository) -> Counter[str]:
    """Where links lead, without anchors, which are translated; a translated page stands for its original."""
    found = [link.text for link in page.links if link.section == section]
    places = [link if "://" in link else target(page, link, repository) for link in found]
    return Counter(TRANSLATIONS.get(place, place) for place in places if not _leads_across(page, place, repository))


def _leads_across(page: Page, place: str, repository: Repository) -> bool:
    """Whether it is the link from a page to its own translation, or back."""
    here = repository.name(page.path)
    return place in (TRANSLATIONS.get(here), *(name for name, of in TRANSLATIONS.items() if of == here))


def _bare(text: str) -> list[str]:
    """A block's lines without comments, which are translated."""
    return [line for raw in text.splitlines() if (line := " ".join(_COMMENT.sub("", raw).split()))]


def _outline(levels: Sequence[int]) -> str:
    return " ".join("#" * level for level in levels)
