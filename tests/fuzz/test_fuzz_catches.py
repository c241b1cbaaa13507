# SPDX-License-Identifier: Apache-2.0
"""The fuzzer can fail: a fault that no seed shows is found out, and the input that is named shows it again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.kit.target import ROOT

pytest.importorskip("atheris", reason="the fuzzer has no wheel for this Python or machine")
ENOUGH_S = 600  # of the clock, on a machine that is busy; it ends with the finding
# Each with what it says of its fault.
BROKEN = {
    "broken.frames": ("ValueError: bytes is not a 16-char string", "AssertionError: ", "IndexError: "),
    "broken.session": ("was the answer to ",),
}
Done = subprocess.CompletedProcess[str]


def _python(*arguments: str) -> Done:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2 * ENOUGH_S)


@pytest.fixture(scope="module", params=BROKEN)
def broken(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def run(broken: str, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("fuzz")
    return _python("tests.fuzz", "--seconds", str(ENOUGH_S), "--folder", str(folder), broken)


def test_a_fault_is_found_out(broken: str, run: Done) -> None:
    assert run.returncode == 1, run.stdout + run.stderr
    assert f"fuzz: '{broken}' has a finding:" in run.stdout
    assert any(words in run.stdout for words in BROKEN[broken])


def test_the_seeds_alone_do_not_show_it(broken: str, run: Done) -> None:
    seeds = _python("tests.fuzz.kit.replay", "--lines", broken, "/nonexistent")
    assert seeds.returncode == 0, seeds.stderr
    row = next(line for line in run.stdout.splitlines() if line.startswith(broken))
    assert "a finding" in row
    assert int(row.split()[1]) > 0


def test_the_command_that_is_named_shows_it_again(broken: str, run: Done) -> None:
    again = next(line for line in run.stdout.splitlines() if line.startswith("  again: ")).split()[1:]
    shown = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, timeout=ENOUGH_S)
    assert shown.returncode == 1
    assert any(words in shown.stderr for words in BROKEN[broken])
    sound = _python("tests.fuzz.kit.replay", broken.removeprefix("broken."), Path(again[-1]).as_posix())
    assert sound.returncode == 0, "the same input, and the code as it is"


def test_a_target_that_does_not_exist_is_said(tmp_path: Path) -> None:
    done = _python("tests.fuzz", "--seconds", "1", "--folder", str(tmp_path), "none")
    assert done.returncode == 1
    assert "'none' could not be fuzzed" in done.stdout
    assert "No module named 'tests.fuzz.targets.none'" in done.stdout
