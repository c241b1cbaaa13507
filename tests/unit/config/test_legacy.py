# SPDX-License-Identifier: Apache-2.0
"""Files of the original tool load unchanged; what is wrong in one is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tlshub_core import legacy
from tlshub_core.api import ConfigError
from tlshub_core.config import load

ORIGINAL = """# TLShub 流量捕获模块配置文件
# ====================================

mode = tlshub
pod_node_config = /etc/tlshub/pod_node_mapping.conf   # where pods run

netlink_protocol = 31
log_level = warning
verbose = false
"""


def _write(folder: Path, text: str, name: str = "capture.conf") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_original_file_loads(tmp_path: Path) -> None:
    config = load(_write(tmp_path, ORIGINAL))
    assert config.keys.provider == "tlshub"
    assert config.mapping.source == "podmap_file"
    assert config.plugin["podmap_file"] == {"path": "/etc/tlshub/pod_node_mapping.conf"}
    assert config.plugin["tlshub"] == {"netlink_protocol": 31}
    assert config.debug.log_level == "warning"
    assert config.implied
    assert config.rules == ()


def test_start_up_says_what_is_implied(tmp_path: Path) -> None:
    path = _write(tmp_path, ORIGINAL)
    assert load(path).notices == (
        f"'{path}' is a file of the original tool: key provider 'tlshub', the pods of "
        "'/etc/tlshub/pod_node_mapping.conf'",
        "it has no rules, which implies one: 'prefer' for all TCP to and from addresses that the mapping knows, "
        "'observe' where it knows none",
    )


@pytest.mark.parametrize("name", ["capture.conf", "old.txt"])
def test_detected_by_its_keys_or_its_name(tmp_path: Path, name: str) -> None:
    assert load(_write(tmp_path, "mode=openssl\n", name)).implied


@pytest.mark.parametrize("text", ['[keys]\nprovider = "quartz"\n', '# x\n[keys]\nprovider = "quartz"\n'])
def test_toml_under_any_name_is_toml(tmp_path: Path, text: str) -> None:
    assert not load(_write(tmp_path, text)).implied


def test_defaults_of_the_original(tmp_path: Path) -> None:
    text, path = "verbose = true\n", tmp_path / "capture.conf"
    without = legacy.parse(text, path, default_mapping=tmp_path / "none")
    assert without.document["keys"] == {"provider": "tlshub"}
    assert without.document["mapping"] == {}
    assert without.document["debug"] == {"log_level": "debug"}
    assert "no mapping" in without.notices[0]
    mapping = _write(tmp_path, "web node-a\n", "pods")
    assert legacy.parse(text, path, default_mapping=mapping).document["plugin"] == {
        "podmap_file": {"path": str(mapping)}
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mode = tlshub\nmod = x", ", key 'mod': line 2: unknown, did you mean 'mode'?"),
        (
            "mode = gnutls",
            ", key 'mode': line 1: 'gnutls' is unknown, expected one of 'tlshub', 'openssl'",
        ),
        ("mode = openssl\n\nmode = tlshub", ", key 'mode': line 3: given twice"),
        ("mode", ": line 1: expected 'key = value'"),
        ("mode =", ", key 'mode': line 1: expected 'key = value'"),
        ("netlink_protocol = 256", ", key 'netlink_protocol': line 1: '256' is no netlink protocol"),
        ("netlink_protocol = x", ", key 'netlink_protocol': line 1: 'x' is no netlink protocol"),
        ("log_level = loud", ", key 'log_level': line 1: 'loud' is unknown, expected one of 'debug'"),
        ("verbose = maybe", ", key 'verbose': line 1: 'maybe' is unknown, expected one of 'true', 'false'"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(f"'{path}'{message}")


def test_provider_on_the_command_line_wins(tmp_path: Path) -> None:
    assert load(_write(tmp_path, ORIGINAL), provider="quartz").keys.provider == "quartz"
