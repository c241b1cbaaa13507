# SPDX-License-Identifier: Apache-2.0
"""A kernel without BTF: what is compiled for it needs none of its types, and each backend says what it can do there."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from tlshub_capture_bpf import btf, compiling, headers, instructions, node_backend, probing, sources
from tlshub_capture_bpf.backend import LibbpfBackend
from tlshub_capture_bpf.built import Built
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.node_loader import NodeLoader
from tlshub_capture_bpf.options import BccConfig
from tlshub_capture_bpf.programs import ADOPT, ADOPT_LISTED, CGROUP, RUN, Hold, Programs

from bpf.tests.test_bpf_node import config, made
from tlshub_core.api import Holds, Level, Unsupported

__all__ = ("config", "made")
CONFIGURED = "#define CONFIG_DEBUG_INFO_BTF 1\n"
# Helpers that take or give pointers of types which only BTF tells, by their numbers in <linux/bpf.h>:
# bpf_skc_to_tcp6_sock and its kind, bpf_get_current_task_btf, bpf_sock_from_file, bpf_task_pt_regs.
TYPED = frozenset({*range(136, 141), 158, 162, 175})
CALL = 0x85, 0


@pytest.fixture
def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This kernel tells no types from now on."""
    monkeypatch.setattr(btf, "KERNELS", tmp_path / "absent")
    return tmp_path


@pytest.fixture(scope="session")
def loader(config: BccConfig, tmp_path_factory: pytest.TempPathFactory) -> NodeLoader:
    """Programs for the lab's kernel, as if it had been built without BTF."""
    build = tmp_path_factory.mktemp("without") / "headers"
    shutil.copytree(config.headers, build, symlinks=True)
    configured = build / "include/generated/autoconf.h"
    assert CONFIGURED in configured.read_text()
    configured.write_text(configured.read_text().replace(CONFIGURED, ""))
    found = NodeLoader(str(build), config.cache)
    found._built = asyncio.run(compiling.programs(sources.read(), headers.read(build), config.cache))
    return found


def built(loader: NodeLoader) -> Built:
    assert loader._built is not None
    return loader._built


def wanted(hold: Hold | None, made: Built) -> set[str]:
    """The programs that are loaded for it."""
    programs = Programs.__new__(Programs)
    programs.hold = hold
    return {name for name, place in made.sections.items() if programs._wanted(name, place)}


def called(code: bytes) -> list[int]:
    """The numbers of the helpers, in the order of the calls."""
    found = instructions._INSTRUCTION.iter_unpack(code)
    return [value for operation, registers, _, value in found if (operation, registers >> 4) == CALL]


@pytest.mark.parametrize("hold", [Hold.STOP, None])
def test_what_is_loaded_asks_for_no_type_and_with_btf_it_does(
    hold: Hold | None, without: Path, loader: NodeLoader, made: Built
) -> None:
    names = wanted(hold, built(loader))
    assert not {name for name in names if TYPED.intersection(called(built(loader).programs[name]))}
    assert {name for name in names if TYPED.intersection(called(made.programs[name]))} >= {"on_sockops"}
    assert not {place for name, place in made.sections.items() if name in names and place.startswith(("f", "iter"))}
    if hold is Hold.STOP:
        assert names >= {*CGROUP, *RUN, ADOPT_LISTED} and ADOPT not in names


def test_with_btf_an_iterator_is_taken_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Built) -> None:
    (tmp_path / "there").touch()
    monkeypatch.setattr(btf, "KERNELS", tmp_path / "there")
    for hold in Hold:
        assert wanted(hold, made) & {ADOPT, ADOPT_LISTED} == {ADOPT}


def test_a_kernel_takes_all_of_them(without: Path, loader: NodeLoader) -> None:
    if os.geteuid():
        pytest.skip("needs root: to load programs")
    names = wanted(Hold.STOP, built(loader))
    loaded = loader.load(Libbpf(), lambda name, _place: name in names, 16, None)
    loaded.close()
    assert set(loaded.programs) == names


def test_the_gate_is_refused_with_the_reason(without: Path, loader: NodeLoader) -> None:
    if os.geteuid():
        pytest.skip("needs root: to load programs")
    with pytest.raises(Unsupported, match="built without BTF"):
        Programs(Libbpf(), loader, hold=Hold.GATE, table_size=16)


def test_the_backend_that_needs_btf_says_so_and_names_the_other(without: Path, compiled: Path) -> None:
    found = asyncio.run(LibbpfBackend().probe())
    assert (found.level, found.message) == (Level.FAILED, f"no BTF in '{without}/absent'")
    assert "or the backend 'bcc'" in found.remedy


def test_the_other_one_says_what_it_does_instead_before_anything_is_compiled(
    without: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "interpreter", lambda: Path("/usr/bin/python3"))
    monkeypatch.setattr(headers, "find", lambda _folder: headers.Headers(release="x", build=without, source=without))
    monkeypatch.setattr(NodeLoader, "ready", lambda _self: False)
    found = node_backend.probe(NodeLoader("", without))
    assert found.level is Level.WARNING and "without BTF whole processes are stopped" in found.message
    assert found.remedy == probing.GATE_NEEDS
    assert found.holds is Holds.WEAKLY
    asked = node_backend.probe(NodeLoader("", without), Hold.STOP)
    assert (asked.level, asked.holds) == (Level.OK, Holds.WELL)


def test_what_was_not_compiled_yet_is_not_promised(without: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (without / "absent").touch()
    monkeypatch.setattr(compiling, "interpreter", lambda: Path("/usr/bin/python3"))
    monkeypatch.setattr(headers, "find", lambda _folder: headers.Headers(release="x", build=without, source=without))
    monkeypatch.setattr(NodeLoader, "ready", lambda _self: False)
    found = node_backend.probe(NodeLoader("", without))
    assert (found.level, found.holds) == (Level.OK, Holds.WEAKLY)
