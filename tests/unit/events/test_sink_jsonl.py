# SPDX-License-Identifier: Apache-2.0
"""The sink 'jsonl' and the output that it shares: whole lines, appended, and found again after a rename."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.events.sinks_for_tests import small_files
from tlshub_core.events import jsonl
from tlshub_core.events.human import duration, printable, size
from tlshub_core.events.line import line_of
from tlshub_core.events.output import Output
from tlshub_core.testing.every_event import UNUSUAL, one_of_each
from tlshub_core.testing.sink import EventSinkConformance
from tlshub_core.types.events import decode, encode


class TestJsonl(EventSinkConformance):
    spec = next(iter(jsonl.tlshub_event_sinks()))
    supports = ("installed", "lines")

    def options(self, folder: Path) -> Mapping[str, object]:
        return {"path": folder / "events.jsonl"}


def test_lines_are_the_events(tmp_path: Path) -> None:
    path, batch = tmp_path / "events.jsonl", one_of_each(text=UNUSUAL)
    for _ in range(2):
        sink = jsonl.JsonlSink(jsonl.JsonlConfig(path=path))
        sink.open()
        sink.write(batch)
        sink.close()
    assert [decode(json.loads(line)) for line in path.read_bytes().splitlines()] == batch * 2
    assert path.stat().st_mode & 0o777 & ~0o640 == 0


def test_lines_as_they_came_are_those_that_events_would_make(tmp_path: Path) -> None:
    batch = one_of_each(text=UNUSUAL)
    one, two = (jsonl.JsonlSink(jsonl.JsonlConfig(path=tmp_path / name)) for name in ("one", "two"))
    one.write(batch)
    two.write_lines([line_of(event)[:-1] for event in batch])
    one.close()
    two.close()
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_template_writes_what_json_would() -> None:
    for event in one_of_each(text=UNUSUAL):
        assert line_of(event) == json.dumps(encode(event), separators=(",", ":")).encode() + b"\n"


def test_a_path_is_needed() -> None:
    with pytest.raises(ValueError, match="path"):
        jsonl.JsonlConfig()  # type: ignore[call-arg]


def test_a_renamed_or_removed_file_is_made_anew(tmp_path: Path) -> None:
    path, output = tmp_path / "out", Output(tmp_path / "out")
    output.write(b"one\n")
    path.rename(tmp_path / "out.1")
    output.write(b"two\n")
    path.unlink()
    output.write(b"three\n")
    output.close()
    assert (tmp_path / "out.1").read_bytes() == b"one\n"
    assert path.read_bytes() == b"three\n"


def test_a_folder_that_is_missing_is_an_error_until_it_is_there(tmp_path: Path) -> None:
    output = Output(tmp_path / "later" / "out")
    with pytest.raises(FileNotFoundError):
        output.open()
    (tmp_path / "later").mkdir()
    output.write(b"one\n")
    assert (tmp_path / "later" / "out").read_bytes() == b"one\n"


def test_a_torn_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    path, output = tmp_path / "out", Output(tmp_path / "out")
    with small_files(), pytest.raises(OSError):
        output.write(b"0123456789abc\n")
    os.truncate(path, 5)
    output.write(b"ok\n")
    output.close()
    assert path.read_bytes() == b"01234\nok\n"


def test_a_line_that_a_killed_one_tore_does_not_spoil_the_next(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"whole\nha")
    for line in (b"one\n", b"two\n"):
        output = Output(tmp_path / "out")
        output.write(line)
        output.close()
    assert (tmp_path / "out").read_bytes() == b"whole\nha\none\ntwo\n"


def test_standard_output_is_left_open(capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        output = Output(None)
        output.write(b"line\n")
        output.close()
    assert capfd.readouterr().out == "line\nline\n"


@pytest.mark.parametrize(
    ("ns", "shown"),
    [
        (0, "0 us"), (999_999, "999 us"), (1_000_000, "1.0 ms"), (999_949_999, "999.9 ms"), (999_950_000, "1.0 s"),
        (59_949_000_000, "59.9 s"), (59_950_000_000, "1 min 0 s"), (3_599_400_000_000, "59 min 59 s"),
        (3_599_500_000_000, "1 h 0 min"), (90_000_000_000_000, "25 h 0 min"),
    ],
)  # fmt: skip
def test_durations_are_readable(ns: int, shown: str) -> None:
    assert duration(ns) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"),
     (2**40, "1.1 TB")],
)  # fmt: skip
def test_sizes_are_readable(count: int, shown: str) -> None:
    assert size(count) == shown


def test_controls_are_shown_as_escapes() -> None:
    assert printable("a\nb\x1b\ud800ü") == r"a\nb\x1b\ud800ü"
