# SPDX-License-Identifier: Apache-2.0
"""Reads the structs in the .BTF section of an ELF object (kernel: Documentation/bpf/btf.rst), strictly."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

ELF = struct.Struct("<16xHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
HEADER = struct.Struct("<HBBIIIII")
TYPE = struct.Struct("<III")
MEMBER = struct.Struct("<III")
STRUCT = 4
# Bytes behind the fixed part: for each kind a fixed number, and a number per element.
EXTRA = {
    1: (4, 0), 2: (0, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 7: (0, 0), 8: (0, 0), 9: (0, 0), 10: (0, 0),
    11: (0, 0), 12: (0, 0), 13: (0, 8), 14: (4, 0), 15: (0, 12), 16: (0, 0), 17: (4, 0), 18: (0, 0), 19: (0, 12),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A struct: its size, and the offset of each member, in bytes."""

    size: int
    members: dict[str, int]


def section(elf: bytes, wanted: str) -> bytes:
    """A section of a little-endian 64-bit object; raises ValueError where it is not there."""
    if elf[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a little-endian 64-bit ELF object")
    *_, at, _, _, _, _, size, count, names = ELF.unpack_from(elf)
    if size != SECTION.size:
        raise ValueError(f"section headers of {size} bytes")
    headers = [SECTION.unpack_from(elf, at + i * size) for i in range(count)]
    strings = headers[names][4]
    for header in headers:
        if _text(elf, strings + header[0]) == wanted:
            return elf[header[4] : header[4] + header[5]]
    raise ValueError(f"no section '{wanted}'")


def structs(btf: bytes) -> dict[str, Layout]:
    """All named structs; raises ValueError for anything that is not BTF version 1, and for bit fields' offsets."""
    magic, version, _, length, type_at, type_size, string_at, _ = HEADER.unpack_from(btf)
    if (magic, version) != (0xEB9F, 1):
        raise ValueError("not BTF version 1")
    strings = length + string_at
    found = dict[str, Layout]()
    for name, size, members in _structs(btf, length + type_at, length + type_at + type_size):
        layout = Layout(size=size, members={_text(btf, strings + n): _bytes(bits) for n, bits in members})
        if name:
            found.setdefault(_text(btf, strings + name), layout)
    return found


def _structs(btf: bytes, at: int, end: int) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    while at < end:
        name, info, size = TYPE.unpack_from(btf, at)
        kind, count, bit_fields = info >> 24 & 0x1F, info & 0xFFFF, info >> 31
        at += TYPE.size
        if kind == STRUCT and not bit_fields:
            yield name, size, [(m[0], m[2]) for m in MEMBER.iter_unpack(btf[at : at + count * MEMBER.size])]
        if kind not in EXTRA:
            raise ValueError(f"unknown kind {kind} at {at}")
        fixed, each = EXTRA[kind]
        at += fixed + each * count
    if at != end:
        raise ValueError("types do not end where the header says")


def _bytes(bits: int) -> int:
    if bits % 8:
        raise ValueError(f"a member at bit {bits}")
    return bits // 8


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()
