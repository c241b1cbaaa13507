# SPDX-License-Identifier: Apache-2.0
"""Requests: what is written comes back, and nothing else gets in."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlshub_core.control import requests, wire
from tlshub_core.control.requests import Bypass, Flows, Provider, Providers, Reload, Report, Request, Rules, Status, Top
from tlshub_core.control.shape import build, dumps, loads

minutes = st.integers(0, requests.MAX_MINUTES)
names = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=100)
anything: st.SearchStrategy[Request] = (
    st.sampled_from([Status(), Rules(), Reload(), Providers(), Report()])
    | st.builds(Flows, state=st.sampled_from(["", "held", "open"]), limit=st.integers(1, requests.MAX_FLOWS))
    | st.builds(Top, limit=st.integers(1, 200), order=st.sampled_from(requests.ORDERS), text=st.just("") | names)
    | st.builds(Bypass, on=st.booleans(), minutes=minutes)
    | st.builds(Provider, name=names)
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@given(anything)
def test_round_trip(request: Request) -> None:
    line = requests.encode(request)
    assert requests.decode(line) == request
    assert line.endswith(b"\n") and line.count(b"\n") == 1 and len(line) <= requests.LIMIT


@given(st.binary(max_size=500))
def test_random_bytes_raise_nothing_but_value_errors(noise: bytes) -> None:
    with suppress(ValueError):
        requests.decode(noise)
    with suppress(ValueError):
        wire.parse(noise)


@given(plain, st.sampled_from(["", *requests.COMMANDS]))
def test_any_json_is_a_request_or_refused(value: object, command: str) -> None:
    if isinstance(value, dict) and command:
        value = {**value, "version": 1, "command": command}
    try:
        request = requests.decode(json.dumps(value).encode())
    except ValueError:
        return
    assert loads(requests.encode(request)) == value


@given(anything, st.data())
def test_a_field_more_less_or_of_another_type_is_refused(request: Request, data: st.DataObject) -> None:
    good = loads(requests.encode(request))
    assert isinstance(good, dict)
    name = data.draw(st.sampled_from(sorted(good)))
    other = data.draw(plain.filter(lambda value: type(value) is not type(good[name])))
    lacking = {key: value for key, value in good.items() if key != name}
    for wrong in (lacking, {**good, name: other}, {**good, "more": 1}):
        with pytest.raises(ValueError):
            requests.decode(dumps(wrong).encode())


HEAD = b'{"version":1,"command":'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "not JSON"),
        (b"\n", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b'{"version":1}', "unknown command 'None'"),
        (b'{"version":2,"command":"status"}', "'version' is 2, this agent knows 1: use the 'tlshub-capture' of its"),
        (b'{"version":true,"command":"status"}', "'version' is True"),
        (b'{"version":1.0,"command":"status"}', "'version' is 1.0"),
        (HEAD + b'"statos"}', "unknown command 'statos', did you mean 'status'?"),
        (HEAD + b'"' + b"x" * 3000 + b'"}', "unknown command 'xxxxxxxxxx"),
        (HEAD + b'["status"]}', "unknown command"),
        (HEAD + b'"status","version":1}', "a key is there twice"),
        (HEAD + b'"status","more":0}', "unknown field 'more'"),
        (HEAD + b'"flows","state":""}', "field 'limit' is missing"),
        (HEAD + b'"flows","state":"","limit":true}', "field 'limit' is of type 'bool', expected 'int'"),
        (HEAD + b'"flows","state":"","limit":0}', "the limit is out of range"),
        (HEAD + b'"flows","state":"","limit":NaN}', "'NaN' is no JSON"),
        (HEAD + b'"flows","state":"","limit":' + b"9" * 4000 + b"}", "field 'limit' has more than 64 bits"),
        (HEAD + b'"flows","state":"opened","limit":1}', "unknown state 'opened', expected one of 'held', 'new'"),
        (HEAD + b'"top","limit":201,"order":"newest","text":""}', "the limit is out of range: 1 to 200"),
        (HEAD + b'"top","limit":1,"order":"latest","text":""}', "unknown order 'latest', expected one of 'newest'"),
        (HEAD + b'"top","limit":1,"order":"newest","text":"\\u001b"}', "at most 100 printable characters"),
        (HEAD + b'"top","limit":1,"order":"newest","text":"' + b"x" * 101 + b'"}', "at most 100 printable characters"),
        (HEAD + b'"bypass","on":1,"minutes":0}', "field 'on' is of type 'int', expected 'bool'"),
        (HEAD + b'"bypass","on":true,"minutes":-1}', "the minutes are out of range"),
        (HEAD + b'"bypass","on":true,"minutes":10081}', "the minutes are out of range: 1 to 10080"),
        (HEAD + b'"provider","name":""}', "1 to 100 printable characters"),
        (HEAD + b'"provider","name":"a\\nb"}', "1 to 100 printable characters"),
        (HEAD + b'"provider","name":"\\ud800"}', "1 to 100 printable characters"),
        (b"\xff\xfe", "not UTF-8: byte 0 is wrong"),
        (HEAD + b'"provider","name":"\xff"}', "not UTF-8: byte 42 is wrong"),
        (b"[" * 4000, "nested too deeply"),
        (b'{"a":' * 4000, "nested too deeply"),
    ],
)
def test_what_is_refused_is_named(line: bytes, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        requests.decode(line)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


def test_all_commands_are_known_by_their_names() -> None:
    known = {"status", "flows", "top", "rules", "reload", "bypass", "providers", "provider", "report"}
    assert set(requests.COMMANDS) == known


def test_what_is_built_is_exactly_what_its_type_says() -> None:
    assert build(wire.Failure, {"message": "m", "file": "", "table": "", "key": ""}) == wire.Failure(message="m")
    for wrong in ({"message": 1, "file": "", "table": "", "key": ""}, {"message": "m"}, [], None):
        with pytest.raises(ValueError):
            build(wire.Failure, wrong)
