# SPDX-License-Identifier: Apache-2.0
"""The compiled object: load it, reach its maps and calls, attach its programs in the order that lets nothing slip."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

from tlshub_capture_bpf.libbpf import Call, Libbpf

OBJECT = Path(__file__).with_name("capture.bpf.o")
SOCKOPS = "on_sockops"
PROBE = "probe_signals"
ADOPT = "adopt"
CALLS = frozenset({"move_flow", "promise", "leave", "ask_rule", "announce", "arm_probe"})
CGROUP = ("wall", "hold_fin", SOCKOPS)  # sockops last: what it marks, the others must already hold


class Map:
    """A BPF map by descriptor; keys and values are bytes in the layouts of `layout`."""

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

    def items(self, key_size: int) -> Iterator[tuple[bytes, bytes]]:
        """All keys with their values; where others write meanwhile, what was there all the time is there, once."""
        seen, key, following = set[bytes](), None, ctypes.create_string_buffer(key_size)
        while self._follows(key, following):
            key = following.raw
            value = None if key in seen else self.get(key)
            seen.add(key)
            if value is not None:
                yield key, value

    def _follows(self, key: bytes | None, following: ctypes.Array[ctypes.c_char]) -> bool:
        try:
            self._libbpf.code("bpf_map_get_next_key", self.fd, key, following)
        except FileNotFoundError:
            return False
        return True

    def put(self, key: bytes, value: bytes) -> None:
        """Write a value; raises OSError where the map is full."""
        self._libbpf.code("bpf_map_update_elem", self.fd, key, value, 0)

    def drop(self, key: bytes) -> None:
        """Remove a value, if it is there."""
        try:
            self._libbpf.code("bpf_map_delete_elem", self.fd, key)
        except FileNotFoundError:
            return


class Programs:
    """One loaded object; `gate` false loads what `observe` needs and runs on kernels without trampolines."""

    def __init__(self, libbpf: Libbpf, path: Path, *, gate: bool, table_size: int) -> None:
        self._libbpf, self._links = libbpf, list[int]()
        self._object = libbpf.pointer("bpf_object__open_file", str(path).encode(), None)
        self._programs = self._list()
        for name, program in self._programs.items():
            wanted = gate or name == SOCKOPS or (name in CALLS and name != "arm_probe")
            libbpf.code("bpf_program__set_autoload", program, wanted)
        try:
            libbpf.code("bpf_map__set_max_entries", self._map("flows"), table_size)
            libbpf.code("bpf_object__load", self._object)
        except OSError:
            self.close()
            raise

    def _list(self) -> dict[str, int]:
        found, program = dict[str, int](), self._libbpf.optional("bpf_object__next_program", self._object, None)
        while program:
            found[self._libbpf.text("bpf_program__name", program)] = program
            program = self._libbpf.optional("bpf_object__next_program", self._object, program)
        return found

    def _map(self, name: str) -> int:
        return self._libbpf.pointer("bpf_object__find_map_by_name", self._object, name.encode())

    def map(self, name: str, value_size: int) -> Map:
        """A map of the object by name."""
        return Map(self._libbpf, self._libbpf.code("bpf_map__fd", self._map(name)), value_size)

    def call(self, name: str, size: int = 0) -> Call:
        """One of the CALLS, with a context of that size."""
        return Call(self._libbpf, self._libbpf.code("bpf_program__fd", self._programs[name]), size)

    def attach(self, cgroup: Path, *, gate: bool) -> list[str]:
        """Attach all, the gate before the programs that mark sockets; returns names in order."""
        apart = {*CALLS, *CGROUP, PROBE, ADOPT}
        names = [name for name in self._programs if name not in apart]
        tracing = sorted(names) if gate else []
        for name in tracing:
            self._links.append(self.attach_one(name))
        marking = CGROUP if gate else (SOCKOPS,)
        directory = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in marking:
                link = self._libbpf.pointer("bpf_program__attach_cgroup", self._programs[name], directory)
                self._links.append(link)
        finally:
            os.close(directory)
        return [*tracing, *marking]

    def attach_one(self, name: str) -> int:
        """Attach a tracing program; returns its link."""
        return self._libbpf.pointer("bpf_program__attach", self._programs[name])

    def walk(self, name: str) -> None:
        """Run an iterator over all that it finds in the calling thread's network namespace."""
        link = self._libbpf.pointer("bpf_program__attach_iter", self._programs[name], None)
        try:
            with os.fdopen(self._libbpf.code("bpf_iter_create", self._libbpf.code("bpf_link__fd", link)), "rb") as walk:
                walk.read()
        finally:
            self.unlink(link)

    def unlink(self, link: int) -> None:
        """Detach one program."""
        self._libbpf.code("bpf_link__destroy", link)

    def close(self) -> None:
        """Detach what marks sockets first, the gate last, and free the object."""
        for link in reversed(self._links):
            self.unlink(link)
        self._links.clear()
        self._libbpf.optional("bpf_object__close", self._object)
