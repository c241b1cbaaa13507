# SPDX-License-Identifier: Apache-2.0
"""The doctor as a whole: what is configured, and this machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from tlshub_core.api import Holds, Level, Probe
from tlshub_core.cli.main import main
from tlshub_core.config import load
from tlshub_core.doctor import configured, examine
from tlshub_core.doctor.check import checked, text
from tlshub_core.plugins import Registry

OK, WARNING, FAILED = Level.OK, Level.WARNING, Level.FAILED


def test_a_check_that_raises_is_a_warning() -> None:
    found = checked("area", "name", lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    assert found.probe.level is WARNING
    assert "ZeroDivisionError" in found.probe.message


def test_nothing_to_read_at_all(tmp_path: Path) -> None:
    checks = examine(None, tmp_path)
    assert {check.area for check in checks} == {"kernel", "ktls", "bpf", "network", "privileges", "configuration"}
    assert not any("the check raised" in check.probe.message for check in checks)
    assert text(tmp_path, "proc/none") is None


CONFIG = '[keys]\nprovider = "openssl"\n[peering]\nnode = "node-a"\ntrust_domain = "example.org"\n'


def _configured(folder: Path, more: str = "") -> dict[tuple[str, str], Level]:
    (folder / "capture.toml").write_text(CONFIG + more)
    config = load(folder / "capture.toml")
    return {(check.area, check.name): check.probe.level for check in configured.checks(config)}


def test_identity_is_checked_where_there_is_one(tmp_path: Path) -> None:
    assert _configured(tmp_path)["peering", "identity"] is WARNING
    assert _configured(tmp_path, 'ca = "ca.pem"\n')["peering", "identity"] is FAILED
    made = CliRunner().invoke(main, ["pki", "init", str(tmp_path), "--trust-domain", "example.org", "--node", "node-a"])
    assert made.exit_code == 0
    assert _configured(tmp_path)["peering", "identity"] is OK


def test_plugins_are_probed(tmp_path: Path) -> None:
    mapping = '[mapping]\nsource = "podmap_file"\n[plugin.podmap_file]\npath = "map"\n'
    assert _configured(tmp_path, mapping)["mapping", "podmap_file"] is FAILED
    (tmp_path / "map").write_text("web node-a - 10.0.0.1\n")
    found = _configured(tmp_path, mapping)
    assert found["mapping", "podmap_file"] is OK
    assert ("provider", "openssl") in found
    assert _configured(tmp_path, '[capture]\nbackend = "agate"\n')["backend", "agate"] is FAILED


@pytest.mark.parametrize(("mode", "taken"), [("require", "beryl"), ("observe", "agate")])
def test_auto_is_told_to_take_what_start_up_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, taken: str
) -> None:
    (tmp_path / "capture.toml").write_text(
        f'{CONFIG}[[rule]]\nname = "web"\nmode = "{mode}"\n[rule.match]\nports = [80]\n'
    )
    levels = {"agate": (WARNING, Holds.NOT), "beryl": (OK, Holds.WELL)}
    specs = [SimpleNamespace(name=name, rank=rank) for rank, name in enumerate(levels)]
    answers = {name: Probe(level=level, message="", holds=holds) for name, (level, holds) in levels.items()}
    monkeypatch.setattr(configured, "asked", lambda _config, _find, name: answers[name])
    registry = cast(Any, SimpleNamespace(capture_backends=lambda: specs, capture_backend=None))
    found = configured._backends(load(tmp_path / "capture.toml"), registry)
    assert [check.name for check in found if "'auto' takes this one" in check.probe.message] == [taken]


def test_a_provider_names_its_library_or_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "capture.toml").write_text(CONFIG)
    config, registry = load(tmp_path / "capture.toml"), Registry()
    spec = registry.key_provider("openssl")
    assert spec.library is not None
    assert configured.provider(config, registry, "openssl").message.endswith(f", with {spec.library()}")
    broken = replace(spec, library=lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    monkeypatch.setattr(registry, "key_provider", lambda _: broken)
    found = configured.provider(config, registry, "openssl")
    assert found.level is FAILED and "ZeroDivisionError" in found.message and found.remedy


def test_on_this_machine_as_json(tmp_path: Path) -> None:
    (tmp_path / "capture.toml").write_text(CONFIG)
    result = CliRunner().invoke(main, ["doctor", str(tmp_path / "capture.toml"), "--json"])
    checks = json.loads(result.stdout)
    assert result.exit_code == int(any(check["level"] == "failed" for check in checks))
    assert all(check["remedy"] for check in checks if check["level"] == "failed")
    assert not any("the check raised" in check["message"] for check in checks)


def test_on_this_machine_with_a_wrong_configuration(tmp_path: Path) -> None:
    (tmp_path / "capture.toml").write_text("[keys]\n")
    result = CliRunner().invoke(main, ["doctor", str(tmp_path / "capture.toml")])
    assert result.exit_code == 1
    assert "key 'provider': missing" in result.stdout
