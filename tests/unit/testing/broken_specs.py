# SPDX-License-Identifier: Apache-2.0
"""Descriptors that each break what one conformance test wants; it is the same for plugins of all kinds."""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel

from tests.unit.testing.sound import Sound


class TestSound(Sound):
    """Breaks nothing."""


class TestNameInCapitals(Sound):
    breaks = "test_spec_describes_itself"
    spec = replace(Sound.spec, name="Deterministic ")


class TestSummaryOfTwoLines(Sound):
    breaks = "test_spec_describes_itself"
    spec = replace(Sound.spec, summary="two\nlines")


class AnyOptions(BaseModel):
    """Takes every option."""


class TestAnyOption(Sound):
    breaks = "test_unknown_option_is_refused"
    spec = replace(Sound.spec, config=AnyOptions)


class TestUnheardOf(Sound):
    breaks = "test_supports_names_features_that_exist"
    supports = ("promises", "teleportation")


class TestNoFamilies(Sound):
    breaks = "test_spec_names_its_families"
    spec = replace(Sound.spec, families=frozenset())


class TestNotInstalled(Sound):
    breaks = "test_is_installed_under_its_name"
    supports = ("promises", "installed")
