# SPDX-License-Identifier: Apache-2.0
"""'bench': a small session over loopback, its files, and calls that are wrong."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tlshub_core.benching import files, stunnel
from tlshub_core.benching.report import html
from tlshub_core.cli.main import main

SMALL = ("--sizes", "10,3000", "--concurrency", "1,2", "--requests", "6", "--connections", "2", "--rounds", "2")
SERVE = "from tlshub_core.cli.main import main; main()"
WAYS = ["plain", "userspace-tls"] + ["stunnel"] * (stunnel.program() is not None)


def bench(folder: Path, *options: str) -> Result:
    nobody = str(folder / "no-agent.sock")
    return CliRunner().invoke(main, ["bench", "--port", "0", "--socket", nobody, "--warm-up", "1", *options])


def test_all_that_can_be_is_measured_and_the_rest_is_named(tmp_path: Path) -> None:
    names = ("--json", "--csv", "--html")
    done = bench(tmp_path, *SMALL, *(word for name in names for word in (name, str(tmp_path / f"a.{name[2:]}"))))
    assert done.exit_code == 0, done.output
    found = files.load(tmp_path / "a.json")
    assert [one.name for one in found.variants] == WAYS
    assert {"ktls:local", "ktls:openssl"} <= found.skipped.keys()
    assert all("no agent is running at" in why for name, why in found.skipped.items() if name.startswith("ktls:"))
    assert len(found.trials) == len(WAYS) * 2 * 2 * 3
    assert {one.count for one in found.trials if one.load == "requests"} == {6}
    suite = next(one.detail for one in found.variants if one.name == "userspace-tls")
    assert suite.startswith("TLS_") and f"note: 'userspace-tls' is {suite}" in done.stderr
    assert "2 rounds: the intervals hold with 50%, six reach 95%" in done.stderr
    assert (tmp_path / "a.html").read_text() == html(found)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("load") and len(lines) == 1 + len(WAYS) * 2 * 3
    assert len(list(csv.reader((tmp_path / "a.csv").open()))) == len(lines)
    assert CliRunner().invoke(main, ["bench", "compare", *[str(tmp_path / "a.json")] * 2]).exit_code == 2


def test_only_what_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    done = bench(tmp_path, *SMALL, "--variants", "userspace-tls,ktls:openssl", "--emulated", "--json", str(file))
    assert done.exit_code == 0, done.output
    found = json.loads(file.read_text())
    assert [one["name"] for one in found["variants"]] == ["plain", "userspace-tls"]
    assert list(found["skipped"]) == ["ktls:openssl"]
    assert found["environment"]["emulated"] and "emulated: ratios mean something" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--sizes", "1,x"), "'1,x' is not a list of numbers such as '64,1024'"),
        (("--sizes", "0"), "'0': each number is to be from 1 to 16777216, and there once"),
        (("--concurrency", "2,2"), "and there once"),
        (("--variants", "plane"), "unknown variant 'plane', did you mean 'plain'?"),
        (("--requests", "3"), "'--requests' is less than '--concurrency': somebody would have nothing to do"),
        (("--json", "/nowhere/a.json"), "'/nowhere/a.json' could not be written in the end: see its folder"),
        (("serve",), "unexpected extra argument"),
    ],
)
def test_wrong_calls_are_status_2_and_measure_nothing(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    done = bench(tmp_path, *options)
    assert done.exit_code == 2 and said in done.stderr.replace("\n", " "), done.output


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_server_of_its_own(tmp_path: Path, address: str) -> None:
    """All that a client has to be told is where the first port is."""
    words = [sys.executable, "-c", SERVE, "bench", "serve", address, "--port", "0", "--workers", "2"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        port = said.partition(": plain ")[2].partition(",")[0]
        target = ("--target", address, "--port", port)
        done = bench(tmp_path, *SMALL, *target, "--json", str(tmp_path / "a.json"))
        crowded = bench(tmp_path, *SMALL, *target, "--concurrency", "3", "--connections", "3")
        process.terminate()
    assert process.returncode == 0
    assert done.exit_code == 0, done.output
    found = files.load(tmp_path / "a.json")
    assert (found.settings.target, [one.name for one in found.variants]) == (address, WAYS)
    assert crowded.exit_code == 1
    assert "the server serves 2 connections at a time, 3 are wanted: start it with '--workers'" in crowded.stderr


def test_a_target_where_nobody_is(tmp_path: Path) -> None:
    done = bench(tmp_path, *SMALL, "--target", "127.0.0.1", "--port", "1")
    assert done.exit_code == 1
    assert done.stderr == (
        "error: no bench server answers at '127.0.0.1', port 1 (connection refused): start one with 'bench serve'\n"
    )
