# SPDX-License-Identifier: Apache-2.0
"""The sink 'csv': a row for each connection, whatever was lost, and no text that leaves its cell or is computed."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.events.lives import BEGAN_NS, MS, Life
from tests.unit.events.sinks_for_tests import small_files
from tlshub_core.api import Event, Mode, Reason, Side, State, events
from tlshub_core.events import csv as sink_of_rows
from tlshub_core.events.csv import CsvConfig, CsvSink
from tlshub_core.events.row import COLUMNS, cell
from tlshub_core.testing.every_event import UNUSUAL, one_of_each
from tlshub_core.testing.sink import EventSinkConformance

PAGE = Path(__file__).parents[3] / "docs/csv.md"
FORMULAS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66"


class TestCsv(EventSinkConformance):
    spec = next(iter(sink_of_rows.tlshub_event_sinks()))
    supports = ("installed",)

    def options(self, folder: Path) -> Mapping[str, object]:
        return {"path": folder / "connections.csv"}


def written(path: Path, *batches: Sequence[Event], limit: int = 1000) -> list[dict[str, str]]:
    """The rows of a file that a sink wrote."""
    sink = CsvSink(CsvConfig(path=path), limit)
    sink.open()
    for batch in batches:
        sink.write(batch)
    sink.close()
    return rows(path)


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of that file, each with all columns and no more."""
    with path.open(newline="", encoding="utf-8") as file:
        names, *found = csv.reader(file)
    assert tuple(names) == COLUMNS
    return [dict(zip(names, one, strict=True)) for one in found]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "connections.csv"


