# SPDX-License-Identifier: Apache-2.0
"""BPF maps by descriptor."""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tlshub_capture_bpf.libbpf import Libbpf

BATCH = 1024
POSITION_SIZE = 64  # where a batch ended: the kernel takes four bytes, or a key
_INFO = struct.Struct("=IIIIII")  # the first members of struct bpf_map_info, <linux/bpf.h>


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a map is; programs that were made for one take no map of another shape, but for the number of entries."""

    kind: int
    key_size: int
    value_size: int
    flags: int
    entries: int

    @classmethod
    def of(cls, libbpf: Libbpf, fd: int) -> Shape:
        """Of a map that is loaded. Raises OSError."""
        info, size = ctypes.create_string_buffer(_INFO.size), ctypes.c_uint32(_INFO.size)
        libbpf.code("bpf_obj_get_info_by_fd", fd, info, ctypes.byref(size))
        kind, _, key_size, value_size, entries, flags = _INFO.unpack(info.raw)
        return cls(kind=kind, key_size=key_size, value_size=value_size, flags=flags, entries=entries)

    @classmethod
    def defined(cls, libbpf: Libbpf, definition: int) -> Shape:
        """As an object defines it that is not loaded yet."""
        names = {"kind": "type", "key_size": "key_size", "value_size": "value_size", "flags": "map_flags"}
        known = {mine: libbpf.code(f"bpf_map__{theirs}", definition) for mine, theirs in names.items()}
        return cls(**known, entries=libbpf.code("bpf_map__max_entries", definition))

    def fits(self, other: Shape) -> bool:
        """Whether programs made for one can take the other."""
        mine = (self.kind, self.key_size, self.value_size, self.flags)
        return mine == (other.kind, other.key_size, other.value_size, other.flags)


class Map:
    """A BPF map; keys and values are bytes in the layouts of `layout`."""

    def __init__(self, libbpf: Libbpf, fd: int, value_size: int) -> None:
        self._libbpf, self.fd, self._size = libbpf, fd, value_size

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        value = ctypes.create_string_buffer(self._size)
        try:
            self._libbpf.code("bpf_map_lookup_elem", self.fd, key, value)
        except FileNotFoundError:
            return None
        return value.raw

    def put(self, key: bytes, value: bytes) -> None:
        """Write a value; raises OSError where the map is full."""
        self._libbpf.code("bpf_map_update_elem", self.fd, key, value, 0)

    def drop(self, key: bytes) -> None:
        """Remove a value, if it is there."""
        try:
            self._libbpf.code("bpf_map_delete_elem", self.fd, key)
        except FileNotFoundError:
            return

    def items(self, key_size: int) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values of a hash, in no order, by few calls; what comes or goes meanwhile may be missed."""
        at, amount, more = None, BATCH, True
        while more:
            keys, values = (ctypes.create_string_buffer(size * amount) for size in (key_size, self._size))
            following, count = ctypes.create_string_buffer(POSITION_SIZE), ctypes.c_uint32(amount)
            try:
                arguments = (self.fd, at, following, keys, values, ctypes.byref(count), None)
                self._libbpf.code("bpf_map_lookup_batch", *arguments)
            except OSError as error:
                if error.errno == errno.ENOSPC:  # one bucket holds more than that
                    amount *= 2
                    continue
                if error.errno != errno.ENOENT:
                    raise
                more = False
            for i in range(count.value):
                yield _part(keys, i, key_size), _part(values, i, self._size)
            at = following

    def clear(self, key_size: int) -> None:
        """Remove all values of a hash."""
        for key, _ in self.items(key_size):
            self.drop(key)


def _part(buffer: ctypes.Array[ctypes.c_char], index: int, size: int) -> bytes:
    return ctypes.string_at(ctypes.addressof(buffer) + index * size, size)
