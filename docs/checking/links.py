# SPDX-License-Identifier: Apache-2.0
"""Links lead somewhere: to a file of the repository, and to a heading that is there. Other hosts are not asked."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from urllib.parse import unquote

from checking.fault import Fault
from checking.page import Page, read
from checking.repository import Repository


def faults(page: Page, repository: Repository) -> Iterator[Fault]:
    """Each link to what is not there."""
    for link in page.links:
        if "://" not in link.text and (problem := _problem(page, link.text, repository)):
            yield Fault(page=repository.name(page.path), line=link.line, message=problem)


def target(page: Page, link: str, repository: Repository) -> str:
    """Where a relative link leads, as a path from the repository's root; '..' at its beginning where it leads out."""
    path = unquote(link.partition("#")[0])
    here = repository.name(page.path)
    return posixpath.normpath(posixpath.join(posixpath.dirname(here), path)) if path else here


def _problem(page: Page, link: str, repository: Repository) -> str:
    where, anchor = target(page, link, repository), unquote(link.partition("#")[2])
    if where in repository.folders:
        return f"'{link}': a folder has no headings" if anchor else ""
    if where not in repository.files:
        return f"'{link}' leads nowhere: there is no '{where}'"
    if anchor and anchor not in {heading.anchor for heading in read(repository.root / where).headings}:
        return f"'{link}': '{where}' has no heading for '#{anchor}'"
    return ""
