# SPDX-License-Identifier: Apache-2.0
"""The fuzzer can fail: a decoder with a fault that no seed shows is found out, and its input says so again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.kit.target import ROOT

pytest.importorskip("atheris", reason="the fuzzer has no wheel for this Python or machine")
ENOUGH_S = 60


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    folder = tmp_path_factory.mktemp("fuzz")
    return _python("tests.fuzz", "--seconds", str(ENOUGH_S), "--folder", str(folder), "broken.frames")


def test_a_broken_decoder_is_found_out(run: subprocess.CompletedProcess[str]) -> None:
    assert run.returncode == 1, run.stdout + run.stderr
    assert "fuzz: 'broken.frames' has a finding:" in run.stdout
    assert "ValueError: bytes is not a 16-char string" in run.stdout or "AssertionError" in run.stdout


def test_the_seeds_alone_do_not_show_it(run: subprocess.CompletedProcess[str]) -> None:
    table = next(line for line in run.stdout.splitlines() if line.startswith("broken.frames"))
    seeds = _python("tests.fuzz.kit.replay", "--lines", "broken.frames", "/nonexistent")
    assert seeds.returncode == 0, seeds.stderr
    assert "a finding" in table
    assert int(table.split()[1]) > 0


def test_the_command_that_is_named_shows_it_again(run: subprocess.CompletedProcess[str]) -> None:
    again = next(line for line in run.stdout.splitlines() if line.startswith("  again: ")).split()[1:]
    broken = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert broken.returncode == 1
    assert "Error" in broken.stderr.splitlines()[-1]
    sound = _python("tests.fuzz.kit.replay", "frames", Path(again[-1]).as_posix())
    assert sound.returncode == 0, "the same input, and the decoder as it is"


def test_a_target_that_does_not_exist_is_said(tmp_path: Path) -> None:
    done = _python("tests.fuzz", "--seconds", "1", "--folder", str(tmp_path), "none")
    assert done.returncode == 1
    assert "'none' could not be fuzzed" in done.stdout
    assert "No module named 'tests.fuzz.targets.none'" in done.stdout
