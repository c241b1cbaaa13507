# SPDX-License-Identifier: Apache-2.0
"""Rules as the kernel's own program matches them, against what they mean in plain words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tlshub_capture_bpf import layout
from tlshub_capture_bpf.backend import LibbpfBackend

from tlshub_core.api import Address, Match, Mode, RuleSet, Side, Unavailable
from tlshub_core.pipeline.mapping import plain
from tlshub_core.testing.backend_harness import OBSERVE, settings_for
from tlshub_core.testing.cgroup import own_cgroup
from tlshub_core.testing.matching import first_match, rule_set

Ask = Callable[[RuleSet, list[tuple[Side, Address, int, str | None]]], list[tuple[int, Mode]]]


@pytest.fixture(scope="module")
def ask(compiled: Path) -> Iterator[Ask]:
    """Loads rules into the kernel and asks its program about connections."""
    with own_cgroup() as cgroup, asyncio.Runner() as runner:
        backend = LibbpfBackend()
        try:
            runner.run(attached(backend, cgroup))
            yield lambda rules, queries: answers(backend, rules, queries)
        finally:
            runner.run(backend.detach(unpin=True))


async def attached(backend: LibbpfBackend, cgroup: Path) -> None:
    try:
        await backend.attach(OBSERVE, settings_for(cgroup))
    except Unavailable as error:
        pytest.skip(f"this machine does not let BPF programs be loaded: {error}")


def answers(
    backend: LibbpfBackend, rules: RuleSet, queries: list[tuple[Side, Address, int, str | None]]
) -> list[tuple[int, Mode]]:
    backend._swap(rules)  # `replace` would refuse the modes that need the gate, and matching is what is tested
    return [one(backend, *query) for query in queries]


def one(backend: LibbpfBackend, side: Side, remote: Address, port: int, comm: str | None) -> tuple[int, Mode]:
    if comm is None:
        return backend.match(side, remote, port)
    assert backend._programs is not None
    name = comm.encode().ljust(16, b"\0")
    query = layout.QUERY.pack(layout.pack_address(remote), port, side, 1, 0, name)
    ask = backend._programs.call("ask_rule", layout.ASK.size)
    _, rule, mode, found, _ = layout.ASK.unpack(ask(layout.ASK.pack(query, 0, 0, 0, 0)))
    return (rule, Mode(mode)) if found else (-1, Mode.BYPASS)


# Few values, so that rows and queries meet; networks around the addresses that are asked for.
HOSTS = [
    "10.0.0.1", "10.0.0.2", "10.128.0.1", "192.0.2.255", "fd00::1", "fd00::1:0:0:1", "2001:db8::", "::1",
    "255.255.255.255",
]  # fmt: skip
addresses = st.one_of(st.sampled_from(HOSTS).map(ip_network), st.ip_addresses().map(ip_network)).map(
    lambda network: plain(network.network_address)  # as the core has them: IPv4-mapped IPv6 is IPv4
)
networks = st.builds(
    lambda address, cut: ip_network((address, max(0, address.max_prefixlen - cut)), strict=False),
    addresses,
    st.one_of(st.integers(0, 32), st.integers(0, 128)),
)
ports = st.one_of(st.sampled_from([1, 79, 80, 81, 65535]), st.integers(1, 65535))
comms = st.sampled_from(["curl", "cur", "exactly15bytes_", "ünïcode"])
matches = st.builds(
    Match,
    rule=st.integers(0, 2**16),
    mode=st.sampled_from(Mode),
    sides=st.sets(st.sampled_from(Side)).map(frozenset),
    ports=st.tuples(ports, ports).map(lambda pair: (min(pair), max(pair))),
    network=st.none() | networks,
    comm=st.just("") | comms,
)
queries = st.tuples(st.sampled_from(Side), addresses, ports, st.none() | comms)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(matches, max_size=12), asked=st.lists(queries, min_size=1, max_size=30))
def test_the_kernels_program_and_plain_words_agree(
    ask: Ask, rows: list[Match], asked: list[tuple[Side, Address, int, str | None]]
) -> None:
    rules = RuleSet(names=(), matches=tuple(rows))
    assert ask(rules, asked) == [first_match(rules, *query) for query in asked]


def test_a_full_table_is_searched_to_its_last_row(ask: Ask) -> None:
    other = Match(rule=1, mode=Mode.PREFER, sides=frozenset(Side), ports=(1, 1), network=None)
    last = Match(rule=2, mode=Mode.REQUIRE, sides=frozenset(Side), ports=(2, 2), network=None)
    rules = rule_set([other] * 255 + [last])
    host = ip_network("10.0.0.1").network_address
    found = ask(rules, [(Side.CLIENT, host, port, None) for port in (1, 2, 3)])
    assert found == [(1, Mode.PREFER), (2, Mode.REQUIRE), (-1, Mode.BYPASS)]
    assert ask(rule_set([]), [(Side.SERVER, host, 1, None)]) == [(-1, Mode.BYPASS)]
