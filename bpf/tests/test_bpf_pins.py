# SPDX-License-Identifier: Apache-2.0
"""What outlives an agent in the kernel, who may take it over, and what is left in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from tlshub_capture_bpf import layout
from tlshub_capture_bpf.backend import LibbpfBackend
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.links import PinnedLinks
from tlshub_capture_bpf.pins import LINKS, Pins, pinned

from bpf.tests.pinning import begin, here, running
from bpf.tests.releases import LATER, STRANGE, release
from tlshub_core.api import CaptureSettings, FlowKept, Mode, Side, State, Unavailable
from tlshub_core.detaching import detach
from tlshub_core.testing.backend_harness import OBSERVE
from tlshub_core.testing.cgroup import bpf_descriptors, own_cgroup, programs_on
from tlshub_core.testing.matching import row, rule_set
from tlshub_core.testing.talker import Talker

REQUIRE, PREFER = rule_set([row(Mode.REQUIRE)]), rule_set([row(Mode.PREFER)])
HOME = ip_address("127.0.0.1")
__all__ = ["here"]


@pytest.fixture
def talker(here: CaptureSettings) -> Iterator[Talker]:
    found = Talker(here.cgroup)
    yield found
    found.end()


def of(rows: list[FlowKept]) -> list[tuple[int, Side, State]]:
    return [(one.seen.cookie, one.seen.side, one.seen.state) for one in rows]


async def ended(here: CaptureSettings) -> None:
    await detach(LibbpfBackend(), here)
    assert not here.pins.exists() and programs_on(here.cgroup) == 0


def test_flows_and_programs_outlive_the_agent(here: CaptureSettings, talker: Talker) -> None:
    async def test() -> None:
        before = bpf_descriptors()
        async with running(REQUIRE, here) as first:
            talker.open(1, 1)
            known = list(first.flows())
            assert [state for _, _, state in of(known)] == [State.NEW, State.NEW]
            assert {one.seen.side for one in known} == set(Side)
            first.move(known[0].seen.cookie, State.NEW, State.ASKED)
        assert bpf_descriptors() == before and programs_on(here.cgroup) == 1
        talker.open(1, 1)  # entered by what is pinned, while no agent runs
        async with running(PREFER, here) as second:
            found = list(second.flows())
            assert [(one.seen.state, one.seen.mode) for one in found] == [
                (State.ASKED, Mode.REQUIRE),
                *[(State.NEW, Mode.REQUIRE)] * 3,
            ]
            assert [replace(one.seen, state=State.NEW) for one in found[:2]] == [one.seen for one in known]
            assert second.move(found[0].seen.cookie, State.ASKED, State.ARMED) is State.ASKED
            talker.open(1, 1)
            assert [one.seen.mode for one in second.flows()[4:]] == [Mode.PREFER] * 2
            assert programs_on(here.cgroup) == 1, "one takes the place of the other"
            talker.close()
        await ended(here)

    asyncio.run(test())


def test_what_happened_to_nobodys_ears_is_passed_over_and_the_table_tells(
    here: CaptureSettings, talker: Talker
) -> None:
    async def test() -> None:
        async with running(REQUIRE, here) as first:
            first.warm(HOME, True)
        talker.open(1, 1)
        async with running(REQUIRE, here) as second:
            second._hearing.listen()
            assert second._hearing._batch == []
            (client, server) = second.flows()
            assert client.established and server.established and client.owned
            assert client.established.isns(Side.CLIENT) == server.established.isns(Side.SERVER)
            assert client.owned.owner.comm.startswith("python") and client.seen.owner == client.owned.owner
            assert list(second._verdicts._warm.items(layout.ADDRESS_SIZE)) == [], "the sessions of the first are gone"
            talker.close()
        await ended(here)

    asyncio.run(test())


def test_pins_that_are_cleared_away_by_mistake_end_nothing_while_the_agent_lives(
    here: CaptureSettings, talker: Talker
) -> None:
    async def test() -> None:
        for turn in ("attached", "taken over"):
            if turn == "taken over":
                async with running(REQUIRE, here):
                    pass
            async with running(REQUIRE, here) as backend:
                (here.pins / "links/on_sockops").unlink()
                talker.open(1, 1)
                assert len(backend.flows()) == 2 and programs_on(here.cgroup) == 1
                talker.close()

    asyncio.run(test())


def test_two_agents_at_once(here: CaptureSettings) -> None:
    async def test() -> None:
        async with running(REQUIRE, here):
            with pytest.raises(Unavailable, match=r"another agent is at work with the pins in '.*/pins': stop it"):
                Pins(Libbpf(), here.pins)
            with pytest.raises(Unavailable, match="another agent"):
                await detach(LibbpfBackend(), here)
            assert programs_on(here.cgroup) == 1
        await ended(here)

    asyncio.run(test())


def test_another_cgroup_is_not_taken_over(here: CaptureSettings) -> None:
    async def test() -> None:
        async with running(REQUIRE, here):
            pass
        library = Libbpf()
        pins = Pins(library, here.pins)
        try:
            assert pins.at_work(["on_sockops"], here.cgroup.stat().st_ino)
            with own_cgroup() as other, pytest.raises(Unavailable, match="of another cgroup: set 'cgroup'"):
                pins.at_work(["on_sockops"], other.stat().st_ino)
        finally:
            pins.release()
        await ended(here)

    asyncio.run(test())


def test_a_cgroup_that_went_is_no_hindrance(here: CaptureSettings) -> None:
    async def test() -> None:
        with own_cgroup() as gone:
            async with running(REQUIRE, replace(here, cgroup=gone)):
                pass
            number = gone.stat().st_ino
        pins = Pins(Libbpf(), here.pins)
        async with asyncio.timeout(10):
            while pins._cgroup("on_sockops") == number:  # noqa: ASYNC110 - the kernel detaches in its own time
                await asyncio.sleep(0.01)
        pins.release()
        async with running(REQUIRE, here):
            assert programs_on(here.cgroup) == 1
        await ended(here)

    asyncio.run(test())


def test_another_release_takes_over_and_the_first_one_again(
    here: CaptureSettings, talker: Talker, tmp_path: Path
) -> None:
    later = str(release(tmp_path / "later", LATER))

    async def test() -> None:
        async with running(REQUIRE, here):
            talker.open(1, 1)
        async with running(REQUIRE, here, later) as second:
            assert len(second.flows()) == 2
            talker.open(1, 1)
            novelty = layout.FLOW.size - 8
            values = [value for _, value in second._known.table.items(8)]
            assert sorted(value[novelty] for value in values) == [0, 0, 7, 7], "the later program entered two"
        assert (here.pins / "maps/novel").exists()
        async with running(REQUIRE, here) as third:
            talker.open(1, 1)
            assert len(third.flows()) == 6 and programs_on(here.cgroup) == 1
            talker.close()
        await ended(here)

    asyncio.run(test())


def test_a_release_of_another_shape_is_refused_and_disturbs_nothing(
    here: CaptureSettings, talker: Talker, tmp_path: Path
) -> None:
    strange = str(release(tmp_path / "strange", STRANGE))

    async def test() -> None:
        async with running(REQUIRE, here):
            pass
        with pytest.raises(Unavailable, match=r"'flows' in '.*' is that of another release.*'tlshub-capture de"):
            async with running(REQUIRE, here, strange):
                pass
        talker.open(1, 1)
        async with running(REQUIRE, here) as again:
            assert len(again.flows()) == 2, "the pinned program went on"
            talker.close()
        await ended(here)

    asyncio.run(test())


def test_what_does_not_start_leaves_nothing(here: CaptureSettings) -> None:
    async def test() -> None:
        backend = LibbpfBackend()
        with pytest.raises(Unavailable):
            await backend.attach(REQUIRE, replace(here, cgroup=here.cgroup / "absent"))
        await backend.detach(unpin=False)
        assert not here.pins.exists()

    asyncio.run(test())


def test_each_program_is_told_when_it_is_attached_and_not_when_all_are(
    here: CaptureSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        backend, told = LibbpfBackend(), list[str]()

        def fails(*_: object) -> None:
            raise OSError("the next step")

        monkeypatch.setattr(PinnedLinks, "only", fails)
        with pytest.raises(OSError, match="the next step"):
            begin(backend, REQUIRE, replace(here, attached=told.append))
        await backend.detach(unpin=True)
        assert told == ["on_sockops (sockops)"]

    asyncio.run(test())


def test_pins_on_another_file_system_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"not on a BPF file system: mount -t bpf bpf /sys/fs/bpf"):
        Pins(Libbpf(), tmp_path / "pins")


def test_a_folder_that_others_may_write_to_is_refused(here: CaptureSettings) -> None:
    here.pins.mkdir(mode=0o777)
    here.pins.chmod(0o777)
    with pytest.raises(Unavailable, match="others than this user and root may write"):
        Pins(Libbpf(), here.pins)


def test_a_folder_that_others_may_look_into_is_closed_to_them(here: CaptureSettings) -> None:
    here.pins.mkdir(mode=0o755)
    pins = Pins(Libbpf(), here.pins)
    assert here.pins.stat().st_mode & 0o777 == 0o700
    pins.remove()


def test_rules_that_only_observe_pin_nothing(here: CaptureSettings) -> None:
    async def test() -> None:
        backend = LibbpfBackend()
        await backend.attach(OBSERVE, here)
        assert programs_on(here.cgroup) == 1 and not here.pins.exists()
        await backend.detach(unpin=False)
        assert programs_on(here.cgroup) == 0

    asyncio.run(test())


def test_what_was_attached_but_not_put_in_its_place_counts(here: CaptureSettings) -> None:
    async def test() -> None:
        async with running(REQUIRE, here):
            pass
        (here.pins / "links/on_sockops").rename(here.pins / "next/links-on_sockops")
        assert pinned(here.pins)
        pins = Pins(Libbpf(), here.pins)
        assert (pins.names(LINKS), pins.fresh) == (["on_sockops"], False)
        pins.release()
        await ended(here)

    asyncio.run(test())
