# SPDX-License-Identifier: Apache-2.0
"""The schema of events is that of this code, and takes what the code takes: its events, and no others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tlshub_core.api import Event, events
from tlshub_core.events.line import line_of
from tlshub_core.testing.every_event import UNUSUAL, one_of_each
from tlshub_core.types.events import KINDS, decode, encode

FOLDER = Path(__file__).parents[3] / "docs/reference"
FLOW = UUID(int=0x1234)
PUBLISHED = json.loads((FOLDER / "events.schema.json").read_text())
VALIDATOR = Draft202012Validator(PUBLISHED)
# Without floats: JSON Schema takes 1.0 for an integer, and the code does not.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([2**64 - 1, 2**64, -(2**64), f"{FLOW}\n"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
VALUES = sorted({value for one in one_of_each(FLOW) for value in encode(one).values() if isinstance(value, str)})


def is_decoded(body: object) -> bool:
    """Whether the code takes it for an event."""
    try:
        decode(body)
    except ValueError:
        return False
    return True


def test_it_is_up_to_date() -> None:
    made = subprocess.run([sys.executable, str(FOLDER / "schema.py")], text=True, capture_output=True, check=True)
    assert made.stdout == (FOLDER / "events.schema.json").read_text(), "run `make reference`"


def test_it_is_a_schema_of_every_type_of_event() -> None:
    Draft202012Validator.check_schema(PUBLISHED)
    assert set(PUBLISHED["$defs"]) == {kind.__name__ for kind in KINDS}
    assert all(one["description"] for one in PUBLISHED["$defs"].values())


@pytest.mark.parametrize("text", ["text", "", UNUSUAL, "\U0001f512"])
def test_every_event_is_valid_as_it_is_written(text: str) -> None:
    for event in (*one_of_each(FLOW, text), events.Lost(time_ns=-1, sink=text, count=2**64 - 1)):
        VALIDATOR.validate(json.loads(line_of(event)))


@pytest.mark.parametrize("event", one_of_each(FLOW), ids=lambda event: type(event).__name__)
def test_no_field_may_be_missing_or_be_one_too_many(event: Event) -> None:
    body = encode(event)
    for name in body:
        assert not VALIDATOR.is_valid({key: value for key, value in body.items() if key != name}), name
    assert not VALIDATOR.is_valid({**body, "one-more": 1})


@given(st.sampled_from(one_of_each(FLOW)), st.data())
def test_what_is_changed_is_valid_where_the_code_takes_it(event: Event, data: st.DataObject) -> None:
    body = encode(event)
    name = data.draw(st.sampled_from(sorted(body)))
    body[name] = data.draw(JSON | st.sampled_from(VALUES))
    assert VALIDATOR.is_valid(body) == is_decoded(body)


@given(JSON)
def test_nothing_else_is_valid(body: object) -> None:
    assert not VALIDATOR.is_valid(body)
