# SPDX-License-Identifier: Apache-2.0
"""The references are those of this code, and what is not documented does not get through."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tlshub_core

CORE = Path(tlshub_core.__file__).parent
FOLDER = CORE.parent / "docs/reference"


def made(folder: Path, script: str = "make.py") -> subprocess.CompletedProcess[str]:
    """A reference of the core in that folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, str(FOLDER / script)]
    return subprocess.run(command, env=environment, text=True, capture_output=True, check=False)


@pytest.mark.parametrize(("script", "page"), [("make.py", "plugins.md"), ("configuration.py", "configuration.md")])
def test_it_is_up_to_date(script: str, page: str) -> None:
    assert made(CORE.parent, script).stdout == (FOLDER / page).read_text(), "run `make reference`"


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("hookspecs.py", '"""Describe the event sinks of this plugin."""', "tlshub_event_sinks"),
        ("types/spec.py", '"""One line for the list of plugins."""', "Spec.summary"),
        ("types/interfaces.py", '"""The pod with that name, None where it is unknown; memory only."""', "by_name"),
        ("types/interfaces.py", '"""Supplies keys for flows."""', "KeyProvider"),
        ("types/events.py", '"""A process called into a socket that was not open yet."""', "events.Held"),
    ],
)
def test_what_has_no_docstring_fails(tmp_path: Path, file: str, text: str, name: str) -> None:
    copy = shutil.copytree(CORE, tmp_path / "tlshub_core", ignore=shutil.ignore_patterns("__pycache__"))
    source = (copy / file).read_text()
    assert source.count(text) == 1
    (copy / file).write_text(source.replace(text, "pass"))
    done = made(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{name}' has no docstring: say what it is" in done.stderr


def test_an_option_without_a_meaning_fails(tmp_path: Path) -> None:
    copy = shutil.copytree(CORE, tmp_path / "tlshub_core", ignore=shutil.ignore_patterns("__pycache__"))
    tables = copy / "config/rules.py"
    text = '"""Another key provider than that of \'[keys]\', and for these connections no other."""'
    source = tables.read_text()
    assert source.count(text) == 1
    tables.write_text(source.replace(text, ""))
    done = made(tmp_path, "configuration.py")
    assert (done.returncode, done.stdout) == (1, "")
    assert "'Rule.provider' is not documented: write a text after it" in done.stderr
