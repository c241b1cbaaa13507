# SPDX-License-Identifier: Apache-2.0
"""Prints the JSON Schema of events ('docs/reference/events.schema.json'), made of their types."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

from tlshub_core.numbers import MOST
from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason
from tlshub_core.types.events import KINDS, SCHEMA_VERSION, Event
from tlshub_core.types.flow import Mode, Side

Schema = dict[str, Any]
_NULL = " | None"
_HEX = "[0-9a-f]"
_ABOUT = (
    "A line that this release's event sink 'jsonl' writes. 'time_ns' is CLOCK_MONOTONIC in nanoseconds, 'flow' the "
    "connection, null for what is about none; docs/reference/plugins.md says what the other names mean."
)


def main() -> int:
    """Print it."""
    print(json.dumps(schema(KINDS), indent=1))
    return 0


def schema(kinds: Iterable[type[Event]]) -> Schema:
    """What each of these types of event is as JSON: an object of exactly these fields."""
    defined = {kind.__name__: _of(kind) for kind in kinds}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Event of tlshub-capture",
        "description": _ABOUT,
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in defined],
        "$defs": defined,
    }


def _of(kind: type[Event]) -> Schema:
    fields = {field.name: _value(str(field.type)) for field in dataclasses.fields(kind)}
    properties = {"schema": {"const": SCHEMA_VERSION}, "event": {"const": kind.__name__}, **fields}
    return {
        "description": " ".join((kind.__doc__ or "").split()),
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _value(annotation: str) -> Schema:
    if annotation.endswith(_NULL):
        return {"anyOf": [_value(annotation.removesuffix(_NULL)), {"type": "null"}]}
    return dict(_VALUES[annotation])


def _one_of(names: Iterable[Enum], text: Callable[[Enum], str]) -> Schema:
    return {"enum": [text(name) for name in names]}


def _lower(name: Enum) -> str:
    return name.name.lower()


# By annotation: what `events.encode` makes of a value.
_VALUES: Mapping[str, Schema] = {
    "int": {"type": "integer", "minimum": -MOST, "maximum": MOST},
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "UUID": {"type": "string", "maxLength": 36, "pattern": f"^{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}$"},
    "Side": _one_of(Side, _lower),
    "Mode": _one_of(Mode, _lower),
    "State": _one_of(State, _lower),
    "Reason": _one_of(Reason, lambda reason: str(reason.value)),
}


if __name__ == "__main__":
    sys.exit(main())
