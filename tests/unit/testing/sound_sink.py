# SPDX-License-Identifier: Apache-2.0
"""The conformance tests over a sink that appends lines to a file, and over what is made of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from tlshub_core.api import Event, EventSinkSpec
from tlshub_core.testing import EventSinkConformance


class Options(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid")

    path: Path


class Sink:
    """One line per event."""

    def __init__(self, options: Options) -> None:
        self.path, self.number = options.path, -1

    def open(self) -> None:
        self.number = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def write(self, events: Sequence[Event]) -> None:
        os.write(self.number, b"".join(f"{event!r}\n".encode(errors="backslashreplace") for event in events))

    def close(self) -> None:
        number, self.number = self.number, -1
        if number >= 0:
            os.close(number)


class LineByLine(Sink):
    """Takes lines as they were encoded, too."""

    def write_lines(self, lines: Sequence[bytes]) -> None:
        os.write(self.number, b"".join(line + b"\n" for line in lines))


class Sound(EventSinkConformance):
    """Breaks nothing; subclasses bring a `Sink` that does."""

    Sink: ClassVar[type[Sink]] = LineByLine
    spec = EventSinkSpec(name="file", summary="for tests", config=Options, factory=LineByLine)
    supports = ("lines",)
    breaks: ClassVar[str] = ""
    also: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls.spec = EventSinkSpec(name="file", summary="for tests", config=Options, factory=cls.Sink)

    def options(self, folder: Path) -> Mapping[str, object]:
        return {"path": folder / "events"}
