# SPDX-License-Identifier: Apache-2.0
"""The part of libbpf 1.x that the backend calls, by ctypes; every failure is an OSError with the call's name."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from ctypes import c_bool, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

RING_CALLBACK = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)
SAMPLE_CALLBACK = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_void_p, c_uint32)
PRINT_CALLBACK = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)

_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "bpf_object__open_file": (c_void_p, [c_char_p, c_void_p]),
    "bpf_object__load": (c_int, [c_void_p]),
    "bpf_object__close": (None, [c_void_p]),
    "bpf_object__next_program": (c_void_p, [c_void_p, c_void_p]),
    "bpf_object__next_map": (c_void_p, [c_void_p, c_void_p]),
    "bpf_map__fd": (c_int, [c_void_p]),
    "bpf_map__name": (c_char_p, [c_void_p]),
    "bpf_map__type": (c_int, [c_void_p]),
    "bpf_map__key_size": (c_int, [c_void_p]),
    "bpf_map__value_size": (c_int, [c_void_p]),
    "bpf_map__map_flags": (c_int, [c_void_p]),
    "bpf_map__max_entries": (c_int, [c_void_p]),
    "bpf_map__set_max_entries": (c_int, [c_void_p, c_uint32]),
    "bpf_map__set_pin_path": (c_int, [c_void_p, c_char_p]),
    "bpf_program__name": (c_char_p, [c_void_p]),
    "bpf_program__section_name": (c_char_p, [c_void_p]),
    "bpf_program__fd": (c_int, [c_void_p]),
    "bpf_program__set_autoload": (c_int, [c_void_p, c_bool]),
    "bpf_program__expected_attach_type": (c_int, [c_void_p]),
    "bpf_link_create": (c_int, [c_int, c_int, c_int, c_void_p]),
    "bpf_prog_load": (c_int, [c_int, c_char_p, c_char_p, c_char_p, c_size_t, c_void_p]),
    "bpf_btf_load": (c_int, [c_char_p, c_size_t, c_void_p]),
    "btf__load_vmlinux_btf": (c_void_p, []),
    "btf__find_by_name_kind": (c_int, [c_void_p, c_char_p, c_uint32]),
    "btf__free": (None, [c_void_p]),
    "bpf_iter_create": (c_int, [c_int]),
    "bpf_link_update": (c_int, [c_int, c_int, c_void_p]),
    "bpf_link_detach": (c_int, [c_int]),
    "bpf_obj_pin": (c_int, [c_int, c_char_p]),
    "bpf_obj_get": (c_int, [c_char_p]),
    "bpf_obj_get_info_by_fd": (c_int, [c_int, c_void_p, c_void_p]),
    "bpf_map_create": (c_int, [c_int, c_char_p, c_uint32, c_uint32, c_uint32, c_void_p]),
    "bpf_map_update_elem": (c_int, [c_int, c_char_p, c_char_p, c_uint64]),
    "bpf_map_lookup_elem": (c_int, [c_int, c_char_p, c_char_p]),
    "bpf_map_delete_elem": (c_int, [c_int, c_char_p]),
    "bpf_map_lookup_batch": (c_int, [c_int, *[c_void_p] * 6]),
    "bpf_prog_test_run_opts": (c_int, [c_int, c_void_p]),
    "ring_buffer__new": (c_void_p, [c_int, RING_CALLBACK, c_void_p, c_void_p]),
    "ring_buffer__consume": (c_int, [c_void_p]),
    "ring_buffer__epoll_fd": (c_int, [c_void_p]),
    "ring_buffer__free": (None, [c_void_p]),
    "perf_buffer__new": (c_void_p, [c_int, c_size_t, SAMPLE_CALLBACK, c_void_p, c_void_p, c_void_p]),
    "perf_buffer__consume": (c_int, [c_void_p]),
    "perf_buffer__epoll_fd": (c_int, [c_void_p]),
    "perf_buffer__free": (None, [c_void_p]),
    "libbpf_set_print": (c_void_p, [c_void_p]),
}


class Libbpf:
    """The loaded library; raises OSError where it is missing or older than 1.0."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libbpf.so.1", use_errno=True)
        self._functions = {name: self._typed(name, *types) for name, types in _SIGNATURES.items()}
        self._library.libbpf_set_print(None)  # it would print to the agent's stderr; errors are raised instead

    def _typed(self, name: str, result: object, arguments: list[object]) -> Callable[..., Any]:
        function = getattr(self._library, name)
        function.restype, function.argtypes = result, arguments
        found: Callable[..., Any] = function
        return found

    def version(self) -> str:
        """The library's version, such as '1.1'."""
        library = self._library
        return f"{library.libbpf_major_version()}.{library.libbpf_minor_version()}"

    def code(self, name: str, *arguments: object) -> int:
        """Call a function that returns a negative errno on failure; raises OSError then."""
        result: int = self._functions[name](*arguments)
        if result < 0:
            raise OSError(-result, f"{name}: {os.strerror(-result)}")
        return result

    def pointer(self, name: str, *arguments: object) -> int:
        """Call a function that returns null on failure and sets errno; raises OSError then."""
        result: int | None = self._functions[name](*arguments)
        if not result:
            number = ctypes.get_errno()
            raise OSError(number, f"{name}: {os.strerror(number)}")
        return result

    def optional(self, name: str, *arguments: object) -> int | None:
        """Call a function whose null or absent result is no failure."""
        result: int | None = self._functions[name](*arguments)
        return result

    def listed(self, kind: str, parent: int) -> dict[str, int]:
        """All of an object's programs or maps ('program', 'map'), by name."""
        found, one = dict[str, int](), self.optional(f"bpf_object__next_{kind}", parent, None)
        while one:
            found[self.text(f"bpf_{kind}__name", one)] = one
            one = self.optional(f"bpf_object__next_{kind}", parent, one)
        return found

    def text(self, name: str, *arguments: object) -> str:
        """Call a function that returns a C string."""
        return str(self._functions[name](*arguments).decode())
