# SPDX-License-Identifier: Apache-2.0
"""What bcc compiles of the programs is what clang compiles of them, and a kernel takes it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import pytest
from tlshub_capture_bpf import built, compiling, decoding, headers, instructions, layout, rows, sources
from tlshub_capture_bpf.built import Built
from tlshub_capture_bpf.calls import Call
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.maps import Map, Shape
from tlshub_capture_bpf.node_loader import NodeLoader
from tlshub_capture_bpf.node_programs import KINDS
from tlshub_capture_bpf.options import BccConfig
from tlshub_capture_bpf.perf import PerfBuffer

from tlshub_core.api import FlowDecided, Mode, Reason, Side, State, Tuple4, Unavailable
from tlshub_core.testing.matching import row, rule_set

CHECKOUT = Path(__file__).parents[2]
# They look at no type of the kernel's, so that any kernel takes them.
EVERYWHERE = ("ask_rule", "leave", "sweep", "find_worn", "arm_probe")


@pytest.fixture(scope="session")
def config() -> BccConfig:
    """Headers of the lab's kernel, and the folder where what is compiled for it is kept."""
    done = subprocess.run([CHECKOUT / "lab/bcc"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"bcc cannot compile here: {done.stderr.strip()[-300:]}")
    return BccConfig(**tomllib.loads(done.stdout)["plugin"]["bcc"])


@pytest.fixture(scope="session")
def made(config: BccConfig) -> Built:
    """What bcc compiled."""
    return of(config)


def of(config: BccConfig, *, perf: bool = False) -> Built:
    """What it compiled for one of the two kinds of buffers."""
    text = sources.read(perf=perf)
    found = built.kept(config.cache / built.name_of(text, headers.read(Path(config.headers))), text)
    assert found is not None, "'lab/bcc' keeps what it compiled"
    return found


@pytest.fixture
def opened(compiled: Path) -> Iterator[tuple[Libbpf, int]]:
    """The object that clang compiled, not loaded."""
    libbpf = Libbpf()
    found = libbpf.pointer("bpf_object__open_file", str(compiled).encode(), None)
    yield libbpf, found
    libbpf.optional("bpf_object__close", found)


def test_the_maps_are_the_same(made: Built, opened: tuple[Libbpf, int]) -> None:
    libbpf, found = opened
    shapes = {name: Shape.defined(libbpf, one) for name, one in libbpf.listed("map", found).items()}
    assert made.maps == shapes


def test_the_programs_are_the_same_and_belong_to_the_same_places(made: Built, opened: tuple[Libbpf, int]) -> None:
    libbpf, found = opened
    programs = libbpf.listed("program", found)
    assert set(made.programs) == set(programs)
    for name, section in made.sections.items():
        kind = KINDS.get(section) or KINDS[section.partition("/")[0]]
        assert libbpf.code("bpf_program__expected_attach_type", programs[name]) == kind.attach, name


def test_a_kernel_takes_them_and_their_callbacks(config: BccConfig, made: Built) -> None:
    if os.geteuid():
        pytest.skip("needs root: to load programs")
    libbpf, loader = Libbpf(), NodeLoader(config.headers, config.cache)
    loader._built = made  # not this kernel's, which these programs do not mind
    loaded = loader.load(libbpf, lambda name, _place: name in EVERYWHERE, 16, None)
    rules = rule_set([row(Mode.OBSERVE, ports=(1, 9)), row(Mode.REQUIRE, rule=1, ports=(80, 80))])
    with closing(loaded):
        Map(libbpf, loaded.maps["ruleset"], 1).put(layout.U32.pack(0), rows.pack_rules(rules))
        Map(libbpf, loaded.maps["rules"], 4).put(layout.U32.pack(0), layout.U32.pack(loaded.maps["ruleset"]))
        ask = Call(libbpf, loaded.programs["ask_rule"].fd, layout.ASK.size)
        for port, expected in ((80, (1, Mode.REQUIRE, 1)), (9, (0, Mode.OBSERVE, 1)), (81, (0, 0, 0))):
            query = layout.QUERY.pack(layout.pack_address(ip_address("::1")), port, Side.CLIENT, 0, 0, bytes(16))
            assert layout.ASK.unpack(ask(layout.ASK.pack(query, 0, 0, 0, 0)))[1:4] == expected


def test_with_perf_buffers_they_are_the_same_but_for_what_events_come_by(config: BccConfig, made: Built) -> None:
    other = of(config, perf=True)
    assert (other.programs.keys(), other.sections) == (made.programs.keys(), made.sections)
    assert other.maps.keys() ^ made.maps.keys() == {"events", "streams", "aside"}
    assert all(made.maps[name] == other.maps[name] for name in other.maps.keys() & made.maps.keys())
    assert other.maps["aside"].value_size == layout.U64.size + layout.ASIDE_COUNT * layout.ASIDE.size


def test_programs_that_may_sleep_have_no_perf_buffer_in_them_and_no_other_puts_aside(config: BccConfig) -> None:
    other = of(config, perf=True)
    maps = list(other.names.maps)
    for name, code in (*other.programs.items(), *other.names.callbacks.items()):
        used = {maps[number] for _, (kind, number) in instructions._references(code) if kind == instructions._OUR_MAP}
        sleeps = other.sections.get(name, "syscall") == "syscall"  # a callback is of those, where it tells anything
        assert ("streams" if sleeps else "aside") not in used, name


def test_what_a_program_tells_that_may_sleep_is_put_aside(config: BccConfig) -> None:
    if os.geteuid():
        pytest.skip("needs root: to load programs")
    libbpf, loader, told = Libbpf(), NodeLoader(config.headers, config.cache), list[bytes]()
    loader._built = of(config, perf=True)  # not this kernel's, which these programs do not mind
    loaded = loader.load(libbpf, lambda name, _: name in EVERYWHERE, 16, None)
    ends = Tuple4(client=ip_address("10.9.0.1"), client_port=4000, server=ip_address("10.9.0.2"), server_port=80)
    packed, maps = layout.pack_tuple(ends, Side.SERVER), loaded.maps
    flow = (State.NEW, 0, Side.SERVER, Mode.REQUIRE, 0, 0, 0, 5, 9, 0, 0, 0, 0, 0, 0, 1, 0, packed, bytes(32), 1, 2, 6)
    with closing(loaded), closing(PerfBuffer(libbpf, maps["streams"], maps["aside"], told.append)) as buffer:
        rules = rows.pack_rules(rule_set([row(Mode.REQUIRE, passthrough=True)]))
        Map(libbpf, maps["ruleset"], 1).put(layout.U32.pack(0), rules)
        Map(libbpf, maps["rules"], 4).put(layout.U32.pack(0), layout.U32.pack(maps["ruleset"]))
        Map(libbpf, maps["flows"], layout.FLOW.size).put(layout.U64.pack(7), layout.FLOW.pack(*flow))
        Map(libbpf, maps["accepted"], 8).put(packed, layout.U64.pack(7))
        leave = Call(libbpf, loaded.programs["leave"].fd, layout.PROMISE.size)
        assert layout.PROMISE.unpack(leave(layout.PROMISE.pack(packed, 2**63, 0, 0)))[2] == State.CLEAR
        buffer.consume()
    (event,) = map(decoding.decode, told)
    assert isinstance(event, FlowDecided)
    assert (event.cookie, event.state, event.reason) == (7, State.CLEAR, Reason.PASSTHROUGH)


def test_what_cannot_be_compiled_is_told_in_the_compilers_words(config: BccConfig, tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "bpf/c", tmp_path / "c")
    with (tmp_path / "c/kernel.bpf.h").open("a") as file:
        file.write("u32 broken = nowhere;\n")
    text, kernel = sources.read(tmp_path / "c"), headers.read(Path(config.headers))
    with pytest.raises(Unavailable, match=r"bcc could not compile the programs for '6\.\S+': .*error: .*'nowhere'"):
        asyncio.run(compiling.programs(text, kernel, tmp_path / "cache"))
    assert not (tmp_path / "cache").exists(), "nothing is kept of what failed"


def test_what_others_may_have_written_is_not_taken(config: BccConfig, tmp_path: Path) -> None:
    text = sources.read()
    kept = config.cache / built.name_of(text, headers.read(Path(config.headers)))
    mine = tmp_path / kept.name
    shutil.copy(kept, mine)
    assert built.kept(mine, text) is not None
    mine.chmod(0o666)
    assert built.kept(mine, text) is None
    mine.chmod(0o600)
    mine.write_bytes(mine.read_bytes()[:-100])
    assert built.kept(mine, text) is None, "half a file"


def test_what_is_kept_is_taken_whatever_the_umask_or_it_is_said_why_not(config: BccConfig, tmp_path: Path) -> None:
    text = sources.read()
    kept = config.cache / built.name_of(text, headers.read(Path(config.headers)))
    functions = {name: bytes.fromhex(code) for name, code in json.loads(kept.read_bytes()).items()}
    mine, before = tmp_path / "cache" / kept.name, os.umask(0o002)
    try:
        built.keep(mine, functions)
    finally:
        os.umask(before)
    assert built.kept(mine, text) is not None
    mine.parent.chmod(0o770)
    with pytest.raises(PermissionError, match=r"others .* may write to '.*/cache': .*or set 'cache'"):
        built.keep(mine, functions)
