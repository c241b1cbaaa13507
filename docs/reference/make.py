# SPDX-License-Identifier: Apache-2.0
"""Prints the reference for authors of plugins ('docs/reference/plugins.md'), made of the code that it is about."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from names import Name, hooks, undocumented, where_it_belongs
from printing import printed

from tlshub_core import api, testing

INTRODUCTION = """\
# Reference for plugins

Made from the code by `make reference`; [writing-a-plugin.md](../writing-a-plugin.md) is where to begin. Everything
here is imported from `tlshub_core.api`. Addresses are those of `ipaddress`, times are nanoseconds of CLOCK_MONOTONIC,
and nothing that crosses a border can be changed afterwards.
"""
HOOKS = """\
A plugin is a module with functions of these names, marked with `@hookimpl`, and an entry point of the group
`tlshub_capture` whose name is that of its descriptor."""
TESTING = """\
Imported from `tlshub_core.testing`, in tests only."""


def main() -> int:
    """Print it; 1 where something has no docstring, which is said."""
    return printed(lines(), undocumented(), "has no docstring: say what it is")


def lines() -> Iterator[str]:
    """The page."""
    yield INTRODUCTION
    yield from _section("Hooks", HOOKS)
    for hook in hooks():
        yield f"* `{hook.signature}`: {hook.doc}"
    for title, names in where_it_belongs(api).items():
        yield from _section(title, "")
        yield from _names(names)
    yield from _section("For tests", TESTING)
    for title, names in where_it_belongs(testing).items():
        yield from _names(names, members=title == "Conformance")


def _section(title: str, text: str) -> Iterator[str]:
    yield f"\n## {title}\n"
    if text:
        yield f"{text}\n"


def _names(names: Iterable[Name], members: bool = True) -> Iterator[str]:
    for name in names:
        yield f"### `{name.signature}`\n"
        yield f"{name.doc}\n"
        shown = name.members if members else ()
        for member in shown:
            yield f"* `{member.signature}`" + (f": {member.doc}" if member.doc else "")
        if shown:
            yield ""


if __name__ == "__main__":
    sys.exit(main())