def test_a_row_has_all_that_was_said(path: Path) -> None:
    life = Life()
    (row,) = written(path, life.whole())
    began, ended = row.pop("began"), row.pop("ended")
    assert row == {
        "flow": str(life.flow),
        "side": "client",
        "client": "10.0.0.1:40000",
        "server": "10.0.0.2:80",
        "rule": "web",
        "mode": "require",
        "peer": "b",
        "pid": "7",
        "comm": "curl",
        "provider": "openssl",
        "cipher": "aes-gcm-128",
        "outcome": "secured",
        "reason": "",
        "detail": "",
        "negotiation_ns": str(4 * MS),
        "hold_ns": str(2 * MS),
        "setup_ns": str(8 * MS),
        "duration_ns": str(1500 * MS),
        "restarts": "3",
        "bytes_sent": "100",
        "bytes_received": "200",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", began)
    assert began < ended


def test_there_is_one_row_for_each_connection_in_the_order_of_their_ends(path: Path) -> None:
    lives = [Life() for _ in range(20)]
    begun = [event for life in lives for event in life.whole()[:-1]]
    found = written(path, begun, [life.closed(secured=True) for life in reversed(lives)])
    assert [row["flow"] for row in found] == [str(life.flow) for life in reversed(lives)]


@pytest.mark.parametrize(
    ("mode", "steps", "outcome", "reason"),
    [
        (Mode.PREFER, ["connecting", "asked", "released"], "released", "no-agent"),
        (Mode.REQUIRE, ["connecting", "asked", "refused"], "refused", "peer-refused"),
        (Mode.OBSERVE, ["connecting", "owned"], "observed", ""),
        (Mode.REQUIRE, ["connecting", "asked"], "undecided", ""),
        (Mode.REQUIRE, ["owned"], "unknown", ""),
        (Mode.REQUIRE, ["asked", "refused"], "refused", "peer-refused"),
        (Mode.REQUIRE, [], "unknown", ""),
    ],
)
def test_outcomes(path: Path, mode: Mode, steps: list[str], outcome: str, reason: str) -> None:
    life = Life(mode=mode)
    (row,) = written(path, [getattr(life, step)() for step in steps], [life.closed()])
    assert (row["outcome"], row["reason"], row["flow"]) == (outcome, reason, str(life.flow))
    assert row["mode"] == (mode.name.lower() if "connecting" in steps else "")


def test_what_the_kernel_says_of_the_end_stands_where_the_decision_was_lost(path: Path) -> None:
    life = Life()
    (row,) = written(path, [life.connecting(), life.closed(secured=True)])
    assert row["outcome"] == "secured"


@pytest.mark.parametrize(
    ("state", "outcome"),
    [(State.OPEN, "secured"), (State.CLEAR, "released"), (State.REFUSED, "refused"), (State.ASKED, "undecided")],
)
def test_what_an_earlier_agent_decided(path: Path, state: State, outcome: str) -> None:
    life = Life(side=Side.SERVER)
    (row,) = written(path, [life.taken_over(state), life.closed()])
    assert (row["outcome"], row["side"]) == (outcome, "server")


def test_what_is_open_at_the_end_has_a_row_without_one(path: Path) -> None:
    secured, held = Life(), Life()
    found = written(path, [*secured.whole()[:-1], held.connecting()])
    assert [(row["outcome"], row["ended"], row["bytes_sent"]) for row in found] == [
        ("secured", "", ""),
        ("undecided", "", ""),
    ]


def test_what_had_to_make_room_has_one_as_well_and_its_end_another(path: Path) -> None:
    lives = [Life() for _ in range(5)]
    found = written(path, [life.connecting() for life in lives], [lives[0].closed()], limit=3)
    assert [row["flow"] for row in found] == [str(lives[at].flow) for at in (0, 1, 0, 2, 3, 4)]
    assert [row["outcome"] for row in found] == ["undecided"] * 2 + ["unknown"] + ["undecided"] * 3


def test_a_refusal_of_a_connection_that_nobody_saw_is_a_row(path: Path) -> None:
    refused = events.Refused(time_ns=BEGAN_NS, reason=Reason.TABLE_FULL, detail="decided in the kernel")
    found = written(path, [refused, refused])
    assert [(row["outcome"], row["reason"], row["flow"]) for row in found] == [("refused", "table-full", "")] * 2


def test_a_second_agent_appends_and_a_renamed_file_is_made_anew(path: Path) -> None:
    written(path, Life().whole())
    assert len(written(path, Life().whole())) == 2
    sink = CsvSink(CsvConfig(path=path))
    sink.write(Life().whole())
    path.rename(path.with_suffix(".1"))
    sink.write(Life().whole())
    sink.close()
    assert (len(rows(path.with_suffix(".1"))), len(rows(path))) == (3, 1)


def test_a_file_with_other_columns_is_left_alone(path: Path) -> None:
    path.write_text("time,client,server\n1,a,b\n")
    with pytest.raises(ValueError, match=r"connections\.csv' does not begin as this release writes it: rename or"):
        CsvSink(CsvConfig(path=path)).open()
    assert path.read_text() == "time,client,server\n1,a,b\n"


def test_a_heading_that_was_cut_off_is_completed(path: Path) -> None:
    sink = CsvSink(CsvConfig(path=path))
    with small_files(), pytest.raises(OSError):
        sink.open()
    assert path.stat().st_size == 10
    sink.open()
    sink.write(Life().whole())
    sink.close()
    assert len(rows(path)) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("  @x", "'  @x"),
        ("\u00a0@x", "\\xa0@x"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("\uff1d1", "'\uff1d1"),
        ("\t=1", "\\t=1"),
        ("a=1", "a=1"),
        ("'", "'"),
        ("", ""),
        (-1, "-1"),
    ],
)
def test_no_text_is_a_formula(text: object, shown: str) -> None:
    assert cell(text) == shown


def test_unusual_text_stays_in_its_cell(path: Path) -> None:
    for row in written(path, one_of_each(text=UNUSUAL)):
        assert all(value.isprintable() for value in row.values())


@given(st.text(alphabet=st.sampled_from(f"{FORMULAS},;\"'\n\r\t\x00 a\ud800\u2028")) | st.text())
def test_any_text_is_one_cell_and_not_computed(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "connections.csv"
    life = Life(comm=text, provider=text)
    found = written(path, life.whole(), [life.refused()])
    assert len(found) == 2
    assert len(path.read_bytes().splitlines()) == 3, "a line for each row"
    for value in (found[0]["comm"], found[0]["provider"]):
        assert value.isprintable()
        assert not unicodedata.normalize("NFKC", value).strip().startswith(tuple(FORMULAS))


def test_the_documentation_has_the_columns_in_their_order() -> None:
    table = re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE)
    assert [name for names in table for name in re.findall(r"`(\w+)`", names)] == list(COLUMNS)
