# SPDX-License-Identifier: Apache-2.0
"""Every page holds what it says; and what is wrong with one is found, each kind of fault by a page that has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from check import CHECKS, faults
from checking import commands, configurations, fences, links, names
from checking.page import parse, slug
from checking.repository import ROOT, Repository, here

GOOD = """\
# A page

See [below](#a-second--heading), [this](other.md#deep-1), [a folder](code) and [elsewhere](https://example.org).
`code/one.py` and `one.py` are there, `code/*.py` too; `build/made.json` and `code/NAME` are no files of ours.
The command `tlshub-capture pki init` is named only.

## A second & heading

```sh
sudo tlshub-capture ctl bypass on --for 30 && make docs >log   # and so on
```

    tlshub-capture pods NAME
    make docs SECONDS=3
    tlshub-capture verify --read a-file-of-the-readers.pcap

```toml
[plugin.podmap_file]
path = "pods.conf"
```
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    other = "# Deep\n\n# Deep\n\n[back](page.md)\n"
    texts = {"page.md": GOOD, "other.md": other, "code/one.py": "", "Makefile": "docs:\n"}
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return Repository(tmp_path, frozenset(texts))


def test_all_pages_of_this_repository_hold() -> None:
    assert [str(fault) for fault in faults(here())] == []


def test_there_are_pages_to_check() -> None:
    found = here()
    assert {"README.md", "docs/limits.md", "plugins/openssl/README.md"} <= {found.name(one.path) for one in found.pages}
    assert found.root == ROOT


def test_a_good_page_has_no_fault(repository: Repository) -> None:
    assert [str(fault) for fault in faults(repository)] == []


@pytest.mark.parametrize(
    ("check", "old", "new", "line", "message"),
    [
        (links, "other.md#deep-1", "gone.md", 3, "'gone.md' leads nowhere: there is no 'gone.md'"),
        (links, "other.md#deep-1", "../out.md", 3, "'../out.md' leads nowhere"),
        (links, "deep-1", "deep-2", 3, "'other.md' has no heading for '#deep-2'"),
        (links, "#a-second--heading", "#a-second-heading", 3, "'page.md' has no heading for '#a-second-heading'"),
        (links, "(code)", "(code#x)", 3, "a folder has no headings"),
        (names, "`code/one.py`", "`code/two.py`", 4, "'code/two.py' looks like a file of the repository"),
        (names, "`one.py`", "`two.py`", 4, "'two.py' looks like a file"),
        (names, "`code/*.py`", "`code/*.toml`", 4, "'code/*.toml' looks like a file"),
        (fences, "```sh", "```", 9, "without a language"),
        (commands, "bypass on", "bypass maybe", 10, "'maybe' is not one of 'on', 'off'"),
        (commands, "--for 30", "--for soon", 10, "'soon' is not a valid integer"),
        (commands, "ctl bypass", "ctl by-pass", 10, "No such command 'by-pass'"),
        (commands, "make docs >", "make dogs >", 10, "the Makefile has no target 'dogs'"),
        (commands, "pods NAME", "pki init", 13, "Missing argument 'DIRECTORY'"),
        (commands, "`tlshub-capture pki init`", "`tlshub-capture pki begin`", 5, "No such command 'begin'"),
        (commands, "pods NAME", "pods NAME OTHER", 13, "unexpected extra argument (OTHER)"),
        (commands, "pods NAME", "pods --nmae", 13, "No such option"),
        (configurations, 'path = "pods.conf"', "", 17, "plugin.podmap_file.path: Field required"),
        (configurations, "plugin.podmap_file", "plugin.podmap", 17, "[plugin.podmap]: there is no such plugin"),
        (configurations, "[plugin.podmap_file]\npath", "[capture]\nbackground", 17, "capture.background: Extra inputs"),
        (configurations, "[plugin.podmap_file]", "[plugin.podmap_file", 17, "not TOML"),
    ],
)
def test_a_fault_is_found(repository: Repository, check: object, old: str, new: str, line: int, message: str) -> None:
    assert GOOD.count(old) == 1 and check in CHECKS
    page = parse(repository.root / "page.md", GOOD.replace(old, new))
    (fault,) = check.faults(page, repository)  # type: ignore[attr-defined]
    assert message in fault.message and str(fault).startswith(f"page.md:{line}: ")


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("What is *not* protected, yet?", "what-is-not-protected-yet"),
        ("`ctl bypass` & `detach`", "ctl-bypass--detach"),
        ("安装与首次配置", "安装与首次配置"),
    ],
)
def test_anchors_are_those_of_github(tmp_path: Path, heading: str, anchor: str) -> None:
    assert parse(tmp_path / "page.md", f"# {heading}\n").headings[0].anchor == anchor


def test_a_slug_keeps_what_two_blanks_make() -> None:
    assert slug("a - b") == "a---b"


def test_a_page_that_nobody_links_is_found(repository: Repository) -> None:
    (repository.root / "other.md").write_text("# Deep\n\n# Deep\n")
    (fault,) = faults(Repository(repository.root, repository.files))
    assert str(fault) == "page.md:1: no other page links to this one: nobody will find it"
