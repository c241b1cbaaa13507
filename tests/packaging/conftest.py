# SPDX-License-Identifier: Apache-2.0
"""Wheels of this checkout, built once, and empty environments to install them into."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.packaging.members import ROOT

Run = Callable[..., str]
# What uv and pip say where there is no way to the index.
UNREACHABLE = ("error sending request", "dns error", "Failed to fetch", "Connection refused", "NewConnectionError")


@pytest.fixture(scope="session")
def run() -> Run:
    """Runs a command and returns its output; skips where it needs the package index and cannot reach it."""

    def _run(*words: str | Path, cwd: Path = ROOT) -> str:
        done = subprocess.run(list(map(str, words)), cwd=cwd, text=True, capture_output=True, timeout=300)
        if done.returncode and any(sign in done.stderr for sign in UNREACHABLE):
            pytest.skip(f"the package index cannot be reached: {done.stderr.strip().splitlines()[-1]}")
        assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}"
        return done.stdout

    return _run


@pytest.fixture(scope="session")
def uv() -> str:
    """The command; `lab/setup` installs one where there is none."""
    found = shutil.which("uv") or shutil.which(ROOT / ".cache/uv/bin/uv")
    if found is None:
        pytest.skip("there is no 'uv': run 'lab/setup'")
    return found


@pytest.fixture(scope="session")
def outside(run: Run, uv: str) -> Path:
    """The environment with everything, and the plugin from outside."""
    run(ROOT / "tests/third_party/install")
    return ROOT / "build/third-party"


@pytest.fixture(scope="session")
def wheels(outside: Path) -> Path:
    """The folder with the wheels of all members, and of the plugin from outside."""
    return ROOT / "build/wheels"


@pytest.fixture
def installed(run: Run, uv: str, wheels: Path, tmp_path: Path) -> Callable[[Sequence[str]], Path]:
    """Installs requirements from the wheels into an empty environment; its folder of commands."""

    def install(requirements: Sequence[str]) -> Path:
        run(uv, "venv", "--no-project", "--python", ROOT / ".venv/bin/python", tmp_path / "env", cwd=tmp_path)
        python = tmp_path / "env/bin/python"
        command = [uv, "pip", "install", "--python", python, "--find-links", wheels, "--no-build", "--reinstall"]
        run(*command, *requirements, cwd=tmp_path)
        return python.parent

    return install
