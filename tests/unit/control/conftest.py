# SPDX-License-Identifier: Apache-2.0
"""Installed key providers: the one that runs from the start, and another one."""

from __future__ import annotations

import pytest

from tests.unit.plugins.actor import CODE
from tests.unit.plugins.conftest import Install, install

__all__ = ["install"]


@pytest.fixture
def installed(install: Install) -> None:
    """'scripted' and 'garnet' can be looked up."""
    for name in ("scripted", "garnet"):
        install(name, code=CODE.replace("{name}", name))
