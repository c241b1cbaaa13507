# SPDX-License-Identifier: Apache-2.0
"""Events as JSON: what is encoded comes back the same, and nothing else is taken."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlshub_core.api import Event, events
from tlshub_core.events.line import line_of
from tlshub_core.testing.every_event import UNUSUAL, one_of_each
from tlshub_core.types.events import KINDS, decode, encode

FLOW = UUID(int=0x1234)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def test_every_type_of_event_is_known() -> None:
    defined = {v for v in vars(events).values() if isinstance(v, type) and issubclass(v, Event) and v is not Event}
    assert defined == set(KINDS)


@pytest.mark.parametrize("text", ["text", "", UNUSUAL, "\ud800", "\U0001f512"])
def test_what_is_encoded_comes_back_the_same(text: str) -> None:
    for event in one_of_each(FLOW, text):
        line = line_of(event)
        assert line.isascii()
        assert line.count(b"\n") == 1
        assert decode(json.loads(line)) == event


def test_a_flow_may_be_missing() -> None:
    event = events.Lost(time_ns=5, sink="x", count=3)
    assert encode(event) == {"schema": 1, "event": "Lost", "time_ns": 5, "flow": None, "sink": "x", "count": 3}
    assert decode(encode(event)) == event


def test_a_value_that_is_no_json_is_written_as_text() -> None:
    wrong = events.Lost(time_ns=5, sink=FLOW.bytes, count=3)  # type: ignore[arg-type]
    assert json.loads(line_of(wrong))["sink"] == str(FLOW.bytes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "event has schema 2, expected 1"),
        ({"schema": True}, "event has schema True, expected 1"),
        ({"event": "Nothing"}, "unknown event 'Nothing'"),
        ({"event": ["Connecting"]}, "unknown event"),
        ({"extra": 1}, "'Connecting' has fields"),
        ({"time_ns": True}, "'Connecting.time_ns' is bool, expected int"),
        ({"time_ns": 1.0}, "'Connecting.time_ns' is float, expected int"),
        ({"time_ns": None}, "'Connecting.time_ns' is NoneType, expected int"),
        ({"side": "Client"}, "'Connecting.side' has 'Client'"),
        ({"side": "middle"}, "'Connecting.side' has the unknown value 'middle'"),
        ({"mode": 3}, "'Connecting.mode' is int, expected str"),
        ({"flow": "{" + str(FLOW) + "}"}, "'Connecting.flow' has"),
        ({"flow": "x"}, "'Connecting.flow' has the unknown value 'x'"),
    ],
)
def test_anything_else_is_refused(change: dict[str, Any], words: str) -> None:
    body = encode(one_of_each(FLOW)[0]) | change
    with pytest.raises(ValueError, match=words.replace("{", r"\{")):
        decode(body)


@pytest.mark.parametrize("other", ["Lost", 1, None, [1], True])
def test_what_is_no_object_is_refused(other: object) -> None:
    with pytest.raises(ValueError, match=f"^event is {type(other).__name__}, expected an object$"):
        decode(other)


def test_a_number_of_more_than_64_bits_is_refused() -> None:
    body = encode(events.Lost(time_ns=5, sink="x", count=2**64 - 1))
    assert decode(body)
    for endless in (2**64, -(2**64)):
        with pytest.raises(ValueError, match=r"^'Lost\.count' has more than 64 bits$"):
            decode({**body, "count": endless})


def test_a_missing_field_is_refused() -> None:
    body = encode(one_of_each(FLOW)[0])
    for name in list(body):
        with pytest.raises(ValueError):
            decode({k: v for k, v in body.items() if k != name})


@given(st.sampled_from(one_of_each(FLOW)), st.data())
def test_a_changed_event_is_taken_as_it_is_or_refused(event: Event, data: st.DataObject) -> None:
    body = encode(event)
    body[data.draw(st.sampled_from(sorted(body)))] = data.draw(JSON)
    # Anything but a ValueError would go through and fail the test.
    with suppress(ValueError):
        assert encode(decode(body)) == body


@given(st.dictionaries(st.sampled_from(["schema", "event", "time_ns", "flow", "sink", "count"]) | st.text(), JSON))
def test_any_object_is_taken_as_it_is_or_refused(body: dict[str, object]) -> None:
    # Anything but a ValueError would go through and fail the test.
    with suppress(ValueError):
        assert encode(decode(body)) == body
