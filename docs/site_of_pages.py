# SPDX-License-Identifier: Apache-2.0
"""Builds the pages as HTML ('make docs'): MkDocs, strictly, of a copy whose links to source files lead to pages, too.

site_of_pages.py [FOLDER]     where the copy ('pages') and the HTML ('docs') go, by default 'build'
"""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from checking.links import target
from checking.page import Page, slug
from checking.repository import Repository, here
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import Abort

LANGUAGES = {".py": "python", ".h": "c", ".c": "c", ".toml": "toml"}
PICTURES = frozenset({".svg", ".png"})


def main(folder: Path) -> int:
    """Copy and build; 1 where MkDocs warns of anything."""
    repository, pages = here(), folder / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    stage(repository, pages)
    config = configured(repository, pages, folder / "docs")
    try:
        build(config)
    except Abort as error:
        print(f"{error}: see what is said above", file=sys.stderr)
        return 1
    print(f"'{folder / 'docs' / 'index.html'}'")
    return 0


def configured(repository: Repository, pages: Path, site: Path) -> MkDocsConfig:
    """The settings, with anchors as GitHub makes them, and the pages that the file does not name."""
    file = repository.root / "docs/mkdocs.yml"
    config = load_config(str(file), strict=True, docs_dir=str(pages), site_dir=str(site))
    config["mdx_configs"].setdefault("toc", {})["slugify"] = lambda text, _: slug(text)
    named = set(re.findall(r"[\w./-]+\.md", file.read_text()))
    if more := sorted(repository.name(page.path) for page in repository.pages if _is_for_readers(page, named)):
        config["nav"].append({"More": more})
    return config


def stage(repository: Repository, folder: Path) -> None:
    """Every page, and a page for each file and folder that one of them leads to."""
    for page in repository.pages:
        text = page.text
        for link in sorted({link.text for link in page.links if "://" not in link.text}, key=len, reverse=True):
            place = target(page, link, repository)
            if made := _made(place, repository, folder):
                relative = posixpath.relpath(made, posixpath.dirname(repository.name(page.path)) or ".")
                text = text.replace(f"]({link})", f"]({relative})")
        _write(folder / repository.name(page.path), text)
    shutil.copy(repository.root / "docs/site.css", folder / "docs/site.css")


def _is_for_readers(page: Page, named: set[str]) -> bool:
    return not any(str(page.path).endswith(f"/{name}") for name in named)


def _made(place: str, repository: Repository, folder: Path) -> str:
    """The page for a file or folder, made where it is none itself; '' where the link stays as it is."""
    if place in repository.folders:
        return _folder(place, repository, folder)
    if place.endswith(".md"):
        return ""
    if PurePosixPath(place).suffix in PICTURES:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(repository.root / place, folder / place)
        return ""
    language = LANGUAGES.get(PurePosixPath(place).suffix, "text")
    text = (repository.root / place).read_text()
    _write(folder / f"{place}.md", f"# `{place}`\n\n~~~~~~{language}\n{text}\n~~~~~~\n")
    return f"{place}.md"


def _folder(place: str, repository: Repository, folder: Path) -> str:
    if f"{place}/README.md" in repository.files:
        return f"{place}/README.md"
    names = "\n".join(f"* `{name}`" for name in _inside(place, repository))
    _write(folder / place / "index.md", f"# `{place}`\n\n{names}\n")
    return f"{place}/index.md"


def _inside(place: str, repository: Repository) -> Iterator[str]:
    yield from (name for name in sorted(repository.files) if name.startswith(f"{place}/"))


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "build").absolute()))
