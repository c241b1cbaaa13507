# SPDX-License-Identifier: Apache-2.0
"""Configurations on pages are ones that the agent would read, plugins' tables too; parts of one count as the whole."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Container, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from checking.fault import Fault
from checking.page import Page
from checking.repository import Repository
from tlshub_core.config.tables import Document
from tlshub_core.hookspecs import PROJECT
from tlshub_core.plugins import Registry

_LEAST: Mapping[str, object] = {"keys": {"provider": "openssl"}, "peering": {}}


def faults(page: Page, repository: Repository) -> Iterator[Fault]:
    """Each block of TOML that is not a configuration, nor a 'pyproject.toml'."""
    for block in page.blocks:
        if block.language == "toml":
            for problem in problems(block.text, _own(page, repository)):
                yield Fault(page=repository.name(page.path), line=block.line, message=problem)


def problems(text: str, own: Container[str] = ()) -> Iterator[str]:
    """What is wrong with that part of a configuration; plugins of these names, its page's own, are not looked up."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        yield f"not TOML: {error}"
        return
    if "project" in raw:
        return
    yield from _wrong(Document, {**_LEAST, **raw, "keys": {"provider": "openssl", **raw.get("keys", {})}}, "")
    for name, table in raw.get("plugin", {}).items():
        if name not in own:
            yield from _in_plugin(name, table)


def models() -> dict[str, type[BaseModel]]:
    """The model of each installed plugin's table, by the plugin's name; raises PluginError for one that is broken."""
    registry = Registry()
    return {spec.name: spec.config for name in registry.names() for spec in registry.specs(name)}


def _own(page: Page, repository: Repository) -> set[str]:
    """Plugins that are not installed: those that the page tells how to write, or whose README it is."""
    found = set(re.findall(r'name="(\w+)"', page.text))
    project = page.path.parent / "pyproject.toml"
    if repository.root != page.path.parent and project.is_file():
        found |= tomllib.loads(project.read_text())["project"].get("entry-points", {}).get(PROJECT, {}).keys()
    return found - models().keys()


def _in_plugin(name: str, table: Any) -> Iterator[str]:
    known = models()
    if name not in known:
        yield f"[plugin.{name}]: there is no such plugin, known are {', '.join(sorted(known))}"
        return
    yield from _wrong(known[name], table, f"plugin.{name}.")


def _wrong(model: type[BaseModel], value: object, prefix: str) -> Iterator[str]:
    try:
        model.model_validate(value)
    except ValidationError as error:
        for one in error.errors():
            yield f"{prefix}{'.'.join(map(str, one['loc']))}: {one['msg']}"
