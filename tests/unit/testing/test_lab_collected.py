# SPDX-License-Identifier: Apache-2.0
"""The lab's tests can all be imported: no type checker reads them, and the lab is a slow place to learn that of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_test_of_the_lab_is_found(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "--import-mode=importlib", "--collect-only", "-q"]
    found = subprocess.run(
        [*command, "-p", "no:cacheprovider", "tests/lab"],
        cwd=ROOT,
        env={**os.environ, "LAB_NODES": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-4000:]
    files = {line.partition("::")[0] for line in found.stdout.splitlines() if "::" in line}
    assert files == {f"tests/lab/{path.name}" for path in (ROOT / "tests/lab").glob("test_*.py")}
