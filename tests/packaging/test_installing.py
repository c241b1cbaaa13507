# SPDX-License-Identifier: Apache-2.0
"""Wheels in empty environments, and a checkout with pip: what is installed is there, fits, and is from nowhere else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.packaging.members import CORE, MEMBERS, ROOT, plugins

Run = Callable[..., str]
Installed = Callable[[Sequence[str]], Path]
ASKED = [CORE.name, *(f"{CORE.name}[{extra}]" for extra in CORE.extras)]
LEFT_OUT = (".*", "build", "dist", "__pycache__", "*.o")


def check(run: Run, uv: str, commands: Path, asked: str) -> None:
    """Asserts that the plugins of a requirement are there and work, and that all requirements are met."""
    rows = json.loads(run(commands / "tlshub-capture", "plugins", "--json", cwd=commands))
    assert {row["name"] for row in rows} == plugins(Requirement(asked))
    assert {(row["state"], row["message"]) for row in rows} == {("ok", "")}
    assert {row["version"] for row in rows} == {CORE.version}
    run(uv, "pip", "check", "--python", commands / "python", cwd=commands)


@pytest.mark.parametrize("asked", ASKED)
def test_wheels_install_into_an_empty_environment(run: Run, uv: str, installed: Installed, asked: str) -> None:
    commands = installed([asked])
    check(run, uv, commands, asked)
    where = run(commands / "python", "-c", "import tlshub_core; print(tlshub_core.__file__)", cwd=commands).strip()
    assert Path(where).is_relative_to(commands.parent)


def test_the_wheels_have_the_programs_and_no_tests(run: Run, wheels: Path) -> None:
    listed = {wheel.name: run("python3", "-m", "zipfile", "-l", wheel) for wheel in wheels.glob("*.whl")}
    assert len(listed) == len(MEMBERS) + 1
    assert sum("capture.bpf.o" in text for text in listed.values()) == 1
    for name, text in listed.items():
        assert "/tests/" not in text and "test_" not in text, f"'{name}' has tests in it"


def test_a_checkout_installs_with_pip(run: Run, uv: str, tmp_path: Path) -> None:
    copy = shutil.copytree(ROOT, tmp_path / "checkout", ignore=shutil.ignore_patterns(*LEFT_OUT))
    run(uv, "venv", "--seed", "--no-project", "--python", ROOT / ".venv/bin/python", tmp_path / "env", cwd=tmp_path)
    commands = tmp_path / "env/bin"
    run(uv, "pip", "install", "--python", commands / "python", "hatchling>=1.27", "editables", cwd=tmp_path)
    # An environment of its own for each build, as pip makes them else, takes most of the time; uv made them above.
    pip = [commands / "python", "-m", "pip", "install", "--quiet", "--no-compile", "--no-build-isolation"]
    run(*pip, "-r", "requirements-checkout.txt", cwd=copy)
    check(run, uv, commands, f"{CORE.name}[all]")
