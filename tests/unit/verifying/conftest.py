# SPDX-License-Identifier: Apache-2.0
"""A link between two namespaces, and rules for what crosses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.verifying.given import CONFIG
from tests.unit.verifying.spaces import Spaces, spaces


@pytest.fixture(scope="module")
def link() -> Iterator[Spaces]:
    try:
        with spaces() as found:
            yield found
    except OSError as error:
        pytest.skip(f"this user cannot make network namespaces: {error}")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "capture.toml").write_text(CONFIG + f'[control]\nsocket = "{tmp_path}/control.sock"\n')
    return tmp_path / "capture.toml"
