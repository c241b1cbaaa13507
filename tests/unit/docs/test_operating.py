# SPDX-License-Identifier: Apache-2.0
"""The operator's guide names checks of the doctor that there are, all of them, and every reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checking.page import Page, read
from checking.repository import ROOT

from tlshub_core.api import Reason
from tlshub_core.doctor import examine

CONFIG = """
[keys]
provider = "openssl"
providers_allowed = ["openssl", "tlshub"]
[peering]
node = "node-a"
[mapping]
source = "podmap_file"
[plugin.podmap_file]
path = "map"
"""
PLUGINS = {"provider", "backend"}  # whichever are installed


@pytest.fixture(scope="module")
def page() -> Page:
    return read(ROOT / "docs/operating.md")


@pytest.fixture
def checks(tmp_path: Path) -> set[str]:
    (tmp_path / "map").write_text("web node-a - 10.0.0.1\n")
    (tmp_path / "capture.toml").write_text(CONFIG)
    return {f"{check.area} {check.name}" for check in examine(tmp_path / "capture.toml")}


def test_checks_are_named_as_the_doctor_names_them(page: Page, checks: set[str]) -> None:
    areas = {check.split()[0] for check in checks}
    named = {code.text for code in page.codes if re.fullmatch(rf"({'|'.join(areas)}) [\w-]+", code.text)}
    assert named <= checks
    assert {check for check in checks - named if check.split()[0] not in PLUGINS} == set()


def test_every_reason_has_its_row(page: Page) -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|", page.text.partition("## Reasons")[2], re.MULTILINE)
    assert sorted(rows) == sorted(reason.value for reason in Reason)
