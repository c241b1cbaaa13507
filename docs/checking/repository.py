# SPDX-License-Identifier: Apache-2.0
"""What is in the repository: its files, and its pages."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from checking.page import Page, read

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Repository:
    """Files by their paths from `root`, with '/' between."""

    root: Path
    files: frozenset[str]

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder that has a file, however deep."""
        return frozenset(str(parent) for file in self.files for parent in PurePosixPath(file).parents)

    @cached_property
    def endings(self) -> frozenset[str]:
        """Every way to name a file by the last parts of its path."""
        return frozenset("/".join(parts[at:]) for parts in _parts(self.files) for at in range(len(parts)))

    @cached_property
    def pages(self) -> tuple[Page, ...]:
        """All Markdown files."""
        return tuple(read(self.root / file) for file in sorted(self.files) if file.endswith(".md"))

    @cached_property
    def anchors(self) -> dict[str, frozenset[str]]:
        """Where links may lead within each page."""
        return {self.name(page.path): frozenset(one.anchor for one in page.headings) for page in self.pages}

    def name(self, path: Path) -> str:
        """The path from the root."""
        return path.relative_to(self.root).as_posix()


def here(root: Path = ROOT) -> Repository:
    """What git has, or would take in; raises CalledProcessError where this is no checkout."""
    command = ("git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    return Repository(root, frozenset(name for name in names if name and (root / name).is_file()))


def _parts(files: Iterable[str]) -> list[tuple[str, ...]]:
    return [PurePosixPath(file).parts for file in files]
