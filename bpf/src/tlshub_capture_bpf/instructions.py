# SPDX-License-Identifier: Apache-2.0
"""What bcc compiled, made into what the kernel takes: references resolved, callbacks behind the program that uses them.

Instructions are those of <linux/bpf.h> (struct bpf_insn, eight bytes); a constant of 64 bits takes two.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

SIZE = 8
_INSTRUCTION = struct.Struct("=BBhi")
_LOAD, _MOVE, _PUT, _CALL = 0x18, 0xBF, 0xB7, 0x85
_PSEUDO_MAP, _PSEUDO_FUNCTION = 1, 4
_OUR_MAP, _OUR_CALLBACK, _OUR_SYMBOL = 9, 10, 11  # of node.bpf.h
_CLASSES_THAT_WRITE = (0, 1, 4, 7)  # BPF_LD, BPF_LDX, BPF_ALU, BPF_ALU64


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the numbers in the instructions stand for, in order, and the instructions of the callbacks."""

    maps: Sequence[str]
    symbols: Sequence[str]
    callbacks: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Linked:
    """A program, and at which instruction each callback in it begins."""

    code: bytes
    callbacks: Mapping[str, int] = field(default_factory=dict)


def linked(code: bytes, names: Names, maps: Mapping[str, int], address: Callable[[str], int]) -> Linked:
    """Resolve all references, by descriptors of maps and addresses of symbols. Raises ValueError for any other."""
    callbacks, at = list(names.callbacks), dict[str, int]()
    parts, size = [code], len(code) // SIZE
    for name in _called(code, callbacks):
        at[name] = size
        parts.append(names.callbacks[name])
        size += len(parts[-1]) // SIZE
    whole = bytearray(b"".join(parts))
    for place, (source, number) in _references(bytes(whole)):
        if source == _OUR_MAP:
            _put(whole, place, _PSEUDO_MAP, maps[_nth(names.maps, number)], 0)
        elif source == _OUR_SYMBOL:
            found = address(_nth(names.symbols, number))
            _put(whole, place, 0, found & 0xFFFFFFFF, found >> 32)
        else:
            _put(whole, place, _PSEUDO_FUNCTION, at[_nth(callbacks, number)] - place - 1, 0)
    return Linked(bytes(whole), at)


def _called(code: bytes, callbacks: Sequence[str]) -> Sequence[str]:
    numbers = [number for _, (source, number) in _references(code) if source == _OUR_CALLBACK]
    return list(dict.fromkeys(_nth(callbacks, number) for number in numbers))


def _nth(names: Sequence[str], number: int) -> str:
    if not 0 <= number < len(names):
        raise ValueError(f"a reference to number {number} of {len(names)}")
    return names[number]


def _references(code: bytes) -> Iterator[tuple[int, tuple[int, int]]]:
    """Which constants are references: at which instruction, of which kind, to which number."""
    at = 0
    while at * SIZE < len(code):
        operation, registers, _, value = _INSTRUCTION.unpack_from(code, at * SIZE)
        source = registers >> 4
        if operation == _LOAD and source in (_OUR_MAP, _OUR_CALLBACK, _OUR_SYMBOL):
            yield at, (source, value)
        elif (operation == _LOAD and source) or (operation == _CALL and source):
            raise ValueError(f"instruction {at} refers to something that the backend does not know of")
        at += 2 if operation == _LOAD else 1


def _put(code: bytearray, at: int, source: int, low: int, high: int) -> None:
    operation, registers, offset, _ = _INSTRUCTION.unpack_from(code, at * SIZE)
    struct.pack_into("=BBhIBBhI", code, at * SIZE, operation, registers & 15 | source << 4, offset, low, 0, 0, 0, high)


def numbers(code: bytes) -> list[int]:
    """The constants that are put into register 0, one after the other, but the last one, which is returned."""
    found = [
        value
        for operation, registers, _, value in _INSTRUCTION.iter_unpack(code)
        if (operation, registers) == (_PUT, 0)
    ]
    return found[:-1]


def takes_arguments(code: bytes, count: int) -> bool:
    """Whether the arguments but the first are taken from their registers before anything else is put there."""
    left = set(range(2, count + 1))
    for operation, registers, *_ in _INSTRUCTION.iter_unpack(code):
        into, source = registers & 15, registers >> 4
        if operation == _MOVE:
            left.discard(source)
        if not left:
            return True
        if operation == _CALL or (operation & 7 in _CLASSES_THAT_WRITE and into in left) or operation & 7 in (5, 6):
            return False
    return False
