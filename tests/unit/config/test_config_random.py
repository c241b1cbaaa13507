# SPDX-License-Identifier: Apache-2.0
"""Arbitrary TOML and arbitrary bytes: a configuration or a ConfigError."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlshub_core.api import ConfigError
from tlshub_core.config import Config, load

_KEYS = st.sampled_from([
    "capture", "keys", "peering", "mapping", "events", "debug", "plugin", "rule", "backend", "provider", "ciphers",
    "port", "node", "cert", "source", "sinks", "name", "match", "mode", "ports", "cidrs", "pods", "direction",
    "process", "keylog_file", "providers_allowed", "table_size", "quartz",
])  # fmt: skip
_LEAVES = st.one_of(
    st.integers(), st.booleans(), st.floats(), st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["prefer", "out", "10.0.0.0/8", "1-2", "aes-gcm-128", "report"]),
)  # fmt: skip
_VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4))


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(inner) for inner in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" for c in value) + '"'
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)


def _outcome(path: Path) -> Config | ConfigError:
    try:
        return load(path)
    except ConfigError as error:
        return error


@given(document=st.dictionaries(_KEYS, _VALUES, max_size=6))
def test_arbitrary_toml_raises_nothing_but_config_errors(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, object]
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.toml"
    path.write_text("\n".join(f"{key} = {_toml(value)}" for key, value in document.items()))
    outcome = _outcome(path)
    assert isinstance(outcome, Config) or outcome.file == str(path)
    assert "is not valid TOML" not in str(outcome)


@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_but_config_errors(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    for name in ("bytes.toml", "bytes.conf"):
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes(data)
        outcome = _outcome(path)
        assert isinstance(outcome, Config) or outcome.file == str(path)
