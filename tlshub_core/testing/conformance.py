# SPDX-License-Identifier: Apache-2.0
"""What the conformance classes of all four kinds share: a subclass in a plugin's own tests says what is tested.

A test of these classes must pass, but for those of a feature that a plugin may have or not: they run where `supports`
names the feature, or where the plugin itself says that it has it, and are skipped by name else. No plugin of pytest is
needed: what is asynchronous runs in an event loop of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ClassVar, TypeVar

import pytest

from tlshub_core.plugins import Registry
from tlshub_core.types.interfaces import Level, Probe
from tlshub_core.types.spec import Spec

F = TypeVar("F", bound=Callable[..., object])
_FEATURE = "tlshub_feature"


def opt_in(feature: str) -> Callable[[F], F]:
    """Marks a test that only plugins with that feature must pass."""

    def mark(test: F) -> F:
        setattr(test, _FEATURE, feature)
        return test

    return mark


def feature_of(test: object) -> str:
    """The feature that a test is about; empty for one that every plugin must pass."""
    return str(getattr(test, _FEATURE, ""))


def check_probe(probe: object) -> None:
    """Asserts that it is a probe's answer, with something to do where it failed."""
    assert isinstance(probe, Probe), f"'probe' returns a Probe, not {probe!r}"
    assert probe.message, "a Probe says in 'message' what was found"
    assert probe.level is not Level.FAILED or probe.remedy, "a failed Probe says in 'remedy' what to do"


class Conformance:
    """`spec` is the descriptor under test, `supports` the features that are tested besides what must pass."""

    spec: ClassVar[Spec[Any]]
    supports: ClassVar[Collection[str]] = ()

    def claimed(self) -> frozenset[str]:
        """The features to test: those of `supports`, and those that the plugin itself says it has."""
        return frozenset(self.supports)

    @classmethod
    def features(cls) -> frozenset[str]:
        """Every feature that a plugin of this kind may have."""
        tests = (getattr(cls, name) for name in dir(cls) if name.startswith("test_"))
        return frozenset(feature_of(test) for test in tests) - {""}

    @pytest.fixture(autouse=True)
    def _only_what_is_claimed(self, request: pytest.FixtureRequest) -> None:
        assert hasattr(self, "spec"), "say which plugin is tested: set 'spec' to its descriptor"
        feature = feature_of(request.function)
        if feature and feature not in self.claimed():
            pytest.skip(f"opt-in: not claimed; with '{feature}' in 'supports' it is tested")

    def test_spec_describes_itself(self) -> None:
        name, summary = self.spec.name, self.spec.summary
        assert name and name == name.strip().lower(), f"'name' goes into configurations: lower case, not {name!r}"
        assert summary and "\n" not in summary, "'summary' is one line, for the list of plugins"

    def test_unknown_option_is_refused(self) -> None:
        said = ""
        try:
            self.spec.config(no_such_option=1)
        except ValueError as error:
            said = str(error)
        assert "no_such_option" in said, f"an unknown option is an error that names it, not '{said}': extra='forbid'"

    def test_supports_names_features_that_exist(self) -> None:
        known = sorted(self.features())
        for feature in self.supports:
            assert feature in known, f"'supports' has '{feature}', a plugin of this kind may have {known}"

    @opt_in("installed")
    def test_is_installed_under_its_name(self) -> None:
        found = Registry().load(type(self.spec), self.spec.name)
        assert found.factory == self.spec.factory, f"the entry point '{self.spec.name}' leads to another plugin"
