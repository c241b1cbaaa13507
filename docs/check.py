# SPDX-License-Identifier: Apache-2.0
"""Checks all pages of the repository, or those that are named; prints what is wrong, and exits with 1 if any is."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from checking import commands, configurations, fences, links, names, translations
from checking.fault import Fault
from checking.repository import Repository, here

CHECKS = (links, names, fences, commands, configurations, translations)


def main(pages: Sequence[str]) -> int:
    """Check the pages of those names, or all."""
    repository = here()
    known = {repository.name(page.path) for page in repository.pages}
    if unknown := [name for name in pages if name not in known]:
        print(f"there is no page '{unknown[0]}' in the repository: name it from '{repository.root}'", file=sys.stderr)
        return 2
    found = [fault for fault in faults(repository) if not pages or fault.page in pages]
    print("\n".join(map(str, found)) if found else f"{len(pages) or len(known)} pages: nothing is wrong")
    return int(bool(found))


def faults(repository: Repository) -> list[Fault]:
    """What is wrong with all pages, by page and line."""
    found = [one for page in repository.pages for check in CHECKS for one in check.faults(page, repository)]
    return sorted(found, key=lambda fault: (fault.page, fault.line))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
