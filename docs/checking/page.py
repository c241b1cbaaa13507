# SPDX-License-Identifier: Apache-2.0
"""A Markdown page as the checks see it: headings with their anchors, blocks of code, spans of code, links, tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

INDENTED = "(indented)"
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of code: its language as the fence says it ('' for none), or INDENTED."""

    line: int
    language: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something within a line: code, or where a link or picture leads; `section` counts the headings before it."""

    line: int
    section: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading, and the anchor that GitHub gives it."""

    line: int
    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One file, read. Lines count from 1."""

    path: Path
    text: str
    headings: tuple[Heading, ...]
    blocks: tuple[Block, ...]
    codes: tuple[Span, ...]
    links: tuple[Span, ...]
    tables: tuple[tuple[int, int], ...]
    """Columns and rows of each table."""
    items: int
    """Items of lists."""


def slug(text: str) -> str:
    """The anchor of a heading, as GitHub makes it: letters of any script stay, punctuation goes, blanks are hyphens."""
    return _NOT_IN_ANCHORS.sub("", text.strip().lower()).replace(" ", "-")


def read(path: Path) -> Page:
    """The page in that file."""
    return parse(path, path.read_text())


def parse(path: Path, text: str) -> Page:
    """The page of that text, which would lie at `path`."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    spans = list(_spans(tokens))
    return Page(
        path=path,
        text=text,
        headings=tuple(_headings(tokens)),
        blocks=tuple(_blocks(tokens)),
        codes=tuple(Span(line=line, section=at, text=one.content) for line, at, one in spans if _is_code(one)),
        links=tuple(Span(line=line, section=at, text=where) for line, at, one in spans if (where := _target(one))),
        tables=tuple(_tables(tokens)),
        items=sum(token.type == "list_item_open" for token in tokens),
    )


def _headings(tokens: Sequence[Token]) -> Iterator[Heading]:
    seen: Counter[str] = Counter()
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            anchor = slug(text)
            again = f"-{seen[anchor]}" if seen[anchor] else ""
            seen[anchor] += 1
            yield Heading(line=_line(opening), level=int(opening.tag[1:]), text=text, anchor=anchor + again)


def _blocks(tokens: Sequence[Token]) -> Iterator[Block]:
    for token in tokens:
        if token.type == "fence":
            yield Block(line=_line(token), language=token.info.strip(), text=token.content)
        elif token.type == "code_block":
            yield Block(line=_line(token), language=INDENTED, text=token.content)


def _spans(tokens: Sequence[Token]) -> Iterator[tuple[int, int, Token]]:
    line = section = 0
    for token in tokens:
        line = _line(token) if token.map else line
        section += token.type == "heading_open"
        for child in token.children or ():
            yield line, section, child
            line += child.type in ("softbreak", "hardbreak")


def _is_code(token: Token) -> bool:
    return token.type == "code_inline"


def _target(token: Token) -> str:
    return str(token.attrGet({"link_open": "href", "image": "src"}.get(token.type, "")) or "")


def _tables(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    columns = rows = 0
    for token in tokens:
        columns += token.type == "th_open"
        rows += token.type == "tr_open"
        if token.type == "table_close":
            yield columns, rows
            columns = rows = 0


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 0
