# SPDX-License-Identifier: Apache-2.0
"""The pages as HTML: built without a warning, with every anchor that the checks know, and nothing from other hosts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import site_of_pages
from checking.page import Page
from checking.repository import ROOT, here

FETCHED = re.compile(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(?:https?:)?//[^\"]+\"")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    assert site_of_pages.main(folder) == 0
    return folder / "docs"


def built(site: Path, page: Page) -> str:
    name = page.path.relative_to(ROOT)
    file = name.parent / "index.html" if name.name == "README.md" else name.with_suffix(".html")
    html = (site / file).read_text()
    return html[html.index('itemprop="articleBody"') : html.index("<footer>")]


def test_every_page_is_built_with_its_anchors(site: Path) -> None:
    for page in here().pages:
        ids = set(re.findall(r'\bid="([^"]+)"', built(site, page)))
        assert {heading.anchor for heading in page.headings} <= ids, page.path


def test_it_is_read_as_github_reads_it(site: Path) -> None:
    """MkDocs' Markdown is another one: what stands in a list, or after no blank line, may become a paragraph."""
    for page in here().pages:
        html, rows = built(site, page), sum(rows for _, rows in page.tables)
        want = {"pre": len(page.blocks), "table": len(page.tables), "tr": rows, "li": page.items}
        assert {tag: len(re.findall(rf"<{tag}[ >]", html)) for tag in want} == want, page.path


def test_nothing_is_fetched_from_other_hosts(site: Path) -> None:
    for file in site.rglob("*.html"):
        assert FETCHED.findall(file.read_text()) == [], file
    for file in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import", file.read_text()), file


def test_links_to_source_files_lead_to_pages_of_them(site: Path) -> None:
    html = (site / "docs/reading.html").read_text()
    assert 'href="../bpf/c/gate.bpf.h.html"' in html
    assert "fmod_ret/security_socket_sendmsg" in (site / "bpf/c/gate.bpf.h.html").read_text()
    assert "tlshub_core/pipeline/ktls.py" in (site / "tlshub_core/pipeline/index.html").read_text()


def test_no_page_is_listed_twice(site: Path) -> None:
    (listed,) = re.findall(r'<div class="wy-menu.*?</div>', (site / "index.html").read_text(), re.DOTALL)
    links = re.findall(r'href="([^"#]+)"', listed)
    assert len(links) > 20 and len(links) == len(set(links)), sorted(links)


def test_a_page_that_mkdocs_warns_of_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    staged = site_of_pages.stage

    def broken(repository: object, folder: Path) -> None:
        staged(repository, folder)  # type: ignore[arg-type]
        (folder / "docs/lab.md").write_text("# The lab\n\n[gone](nowhere.md)\n")

    monkeypatch.setattr(site_of_pages, "stage", broken)
    assert site_of_pages.main(tmp_path) == 1
