# SPDX-License-Identifier: Apache-2.0
"""Links lead somewhere: to a file of the repository, and to a heading that is there; and some link leads to each page.

Other hosts are not asked.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from urllib.parse import unquote

from checking.fault import Fault
from checking.page import Page
from checking.repository import Repository

FRONT = "README.md"


def faults(page: Page, repository: Repository) -> Iterator[Fault]:
    """Each link to what is not there, and a page that nobody would find."""
    name = repository.name(page.path)
    for link in page.links:
        if "://" not in link.text and (problem := _problem(page, link.text, repository)):
            yield Fault(page=name, line=link.line, message=problem)
    if name != FRONT and not any(_leads_to(name, other, repository) for other in repository.pages):
        yield Fault(page=name, line=1, message="no other page links to this one: nobody will find it")


def _leads_to(name: str, other: Page, repository: Repository) -> bool:
    if repository.name(other.path) == name:
        return False
    places = {target(other, link.text, repository) for link in other.links if "://" not in link.text}
    return bool(places & {name, name.removesuffix("/README.md")})


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
    if anchor and anchor not in repository.anchors.get(where, ()):
        return f"'{link}': '{where}' has no heading for '#{anchor}'"
    return ""
