# SPDX-License-Identifier: Apache-2.0
"""Tables of plugins: checked by their own models, paths resolved, values never shown."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from pydantic import BaseModel

from tlshub_core.api import ConfigError, MappingSource, MappingSourceSpec
from tlshub_core.config import load

FULL = """
[capture]
backend = "auto"
cgroup = "/sys/fs/cgroup"
pins = "/sys/fs/bpf/tlshub"
gate_deadline_ms = 200
handshake_deadline_ms = 5000
existing = "reset"
table_size = 1024
[keys]
provider = "quartz"
providers_allowed = ["quartz", "zircon"]
ciphers = ["aes-gcm-256", "aes-gcm-128"]
[peering]
port = 4747
trust_domain = "example.org"
node = "node-a"
cert = "pki/node.pem"
key = "/keys/node.pem"
ca = "ca.pem"
[mapping]
source = "pods"
[events]
sinks = ["log", "jsonl"]
[plugin.pods]
path = "pods.conf"
[debug]
keylog_file = "keys.log"
[[rule]]
name = "web"
match = { ports = [80, "8000-8100"], cidrs = ["10.0.0.0/8", "fd00::1"], direction = "both" }
mode = "require"
[[rule]]
name = "curl"
match = { process = "curl", direction = "out", pods = ["api-1"] }
mode = "bypass"
provider = "zircon"
"""
MINIMAL = '[keys]\nprovider = "quartz"\n'


def _write(folder: Path, text: str, name: str = "capture.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


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
    options = load(_write(tmp_path, FULL)).options(_spec())
    assert isinstance(options, _Options)
    assert options.path == tmp_path / "pods.conf"
    assert options.inner.files == (tmp_path / "a", Path("/b"))
    with pytest.raises(LookupError, match=r"pods\.conf"):
        load(_write(tmp_path, FULL)).make(_spec())


def test_plugin_options_errors_name_table_and_key_but_no_value(tmp_path: Path) -> None:
    path = _write(tmp_path, MINIMAL + '[plugin.pods]\npth = "x"\nsize = "hunter2"\n')
    with pytest.raises(ConfigError) as caught:
        load(path).options(_spec())
    lines = str(caught.value).split("\n")
    place = f"'{path}', table '[plugin.pods]', key"
    assert lines[0] == f"{place} 'path': missing, and it has no default"
    assert lines[1].startswith(f"{place} 'size': input should be a valid integer")
    assert lines[2] == f"{place} 'pth': unknown, did you mean 'path'?"
    assert "hunter2" not in str(caught.value)


def test_config_is_frozen_and_shows_no_plugin_options(tmp_path: Path) -> None:
    config = load(_write(tmp_path, MINIMAL + "[plugin.x]\npassword = 'hunter2'\n"))
    assert "hunter2" not in repr(config)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.file = Path()  # type: ignore[misc]
