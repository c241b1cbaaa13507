# SPDX-License-Identifier: Apache-2.0
"""Tables of plugins: checked by their own models, paths resolved, values never shown."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from pydantic import BaseModel

from tests.unit.config.samples import FULL, MINIMAL, write
from tlshub_core.api import ConfigError, MappingSource, MappingSourceSpec
from tlshub_core.config import load


class _Inner(BaseModel, frozen=True, extra="forbid"):
    files: tuple[Path, ...] = (Path("a"), Path("/b"))


class _Options(BaseModel, frozen=True, extra="forbid"):
    path: Path
    size: int = 3
    inner: _Inner = _Inner()


def _factory(options: _Options) -> MappingSource:
    raise LookupError(str(options.path))


def _spec(name: str = "pods") -> MappingSourceSpec:
    return MappingSourceSpec(name=name, summary="", config=_Options, factory=_factory)


def test_plugin_options_are_checked_and_resolved(tmp_path: Path) -> None:
    options = load(write(tmp_path, FULL)).options(_spec())
    assert isinstance(options, _Options)
    assert options.path == tmp_path / "pods.conf"
    assert options.inner.files == (tmp_path / "a", Path("/b"))
    with pytest.raises(LookupError, match=r"pods\.conf"):
        load(write(tmp_path, FULL)).make(_spec())


def test_plugin_options_errors_name_table_and_key_but_no_value(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL + '[plugin.pods]\npth = "x"\nsize = "hunter2"\n')
    with pytest.raises(ConfigError) as caught:
        load(path).options(_spec())
    lines = str(caught.value).split("\n")
    place = f"'{path}', table '[plugin.pods]', key"
    assert lines[0] == f"{place} 'path': missing, and it has no default"
    assert lines[1].startswith(f"{place} 'size': input should be a valid integer")
    assert lines[2] == f"{place} 'pth': unknown, did you mean 'path'?"
    assert "hunter2" not in str(caught.value)


def test_config_is_frozen_and_shows_no_plugin_options(tmp_path: Path) -> None:
    config = load(write(tmp_path, MINIMAL + "[plugin.x]\npassword = 'hunter2'\n"))
    assert "hunter2" not in repr(config)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.file = Path()  # type: ignore[misc]
