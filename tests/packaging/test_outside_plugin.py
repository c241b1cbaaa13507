# SPDX-License-Identifier: Apache-2.0
"""The plugin from outside: made of public names alone, and working where it was installed from its wheel."""

from __future__ import annotations

import ast
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.packaging.members import ROOT, member
from tlshub_core import api, testing

Run = Callable[..., str]
HERE = ROOT / "tests/third_party/psk"
PUBLIC = {"tlshub_core.api": api.__all__, "tlshub_core.testing": testing.__all__}
PLUGIN = member(HERE)
OF_TESTS = {each.name for each in PLUGIN.extras["test"]} if PLUGIN.extras else set()


def imports(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Module and names of every import in that file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module
            yield node.module, [alias.name for alias in node.names]


@pytest.mark.parametrize("path", sorted(HERE.rglob("*.py")), ids=lambda path: path.name)
def test_it_imports_public_names_only(path: Path) -> None:
    declared = {each.name for each in PLUGIN.requires} | (OF_TESTS if path.parent.name == "tests" else set())
    for module, names in imports(path):
        top = module.partition(".")[0]
        if top == "tlshub_core":
            assert set(names) <= set(PUBLIC.get(module, ())), f"'{module}' is not public, or has no {names}"
        else:
            assert top in sys.stdlib_module_names or top in declared | {"tlshub_capture_psk"}, f"'{top}' is undeclared"


def test_its_own_tests_pass_where_it_is_installed(run: Run, outside: Path, tmp_path: Path) -> None:
    shutil.copytree(HERE / "tests", tmp_path / "tests")  # away from this project's configuration of pytest
    said = run(outside / "bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert "passed" in said and "failed" not in said


def test_it_is_listed(run: Run, outside: Path) -> None:
    rows = json.loads(run(outside / "bin/tlshub-capture", "plugins", "--json", cwd=outside))
    (row,) = [row for row in rows if row["name"] == "psk"]
    assert (row["kind"], row["state"], row["distribution"]) == ("key provider", "ok", PLUGIN.name)


def test_the_environment_has_what_was_built_and_nothing_of_the_checkout(run: Run, outside: Path) -> None:
    where = "import sys, tlshub_core, tlshub_capture_psk as p; print(tlshub_core.__file__, p.__file__, *sys.path)"
    said = run(outside / "bin/python", "-c", where, cwd=outside)
    assert str(ROOT / "tlshub_core") not in said and str(HERE) not in said
