# SPDX-License-Identifier: Apache-2.0
"""The page for authors of plugins: its files are a package that can be built and installed, and passes its tests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.packaging.members import ROOT

Run = Callable[..., str]
Installed = Callable[[Sequence[str]], Path]
PAGE = ROOT / "docs/writing-a-plugin.md"
FILE = re.compile(r"`([\w./]+)`(?:,[^`\n]*)?:\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PARTS = 9


def written(folder: Path) -> Path:
    """The package on the page, in that folder."""
    files = FILE.findall(PAGE.read_text())
    assert len(files) == PARTS, [name for name, _ in files]
    for name, text in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_every_block_of_python_is_a_file() -> None:
    assert len(re.findall(r"^```python$", PAGE.read_text(), re.MULTILINE)) == PARTS - 1


def test_the_package_on_the_page_works(run: Run, uv: str, installed: Installed, tmp_path: Path) -> None:
    folder = written(tmp_path / "hello")
    run(uv, "build", "--quiet", "--wheel", "--out-dir", tmp_path / "built", folder)
    (wheel,) = (tmp_path / "built").glob("*.whl")
    commands = installed(["tlshub-capture", f"tlshub-capture-hello[test] @ {wheel.as_uri()}"])
    rows = json.loads(run(commands / "tlshub-capture", "plugins", "--json", cwd=tmp_path))
    mine = {row["name"]: row["state"] for row in rows if row["distribution"] == "tlshub-capture-hello"}
    assert mine == {"hello": "ok", "json_pods": "ok", "tally": "ok"}
    words = ["-v", "-p", "no:cacheprovider", "--rootdir", folder, folder / "tests"]
    said = run(commands / "python", "-m", "pytest", *words, cwd=folder)
    for name in ("TestHello", "TestJsonPods", "TestTally", "TestBackend"):
        assert f"::{name}::" in said, f"'{name}' was not run"


def test_its_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text()):
        assert (PAGE.parent / link).exists(), f"'{link}' is not there"
