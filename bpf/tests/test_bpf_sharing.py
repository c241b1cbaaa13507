# SPDX-License-Identifier: Apache-2.0
"""What one backend pinned is what the other one finds: maps of one shape, and in them the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import pytest
from tlshub_capture_bpf import layout, rows
from tlshub_capture_bpf.calls import Call
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.loading import Loaded, Loader
from tlshub_capture_bpf.maps import Map
from tlshub_capture_bpf.node_loader import NodeLoader
from tlshub_capture_bpf.objects import ObjectLoader
from tlshub_capture_bpf.options import BccConfig
from tlshub_capture_bpf.pins import MAPS, Pins

from bpf.tests.pinning import own_bpffs
from bpf.tests.test_bpf_node import EVERYWHERE, config, of
from tlshub_core.api import Mode, Side
from tlshub_core.testing.matching import row, rule_set

__all__ = ("config",)
ZERO = layout.U32.pack(0)


@pytest.fixture
def pins(tmp_path: Path) -> Iterator[Path]:
    """A folder on a BPF file system of the test's own."""
    (tmp_path / "bpf").mkdir()
    with own_bpffs(tmp_path / "bpf") as mounted:
        yield mounted / "pins"


def node(config: BccConfig, *, perf: bool) -> NodeLoader:
    """With programs that are not this kernel's, which those that are loaded here do not mind."""
    loader = NodeLoader(config.headers, config.cache)
    loader._built = of(config, perf=perf)
    return loader


def answer(libbpf: Libbpf, loaded: Loaded) -> tuple[int, ...]:
    """What rule its programs find for a connection to port 80, by the maps that they have."""
    ask = Call(libbpf, loaded.programs["ask_rule"].fd, layout.ASK.size)
    query = layout.QUERY.pack(layout.pack_address(ip_address("::1")), 80, Side.CLIENT, 0, 0, bytes(16))
    found: tuple[int, ...] = layout.ASK.unpack(ask(layout.ASK.pack(query, 0, 0, 0, 0)))[1:4]
    return found


def kept(libbpf: Libbpf, loaded: Loaded) -> bytes | None:
    """The flow with the number 7 in its table."""
    return Map(libbpf, loaded.maps["flows"], layout.FLOW.size).get(layout.U64.pack(7))


def test_each_goes_on_with_the_maps_of_the_other(pins: Path, compiled: Path, config: BccConfig) -> None:
    clang, ring, perf = ObjectLoader(compiled), node(config, perf=False), node(config, perf=True)
    libbpf, flow = Libbpf(), os.urandom(layout.FLOW.size)
    expected: tuple[int, ...] = (0, 0, 0)
    loaders: tuple[Loader, ...] = (clang, ring, perf, clang, perf, ring, clang)
    for number, loader in enumerate(loaders):
        folder = Pins(libbpf, pins)
        loaded = loader.load(libbpf, lambda name, _: name in EVERYWHERE, 16, folder)
        with closing(loaded):
            assert answer(libbpf, loaded) == expected, f"loader {number} has rules of its own"
            assert kept(libbpf, loaded) == (flow if number else None), f"loader {number} has flows of its own"
            Map(libbpf, loaded.maps["flows"], layout.FLOW.size).put(layout.U64.pack(7), flow)
            swap(libbpf, loaded, number)
        folder.release()
        expected = (number, Mode.REQUIRE, 1)
    names = set(os.listdir(pins / MAPS))
    assert {"events", "streams", "aside"} <= names, "each kind of buffer is a map of its own"


def swap(libbpf: Libbpf, loaded: Loaded, rule: int) -> None:
    """Put one rule in force."""
    rules = rows.pack_rules(rule_set([row(Mode.REQUIRE, rule=rule, ports=(80, 80))]))
    inner = libbpf.code("bpf_map_create", 2, b"ruleset", 4, len(rules), 1, None)
    try:
        Map(libbpf, inner, len(rules)).put(ZERO, rules)
        Map(libbpf, loaded.maps["rules"], 4).put(ZERO, layout.U32.pack(inner))
    finally:
        os.close(inner)
