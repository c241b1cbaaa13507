# SPDX-License-Identifier: Apache-2.0
"""A translation that says something else than its original is found; comments and prose may differ."""

from __future__ import annotations

import pytest
from checking.page import parse
from checking.repository import ROOT, Repository, here
from checking.translations import TRANSLATIONS, differences

ENGLISH = """\
# Title

Text with `code` and a [link](docs/limits.md#while-no-agent-runs).

## Part

```sh
tlshub-capture doctor    # what is lacking
```

| a | b |
|---|---|
| 1 | 2 |
"""
CHINESE = """\
# 标题

带有 `code` 的文字与[链接](docs/limits.md#其他)。

## 部分

```sh
tlshub-capture doctor    # 缺少什么
```

| 甲 | 乙 |
|---|---|
| 1 | 2 |
"""


def found(text: str) -> list[tuple[int, str]]:
    repository = Repository(ROOT, frozenset())
    pages = [parse(ROOT / name, words) for name, words in (("README.md", ENGLISH), ("README.zh-CN.md", text))]
    return list(differences(*pages, repository))


def test_one_that_corresponds_has_no_difference() -> None:
    assert found(CHINESE) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("## 部分", "### 部分", 1, "headings are # ###, and # ##"),
        ("tlshub-capture doctor ", "tlshub-capture check ", 7, "another block of code than that of line 7"),
        ("```sh", "```text", 7, "another block of code"),
        ("`code`", "`cod`", 1, "names in backticks differ: without ['code'], and with ['cod']"),
        ("docs/limits.md", "docs/lab.md", 1, "links differ: without ['docs/limits.md'], and with ['docs/lab.md']"),
        ("| 1 | 2 |", "", 1, "tables have (columns, rows) [(2, 1)], and [(2, 2)]"),
    ],
)
def test_a_difference_is_found(old: str, new: str, line: int, message: str) -> None:
    assert CHINESE.count(old) == 1
    ((at, what),) = found(CHINESE.replace(old, new))
    assert at in (line, 1) and message in what


def test_every_translation_and_its_original_are_there() -> None:
    assert {*TRANSLATIONS, *TRANSLATIONS.values()} <= here().files
