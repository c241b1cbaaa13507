# SPDX-License-Identifier: Apache-2.0
"""Who does what the guides say, file by file, has a configuration that the agent takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checking.page import Block, Page, read
from checking.repository import ROOT
from click.testing import CliRunner, Result

from tlshub_core.cli.main import main

FEW = "web  node-a  192.0.2.10  10.1.0.10\nbatch  node-a  192.0.2.10  10.1.0.12\ndb  node-b  192.0.2.11  10.2.0.11\n"
OF_THIS_MACHINE = "note: on this machine, as this user"  # which need not be one that can hold connections


@pytest.fixture(scope="module", params=["docs/guide.md", "docs/zh-CN/guide.md", "README.md", "README.zh-CN.md"])
def page(request: pytest.FixtureRequest) -> Page:
    return read(ROOT / request.param)


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def _first(page: Page, beginning: str) -> Block:
    return next(block for block in page.blocks if block.text.startswith(beginning))


def test_the_first_configuration_is_in_order(page: Page, tmp_path: Path) -> None:
    call = re.search(r"^\s*tlshub-capture (pki init .*)$", page.text, re.MULTILINE)
    assert call is not None
    words = [str(tmp_path) if word == "pki" else word for word in call[1].split()[2:]]
    assert _run("pki", "init", *words).exit_code == 0
    (tmp_path / "capture.toml").write_text(_first(page, "[keys]").text)
    (tmp_path / "pod_node_mapping.conf").write_text(_first(page, "web ").text)
    done = _run("check", tmp_path / "capture.toml")
    said = [line for line in done.stderr.splitlines() if not line.startswith(OF_THIS_MACHINE)]
    assert (done.exit_code, said) == (0, [])
    assert "postgres" in done.stdout and "5432" in done.stdout
    found = {line.split()[2]: line.split()[0] for line in _run("doctor", tmp_path / "capture.toml").stdout.splitlines()}
    assert {found[name] for name in ("file", "podmap_file", "this-node", "identity")} == {"ok"}


def test_every_rule_can_be_compiled(tmp_path: Path) -> None:
    page = read(ROOT / "docs/guide.md")
    examples = [block for block in page.blocks if block.text.startswith("[[rule]]")]
    assert len(examples) >= 4
    head = _first(page, "[keys]").text.partition("[[rule]]")[0]
    (tmp_path / "pod_node_mapping.conf").write_text(FEW)
    for block in examples:
        (tmp_path / "capture.toml").write_text(head + block.text)
        done = _run("check", tmp_path / "capture.toml")
        assert done.exit_code == 0, f"line {block.line}: {done.stderr}"


def test_what_the_page_about_the_original_says_of_its_files(tmp_path: Path) -> None:
    page = read(ROOT / "docs/migration.md")
    (tmp_path / "pod_node_mapping.conf").write_text(_first(page, "# pod_name").text)
    (tmp_path / "capture.toml").write_text(_first(page, "[keys]").text + '\n[peering]\nnode = "node-1"\n')
    done = _run("check", tmp_path / "capture.toml")
    assert done.exit_code == 0 and "10.1.0.10" in done.stdout, done.stderr
    (tmp_path / "capture.conf").write_text("mode = tlshub\npod_node_config = pod_node_mapping.conf\nverbose = false\n")
    done = _run("check", tmp_path / "capture.conf")
    assert (done.exit_code, done.stdout.splitlines()[1].split()[1]) == (0, "prefer"), done.stderr
    (tmp_path / "pod_node_mapping.conf").write_text("web-pod-1 node-1\n")
    done = _run("check", tmp_path / "capture.conf")
    assert (done.exit_code, done.stdout.splitlines()[1].split()[1]) == (0, "observe"), done.stderr
