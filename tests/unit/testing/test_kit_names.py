# SPDX-License-Identifier: Apache-2.0
"""What `tlshub_core.testing` offers is there, and what exists for tests alone cannot be configured."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.unit.testing.outcomes import outcomes_of
from tlshub_core import testing
from tlshub_core.api import events
from tlshub_core.plugins import Registry
from tlshub_core.types.errors import PluginError


@pytest.mark.parametrize("name", testing.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(testing, name) is not None


def test_another_name_is_an_error_that_lists_them() -> None:
    with pytest.raises(AttributeError, match="has no 'KeyProvider'; it has UNUSUAL, CaptureBackendConformance"):
        testing.KeyProvider  # noqa: B018 - the lookup is the test


def test_there_is_one_event_of_each_kind() -> None:
    assert [type(event) for event in testing.one_of_each()] == list(events.KINDS)


def test_nothing_that_is_for_tests_is_an_entry_point() -> None:
    assert not [entry for entry in entry_points(group="tlshub_capture") if entry.value.startswith(testing.__name__)]
    with pytest.raises(PluginError, match="no plugin named 'deterministic' is installed"):
        Registry().key_provider("deterministic")


def test_a_class_that_does_not_say_what_it_tests_is_told_so(tmp_path: Path) -> None:
    text = "from tlshub_core.testing import EventSinkConformance\nclass TestMine(EventSinkConformance):\n    pass\n"
    (tmp_path / "test_mine.py").write_text(text)
    results = outcomes_of(tmp_path / "test_mine.py")["TestMine"]
    assert {result.outcome for result in results.values()} == {"failed"}
    assert all("say which plugin is tested: set 'spec'" in result.why for result in results.values())
