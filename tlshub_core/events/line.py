# SPDX-License-Identifier: Apache-2.0
"""The form of an event between processes and in files: one JSON object, in ASCII, on one line."""

from __future__ import annotations

import json

from tlshub_core.types.events import Event, encode


def line_of(event: Event) -> bytes:
    """The event as one line with its newline; a value that JSON does not know goes as its text, never as an error."""
    return json.dumps(encode(event), separators=(",", ":"), default=str).encode() + b"\n"
