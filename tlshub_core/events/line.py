# SPDX-License-Identifier: Apache-2.0
"""The form of an event between processes and in files: one JSON object, in ASCII, on one line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from operator import attrgetter
from typing import Any

from tlshub_core.types.capture import State
from tlshub_core.types.errors import Reason
from tlshub_core.types.events import KINDS, SCHEMA_VERSION, Event, encode
from tlshub_core.types.flow import Mode, Side

Writer = Callable[[Any], str]


def line_of(event: Event) -> bytes:
    """The event as one line with its newline; a value that JSON does not know goes as its text, never as an error."""
    template, values, writers = _FORMS[type(event)]
    try:
        return (template % tuple([write(value) for write, value in zip(writers, values(event), strict=True)])).encode()
    except (TypeError, KeyError):  # not of the type that its field says
        return json.dumps(encode(event), separators=(",", ":"), default=str).encode() + b"\n"


# By annotation. Several of these are written for each connection, and json.dumps would cost more than all of TLS.
_WRITERS: dict[str, Writer] = {
    "int": int.__repr__,
    "int | None": lambda number: "null" if number is None else int.__repr__(number),
    "str": encode_basestring_ascii,
    "bool": {True: "true", False: "false"}.__getitem__,
    "UUID | None": lambda flow: f'"{flow}"' if flow else "null",
    "Side": {side: f'"{side.name.lower()}"' for side in Side}.__getitem__,
    "Mode": {mode: f'"{mode.name.lower()}"' for mode in Mode}.__getitem__,
    "State": {state: f'"{state.name.lower()}"' for state in State}.__getitem__,
    "Reason": {reason: f'"{reason.value}"' for reason in Reason}.__getitem__,
}


def _form(kind: type[Event]) -> tuple[str, Callable[[Event], tuple[object, ...]], list[Writer]]:
    fields = dataclasses.fields(kind)
    body = ",".join(f'"{field.name}":%s' for field in fields)
    template = f'{{"schema":{SCHEMA_VERSION},"event":"{kind.__name__}",{body}}}\n'
    return template, attrgetter(*(field.name for field in fields)), [_WRITERS[str(field.type)] for field in fields]


_FORMS = {kind: _form(kind) for kind in KINDS}
