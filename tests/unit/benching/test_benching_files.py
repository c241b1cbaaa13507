# SPDX-License-Identifier: Apache-2.0
"""Results as files: what is written is read, anything else is refused with file and key."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.benching.sample import CONCURRENCY, COSTS, SIZES, result
from tlshub_core.benching import files
from tlshub_core.benching.result import Result
from tlshub_core.types.errors import ConfigError, TlshubError

RESULT = result()
TEXT = files.encode(RESULT)
PLAIN: dict[str, Any] = json.loads(TEXT)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    files.save(tmp_path / "a.json", TEXT)
    assert files.load(tmp_path / "a.json") == RESULT


def _at(body: Any, path: list[Any]) -> Any:
    for key in path[:-1]:
        body = body[key]
    return body


WRONG: list[tuple[list[Any], object, str]] = [
    (["format"], "other", r"key 'format': is no result of a bench"),
    (["version"], 2, r"key 'version': is not 1: another release"),
    (["environment", "emulated"], 1, r"key 'environment': field 'emulated' is of type 'int', expected 'bool'"),
    (["settings", "rounds"], "7", r"key 'settings': field 'rounds' is of type 'str'"),
    (["shares"], [0.5], r"key 'shares': is not \[0.0, "),
    (["skipped", "x"], 1, r"key 'skipped': the value is of type 'int'"),
    (["trials", 3, "load"], "x", r"key 'trials\[3\]': field 'load' is 'x'"),
    (["trials", 3, "seconds"], 0.0, r"key 'trials\[3\]': field 'seconds' is out of range"),
    (["trials", 3, "seconds"], 1e-320, r"key 'trials\[3\]': field 'seconds' is out of range"),
    (["trials", 3, "size"], -1, r"key 'trials\[3\]': field 'size' is below 0"),
    (["trials", 3, "quantiles_ns"], [1], r"key 'trials\[3\]': field 'quantiles_ns' is not 10 figures"),
    (["trials", 3, "quantiles_ns", 0], 0, r"key 'trials\[3\]': field 'quantiles_ns' has figures that are not above 0"),
    (["trials", 3, "variant"], "x", r"key 'trials\[3\]': 'x' is none of the variants"),
    (["trials", 3, "round"], 2, r"key 'trials': '.*' has a round twice"),
    (["trials", 3, "round"], 99, r"key 'trials': '.*' and 'plain' have not the same rounds"),
    (["rows", 0, "figures", "p50_ns", "median"], 1.0, r"key 'rows': does not follow from 'trials'"),
    (["rows", 0, "ratios", "x"], {}, r"key 'rows\[0\]': field '(median|low|high|confidence)' is missing"),
    (["more"], 1, r"key 'more': is unknown"),
]


@pytest.mark.parametrize(("path", "value", "said"), WRONG, ids=lambda one: str(one)[:40])
def test_what_is_wrong_is_named(path: list[Any], value: object, said: str) -> None:
    body = json.loads(TEXT)
    _at(body, path)[path[-1]] = value
    with pytest.raises(ConfigError, match=rf"'a\.json', {said}"):
        files.decode(json.dumps(body).encode(), "a.json")


def test_what_lacks_is_named() -> None:
    body = {key: value for key, value in PLAIN.items() if key != "trials"}
    with pytest.raises(ConfigError, match=r"'a\.json', key 'trials': is missing"):
        files.decode(json.dumps(body).encode(), "a.json")


@given(st.binary(max_size=300) | st.integers(0, len(TEXT)).map(lambda end: TEXT[:end].encode()))
def test_no_bytes_but_a_result_are_one(data: bytes) -> None:
    assert _read(data) in (None, RESULT)


def _read(data: bytes) -> Result | None:
    """None for bytes that are refused by the one error that there is for it."""
    try:
        return files.decode(data, "a.json")
    except ConfigError:
        return None


@given(st.data())
def test_whatever_is_changed_is_refused_or_still_follows(data: st.DataObject) -> None:
    body = json.loads(TEXT)
    path: list[Any] = []
    inner: Any = body
    while isinstance(inner, (dict, list)) and inner and (not path or data.draw(st.integers(0, 3))):
        keys = sorted(inner) if isinstance(inner, dict) else range(len(inner))
        path.append(data.draw(st.sampled_from(list(keys))))
        inner = inner[path[-1]]
    _at(body, path)[path[-1]] = data.draw(VALUES)
    found = _read(json.dumps(body).encode())
    assert found is None or files.decode(files.encode(found).encode(), "a.json") == found


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError, match="': cannot be read: "):
            files.load(path)
    for path in (tmp_path, tmp_path / "none" / "a.json"):
        with pytest.raises(TlshubError, match="cannot be written: "):
            files.save(path, TEXT)


def test_csv_has_a_line_for_each_row_and_all_figures() -> None:
    lines = list(csv.DictReader(files.as_csv(RESULT).splitlines()))
    assert len(lines) == len(COSTS) * len(CONCURRENCY) * (1 + len(SIZES))
    one = next(line for line in lines if (line["variant"], line["size"]) == ("stunnel", "64"))
    row = next(row for row in RESULT.rows if (row.variant, row.size) == ("stunnel", 64))
    assert float(one["p99_ns_high"]) == row.figures["p99_ns"].high
    assert float(one["ratio_per_second_median"]) == row.ratios["per_second"].median == pytest.approx(0.25, rel=0.05)
    assert {line["emulated"] for line in lines} == {"0"}
    assert {line["bytes_per_second_low"] for line in lines if line["load"] == "connections"} == {""}
