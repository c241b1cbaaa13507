# SPDX-License-Identifier: Apache-2.0
"""Prints the reference of 'capture.toml' ('docs/reference/configuration.md'), made of the models that check it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import get_args

from options import Option, options, undocumented, whole
from printing import printed
from pydantic import BaseModel

from tlshub_core.config.rules import Match
from tlshub_core.config.tables import Document
from tlshub_core.describe import KINDS, kind_of
from tlshub_core.plugins import Registry

INTRODUCTION = """\
# Reference of the configuration

Made from the code by `make reference`; the [guide](../guide.md) is where to begin. The file is
`/etc/tlshub/capture.toml` or one that a command names; `/etc/tlshub/capture.conf`, of the original tool, is read where
there is none ([migration](../migration.md)). It is TOML; relative paths are taken from its folder. Unknown tables and
keys are errors; an error names file, table and key. `tlshub-capture check` says them all without starting anything.

What is read again while the agent runs (`tlshub-capture ctl reload`): the rules, the mapping, `providers_allowed`.
Everything else needs a restart.
"""
PLUGINS = """\
## Tables of plugins

Each plugin has a table of its own, `[plugin.NAME]`, which its model checks when the configuration names the plugin."""
HEAD = "| key | type | default | meaning |\n|---|---|---|---|"


def main() -> int:
    """Print it; 1 where an option is not documented, which is said."""
    everything = [*tables().values(), *(model for _, _, model in plugins())]
    missing = [name for model in everything for name in undocumented(model)]
    return printed(lines(), missing, "is not documented: write a text after it")


def lines() -> Iterator[str]:
    """The page."""
    yield INTRODUCTION
    for title, model in tables().items():
        yield from _section(f"## {title}", model)
    yield PLUGINS
    for title, summary, model in plugins():
        yield ""
        yield from _section(f"### `{title}`", model, f"{summary}. ")


def tables() -> dict[str, type[BaseModel]]:
    """The core's tables by their headings, in the order of the document, and what is a table within one."""
    found: dict[str, type[BaseModel]] = {}
    for name, field in Document.model_fields.items():
        for one in (field.annotation, *get_args(field.annotation)):
            if isinstance(one, type) and issubclass(one, BaseModel):
                found[f"`[{name}]`" if one is field.annotation else f"`[[{name}]]`"] = one
    return {**found, "`match` in `[[rule]]`": Match}


def plugins() -> list[tuple[str, str, type[BaseModel]]]:
    """Table, what the plugin is, and model of each installed plugin, in alphabetical order of kind and name."""
    registry = Registry()
    specs = [spec for name in registry.names() for spec in registry.specs(name)]
    order = [kind.label for kind in KINDS.values()]
    return [
        (f"[plugin.{spec.name}]", f"{kind_of(spec).label.capitalize()}: {spec.summary}", spec.config)
        for spec in sorted(specs, key=lambda spec: (order.index(kind_of(spec).label), spec.name))
    ]


def _section(title: str, model: type[BaseModel], before: str = "") -> Iterator[str]:
    yield f"{title}\n"
    yield f"{before}{whole(model)}\n"
    if found := options(model):
        yield HEAD
        yield from map(_row, found)
    if title.startswith("## "):
        yield ""


def _row(option: Option) -> str:
    cells = (f"`{option.name}`", option.kind, option.default, option.meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(main())
