# SPDX-License-Identifier: Apache-2.0
"""References in what bcc compiled: all of them resolved, or refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlshub_capture_bpf.instructions import SIZE, Names, linked, numbers, takes_arguments

LOAD, MOVE, PUT, CALL, EXIT = 0x18, 0xBF, 0xB7, 0x85, 0x95
MAP, CALLBACK, SYMBOL = 9, 10, 11


def one(operation: int, into: int = 0, source: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", operation, into | source << 4, 0, value)


def constant(into: int, source: int, value: int) -> bytes:
    return one(LOAD, into, source, value) + one(0)


END = one(EXIT)
NAMES = Names(maps=["flows", "rules"], symbols=["jiffies"], callbacks={"back": constant(1, MAP, 0) + END})


def resolved(code: bytes) -> tuple[bytes, dict[str, int]]:
    found = linked(code, NAMES, {"flows": 7, "rules": 8}, lambda _: 0xFFFFFFFF81000000)
    return found.code, dict(found.callbacks)


def test_maps_symbols_and_callbacks_become_what_the_kernel_takes() -> None:
    code, callbacks = resolved(constant(1, MAP, 1) + constant(3, SYMBOL, 0) + constant(2, CALLBACK, 0) + END)
    assert callbacks == {"back": 7}
    assert code[: 2 * SIZE] == constant(1, 1, 8)
    assert code[2 * SIZE : 4 * SIZE] == struct.pack("=BBhIBBhI", LOAD, 3, 0, 0x81000000, 0, 0, 0, 0xFFFFFFFF)
    assert code[4 * SIZE : 6 * SIZE] == constant(2, 4, 7 - 4 - 1), "relative to the next instruction"
    assert code[7 * SIZE :] == constant(1, 1, 7) + END, "a callback's own references are resolved, too"


def test_a_callback_that_is_used_twice_is_there_once() -> None:
    code, callbacks = resolved(constant(2, CALLBACK, 0) * 2 + END)
    assert callbacks == {"back": 5} and len(code) == 8 * SIZE


@pytest.mark.parametrize("source", [1, 4, 15])
def test_what_refers_to_anything_else_is_refused(source: int) -> None:
    with pytest.raises(ValueError, match="instruction 1 refers to something"):
        resolved(one(PUT) + constant(1, source, 0) + END)
    with pytest.raises(ValueError, match="instruction 0 refers to something"):
        resolved(one(CALL, source=1))


@given(st.sampled_from([MAP, CALLBACK, SYMBOL]), st.integers(-(2**31), 2**31 - 1).filter(lambda n: n not in (0, 1)))
def test_numbers_that_stand_for_nothing_are_refused(source: int, number: int) -> None:
    with pytest.raises(ValueError, match="a reference to number"):
        resolved(constant(1, source, number) + END)


@given(st.lists(st.integers(0, 2**31 - 1)))
def test_the_table_is_what_was_put_into_register_0(values: list[int]) -> None:
    code = b"".join(one(PUT, 0, 0, value) for value in [*values, 0]) + END
    assert numbers(code) == values


def test_arguments_have_to_be_taken_before_their_registers_are_used() -> None:
    first, second = one(MOVE, 6, 2), one(MOVE, 3, 3)
    assert takes_arguments(first + second + END, 3)
    assert takes_arguments(one(PUT, 1) + first + END, 2)
    assert not takes_arguments(one(PUT, 2) + first + END, 2), "the second argument was overwritten"
    assert not takes_arguments(one(MOVE, 3, 2) + second + END, 3), "the third one was"
    assert not takes_arguments(one(CALL, value=5) + first + END, 2), "a helper's call spoils them"
    assert not takes_arguments(END, 2)
