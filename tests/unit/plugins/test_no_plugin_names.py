# SPDX-License-Identifier: Apache-2.0
"""The core knows no plugin by name, but for what files of the original tool stand for."""

from __future__ import annotations

import ast
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import tlshub_core

CORE = Path(tlshub_core.__file__).parent
NAMES = {entry.name for entry in entry_points(group="tlshub_capture") if not entry.value.startswith("tlshub_core.")}


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: str(path.relative_to(CORE)))
def test_no_constant_is_a_plugins_name(path: Path) -> None:
    constants = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
    assert NAMES
    assert path.name == "legacy.py" or not constants & NAMES
