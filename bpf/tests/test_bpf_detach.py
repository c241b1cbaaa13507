# SPDX-License-Identifier: Apache-2.0
"""'tlshub-capture detach' where no agent runs: what is held is decided, and the machine is as it was."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tlshub_capture_bpf.backend import LibbpfBackend

from bpf.tests.pinning import here, running
from tlshub_core.api import CaptureSettings, Mode, Side, State
from tlshub_core.cli.main import main
from tlshub_core.detaching import Detached, detach
from tlshub_core.testing.cgroup import programs_on
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.talker import Talker

REQUIRE, PREFER = rule_set([row(Mode.REQUIRE)]), rule_set([row(Mode.PREFER)])
GOING = (State.OPEN, State.CLEAR)
__all__ = ["here"]


@pytest.fixture
def talker(here: CaptureSettings) -> Iterator[Talker]:
    found = Talker(here.cgroup)
    yield found
    found.end()


def established(port: int) -> int:
    """How many ends of connections with that client's port there are."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(f":{port:04X}" in f"{line.split()[1]} {line.split()[2]}" and line.split()[3] == "01" for line in lines)


def test_what_is_held_is_refused_or_released_and_what_is_decided_goes_on(here: CaptureSettings, talker: Talker) -> None:
    async def test() -> None:
        async with running(REQUIRE, here) as first:
            required, going = talker.open(1, 1), talker.open(1, 1)
            flows = {(one.seen.tuple.client_port, one.seen.side): one.seen.cookie for one in first.flows()}
            for side, state in zip(Side, GOING, strict=True):
                assert first.move(flows[going, side], State.NEW, state) is State.NEW
        async with running(PREFER, here) as second:
            preferred, asked = talker.open(1, 1), talker.open(1, 1)
            flows = {(one.seen.tuple.client_port, one.seen.side): one.seen.cookie for one in second.flows()}
            assert second.move(flows[asked, Side.SERVER], State.NEW, State.ASKED) is State.NEW
            second.move(flows[asked, Side.CLIENT], State.NEW, State.REFUSED)
        found = await detach(LibbpfBackend(), here)
        assert found == Detached(programs=("on_sockops",), refused=4, released=2, secured=1, clear=1)
        assert [established(port) for port in (required, going, preferred, asked)] == [0, 2, 2, 0]
        assert programs_on(here.cgroup) == 0 and not here.pins.exists()
        after = talker.open(1000, 1000)
        assert established(after) == 2, "a plain connection in clear"

    asyncio.run(test())


def test_the_command(here: CaptureSettings, talker: Talker, tmp_path: Path) -> None:
    file = tmp_path / "capture.toml"
    file.write_text(
        f'[capture]\ncgroup = "{here.cgroup}"\npins = "{here.pins}"\n[keys]\nprovider = "openssl"\n[peering]\n'
        'node = "a"\n[[rule]]\nname = "all"\nmode = "observe"\n'
    )

    async def begin() -> None:
        async with running(REQUIRE, here):
            talker.open(1, 1)

    asyncio.run(begin())
    shown = CliRunner().invoke(main, ["detach", str(file), "--json"])
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout) == {
        "programs": ["on_sockops"], "refused": 2, "released": 0, "secured": 0, "clear": 0
    }  # fmt: skip
    again = CliRunner().invoke(main, ["detach", str(file)])
    assert (again.exit_code, again.stdout) == (0, f"nothing was pinned in '{here.pins}'\n")
    asyncio.run(begin())
    table = CliRunner().invoke(main, ["detach", str(file)])
    assert table.exit_code == 0
    assert [line.split() for line in table.stdout.splitlines()[1:3]] == [
        ["programs", "1", "removed"], ["connections", "held", "2", "refused"]
    ]  # fmt: skip


def test_it_is_refused_while_an_agent_runs(here: CaptureSettings, tmp_path: Path) -> None:
    file = tmp_path / "capture.toml"
    file.write_text(f'[capture]\ncgroup = "{here.cgroup}"\npins = "{here.pins}"\n[keys]\nprovider = "openssl"\n')

    async def test() -> None:
        async with running(REQUIRE, here):
            shown = await asyncio.to_thread(CliRunner().invoke, main, ["detach", str(file)])
            assert shown.exit_code == 1 and shown.stderr.startswith("error: another agent is at work with the pins")
            assert programs_on(here.cgroup) == 1

    asyncio.run(test())
    asyncio.run(detach(LibbpfBackend(), here))
