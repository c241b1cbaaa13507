# SPDX-License-Identifier: Apache-2.0
"""Every kind of error in a configuration file, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tlshub_core.api import ConfigError
from tlshub_core.config import load

MINIMAL = '[keys]\nprovider = "quartz"\n'


def _write(folder: Path, text: str, name: str = "capture.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def _error(folder: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(_write(folder, text))
    return caught.value


@pytest.mark.parametrize(
    ("text", "table", "key", "message"),
    [
        ("", "keys", "provider", "missing, and it has no default"),
        (MINIMAL + "[captur]", "", "captur", "unknown, did you mean 'capture'?"),
        (MINIMAL + "[capture]\nbackand = 'x'", "capture", "backand", "unknown, did you mean 'backend'?"),
        (MINIMAL + "[capture]\ngate_deadline_ms = 0", "capture", "gate_deadline_ms", "greater than or equal to 1"),
        (MINIMAL + "[capture]\nwarm_ms = -1", "capture", "warm_ms", "greater than or equal to 0"),
        (MINIMAL + "[capture]\ngate_deadline_ms = true", "capture", "gate_deadline_ms", "valid integer"),
        (MINIMAL + "[capture]\nexisting = 'keep'", "capture", "existing", "'report' or 'reset'"),
        (MINIMAL + "[capture]\ncgroup = 7", "capture", "cgroup", "path"),
        (MINIMAL + "[peering]\nport = 65536", "peering", "port", "less than or equal to 65535"),
        (MINIMAL + "[peering]\nport = '4646'", "peering", "port", "valid integer"),
        (MINIMAL + "[peering]\nnode = '../x'", "peering", "node", "'../x' is no node name"),
        (MINIMAL + "[peering]\ntrust_domain = 'Ex'", "peering", "trust_domain", "'Ex' is no trust domain"),
        (MINIMAL + "ciphers = ['rc4']", "keys", "ciphers", "unknown cipher 'rc4', expected one of 'aes-gcm-128'"),
        (MINIMAL + "ciphers = []", "keys", "ciphers", "the list is empty"),
        (MINIMAL + "ciphers = ['aes-gcm-128', 'aes-gcm-128']", "keys", "ciphers", "a cipher is listed twice"),
        (MINIMAL + "[debug]\nkeylog_file = ''", "debug", "keylog_file", "not empty"),
        (MINIMAL + "[plugin]\npods = 3", "plugin", "pods", "expected a table"),
        ("keys = 3", "", "keys", "expected a table"),
        (MINIMAL + "[rule]\nname = 'x'", "", "rule", "expected a list"),
    ],
)
def test_errors_name_file_table_and_key(tmp_path: Path, text: str, table: str, key: str, message: str) -> None:
    error = _error(tmp_path, text)
    assert (error.file, error.table, error.key) == (str(tmp_path / "capture.toml"), table, key)
    assert message in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("match", "key", "message"),
    [
        ("ports = [0]", "match.ports", "'0' is no port range"),
        ("ports = ['90-80']", "match.ports", "the lower one first"),
        ("ports = [true]", "match.ports", "'True' is no port"),
        ("ports = ['80 - 90']", "match.ports", "'80 - 90' is no port"),
        ("ports = 80", "match.ports", "expected a list of ports"),
        ("ports = []", "match.ports", "the list is empty: leave the key out to match everything"),
        ("cidrs = ['10.0.0.1/8']", "match.cidrs", "did you mean '10.0.0.0/8'?"),
        ("cidrs = ['ten']", "match.cidrs", "'ten' is no network"),
        ("cidrs = [167772160]", "match.cidrs", "'167772160' is no network"),
        ("pods = ['']", "match.pods.0", "not empty"),
        ("direction = 'up'", "match.direction", "'in', 'out' or 'both'"),
        ("process = 'curl'", "match", "'process' is known on the connecting side only: set direction = \"out\""),
        ("process = 'a-very-long-name', direction = 'out'", "match", "longer than 15 bytes"),
        ("prots = [1]", "match.prots", "unknown, did you mean 'ports'?"),
    ],
)
def test_rule_errors(tmp_path: Path, match: str, key: str, message: str) -> None:
    rules = f"[[rule]]\nname = 'a'\nmode = 'observe'\n[[rule]]\nname = 'b'\nmode = 'require'\nmatch = {{ {match} }}\n"
    error = _error(tmp_path, MINIMAL + rules)
    assert (error.table, error.key) == ("[rule]", key)
    assert f"table '[[rule]]', key '{key}': rule number 2: " in str(error)
    assert message in str(error)


def test_rule_needs_a_known_mode_and_a_name_of_its_own(tmp_path: Path) -> None:
    error = _error(tmp_path, MINIMAL + "[[rule]]\nname = 'a'\nmode = 'maybe'\n")
    assert "'maybe' is no mode, expected one of 'bypass', 'observe', 'prefer', 'require'" in str(error)
    twice = "[[rule]]\nname = 'a'\nmode = 'prefer'\n" * 2
    assert "'a' is the name of 2 rules" in str(_error(tmp_path, MINIMAL + twice))


@pytest.mark.parametrize(
    ("rule", "table", "key", "message"),
    [
        ("mode = 'require'\npassthrough = 'ssh'", "[rule]", "passthrough", "rule number 1: input should be 'tls'"),
        ("mode = 'require'\npassthrough = true", "[rule]", "passthrough", "rule number 1: input should be 'tls'"),
        ("mode = 'bypass'\npassthrough = 'tls'", "[rule]", "", "'bypass' holds nothing, leave it out"),
        ("mode = 'observe'\npassthrough = 'tls'", "[rule]", "", "is for modes 'prefer' and 'require'"),
        (
            "mode = 'prefer'\npassthrough = 'tls'\n[capture]\npassthrough_patience_ms = 5000",
            "capture",
            "passthrough_patience_ms",
            "5000 is no less than 'handshake_deadline_ms' (5000): no time is left to ask the peer",
        ),
    ],
)
def test_passthrough_errors(tmp_path: Path, rule: str, table: str, key: str, message: str) -> None:
    error = _error(tmp_path, MINIMAL + f"[[rule]]\nname = 'a'\n{rule}\n")
    assert (error.table, error.key) == (table, key)
    assert message in str(error)


def test_a_key_of_any_text_makes_no_line_of_its_own(tmp_path: Path) -> None:
    error = _error(tmp_path, MINIMAL + '["\\n\\u001b[31m"]\nx = 1\n')
    assert "key '\\n\\x1b[31m': unknown" in str(error)
    assert str(error).isprintable()
    assert error.key == "\n\x1b[31m"


def test_several_errors_are_all_told(tmp_path: Path) -> None:
    error = _error(tmp_path, "[capture]\nbackand = 'x'\n[peering]\nport = 0\n")
    assert len(str(error).split("\n")) == 3
    assert all(line.startswith(f"'{tmp_path}/capture.toml', table '[") for line in str(error).split("\n"))
    assert (error.table, error.key) == ("capture", "backand")


def test_syntax_errors_name_the_line(tmp_path: Path) -> None:
    error = _error(tmp_path, "[capture]\nbackend 3\n")
    assert str(error).startswith(f"'{tmp_path}/capture.toml': is not valid TOML: expected '='")
    assert "line 2" in str(error)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a = '\xff'", "is not UTF-8 text: byte 5 is wrong"),
        (b"a = " + b"[" * 100_000, "is not valid TOML: nested too deeply"),
        (b"a = " + b"9" * 5000, "is not valid TOML: "),
    ],
)
def test_files_that_are_no_toml(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "capture.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert message in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: no such file or directory"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read: is a directory"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read: "):
        load(Path("a\0b"))
