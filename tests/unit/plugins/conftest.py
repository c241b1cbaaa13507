# SPDX-License-Identifier: Apache-2.0
"""Fake installed distributions: metadata and a module in a folder on the import path."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.plugins.actor import CODE as ACTOR

Install = Callable[..., Path]

PROVIDER = """
from pydantic import BaseModel
from tlshub_core.api import KeyProviderSpec, hookimpl

class Options(BaseModel):
    pass

@hookimpl
def tlshub_key_providers():
    return [KeyProviderSpec(name="{name}", summary="a fake", config=Options, factory=lambda options: None)]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`install(name, code=..., requires=..., distribution=...)` makes a distribution with one plugin of that name."""
    before = set(sys.modules)
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def _install(
        name: str, *, code: str = "", requires: str = "", distribution: str = "", version: str = "1.0"
    ) -> Path:
        distribution = distribution or f"tlshub-capture-{name}"
        module = f"fake_{distribution.replace('-', '_')}"
        (folder / f"{module}.py").write_text(code or PROVIDER.replace("{name}", name))
        info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        needs = f"Requires-Dist: {requires}\n" if requires else ""
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n{needs}")
        (info / "entry_points.txt").write_text(f"[tlshub_capture]\n{name} = {module}\n")
        return folder / f"{module}.py"

    yield _install
    for module in set(sys.modules) - before:
        if module.startswith("fake_"):
            del sys.modules[module]


@pytest.fixture
def folder(install: Install, tmp_path: Path) -> Path:
    for name in ("quartz", "zircon", "garnet"):
        install(name, code=ACTOR.replace("{name}", name))
    return tmp_path
