# SPDX-License-Identifier: Apache-2.0
"""What is remembered of master keys: no use of one is allowed twice, and what is forgotten is strange again."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st
from tlshub_capture_tlshub.memory import Memory, Standing

from tlshub_core.api import Isns, Tuple4


def tuple_of(port: int) -> Tuple4:
    return Tuple4(client=IPv4Address("10.1.0.1"), client_port=port, server=IPv4Address("10.2.0.1"), server_port=80)


ONE, ISNS, LATER = tuple_of(40_001), Isns(client=1, server=2), Isns(client=3, server=4)


def test_a_key_of_a_tuple_that_is_not_known_is_strange() -> None:
    assert Memory().standing(ONE, b"a") is Standing.STRANGE
    assert not Memory().knows(ONE)


def test_a_key_goes_from_new_to_used_and_a_repeat_is_its_end() -> None:
    memory = Memory()
    memory.keyless(ONE)
    assert (memory.knows(ONE), memory.standing(ONE, b"a")) == (True, Standing.NEW)
    memory.adopt(ONE, b"a")
    assert memory.standing(ONE, b"a") is Standing.UNUSED
    assert memory.spend(ONE, b"a", ISNS)
    assert memory.standing(ONE, b"a") is Standing.USED
    assert memory.spend(ONE, b"a", LATER)
    assert not memory.spend(ONE, b"a", ISNS)
    assert memory.standing(ONE, b"a") is Standing.DEAD
    assert not memory.spend(ONE, b"a", Isns(client=5, server=6))


def test_adopting_again_forgets_no_use() -> None:
    memory = Memory()
    memory.adopt(ONE, b"a")
    memory.spend(ONE, b"a", ISNS)
    memory.adopt(ONE, b"a")
    memory.keyless(ONE)
    assert not memory.spend(ONE, b"a", ISNS)


def test_a_newer_key_replaces_the_older_one() -> None:
    memory = Memory()
    memory.distrust(ONE, b"a")
    assert memory.standing(ONE, b"a") is Standing.DEAD
    memory.adopt(ONE, b"a")
    assert memory.standing(ONE, b"a") is Standing.DEAD
    memory.adopt(ONE, b"b")
    assert not memory.spend(ONE, b"a", ISNS)
    assert memory.spend(ONE, b"b", ISNS)


def test_the_tuple_that_was_looked_at_longest_ago_is_forgotten() -> None:
    memory = Memory(limit=2)
    memory.adopt(ONE, b"a")
    memory.adopt(tuple_of(2), b"b")
    assert memory.standing(ONE, b"a") is Standing.UNUSED
    memory.adopt(tuple_of(3), b"c")
    assert (memory.knows(ONE), memory.knows(tuple_of(2)), len(memory)) == (True, False, 2)
    assert not memory.spend(tuple_of(2), b"b", ISNS)


steps = st.tuples(st.sampled_from(["adopt", "keyless", "distrust", "spend"]), st.integers(1, 3), st.integers(1, 3))


@given(st.lists(st.tuples(steps, st.integers(1, 2)), max_size=60))
def test_nothing_is_spent_twice_while_the_module_has_that_key(done: list[tuple[tuple[str, int, int], int]]) -> None:
    """Whatever comes in whatever order: between two adoptions of other keys, each use is allowed once."""
    memory, spent, living = Memory(limit=2), set(), dict[int, int]()
    for (step, key, number), port in done:
        mark, isns = bytes((key,)), Isns(client=number, server=number)
        if step == "spend":
            if memory.spend(tuple_of(port), mark, isns):
                assert living[port] == key
                assert (port, key, number) not in spent
                spent.add((port, key, number))
        elif step == "keyless":
            memory.keyless(tuple_of(port))
        else:
            getattr(memory, step)(tuple_of(port), mark)
            if living.get(port) != key:
                spent = {use for use in spent if use[0] != port}
            living[port] = key
