# SPDX-License-Identifier: Apache-2.0
"""'completion': a real shell completes by it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tlshub_core.cli.completion import SHELLS
from tlshub_core.cli.main import main

COMPLETE = """
source "$1"
COMP_WORDS=($2) COMP_CWORD=$3 COMPREPLY=()
_tlshub_capture_completion tlshub-capture
echo "${COMPREPLY[@]}"
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """For bash, in a folder with the command."""
    command = tmp_path / "tlshub-capture"
    command.write_text(f"#!{sys.executable}\nfrom tlshub_core.cli.main import main\nmain(prog_name='tlshub-capture')\n")
    command.chmod(0o755)
    script = tmp_path / "completion"
    script.write_text(CliRunner().invoke(main, ["completion", "bash"]).stdout)
    return script


@pytest.mark.parametrize(
    ("words", "at", "found"),
    [
        ("tlshub-capture do", 1, ["doctor"]),
        ("tlshub-capture ctl st", 2, ["status"]),
        ("tlshub-capture ctl flows --state ref", 4, ["refused"]),
        ("tlshub-capture top --o", 2, ["--once"]),
        ("tlshub-capture completion ", 2, list(SHELLS)),
    ],
)
def test_bash_completes(script: Path, words: str, at: int, found: list[str]) -> None:
    environment = {"PATH": f"{script.parent}:/usr/bin:/bin"}
    command = ["bash", "--norc", "-c", COMPLETE, "bash", str(script), words, str(at)]
    done = subprocess.run(command, env=environment, text=True, capture_output=True, check=True)
    assert done.stdout.split() == found, done


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script_that_it_can_read(shell: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0 and f"_TLSHUB_CAPTURE_COMPLETE={shell}_complete" in result.stdout
    if path := shutil.which(shell):
        (tmp_path / "script").write_text(result.stdout)
        subprocess.run([path, "-n", str(tmp_path / "script")], check=True)


def test_another_shell_is_a_wrong_call() -> None:
    assert CliRunner().invoke(main, ["completion", "csh"]).exit_code == 2
