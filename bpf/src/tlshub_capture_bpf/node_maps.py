# SPDX-License-Identifier: Apache-2.0
"""The maps of programs that were compiled for this kernel: those that are pinned, or new ones."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from contextlib import ExitStack
from ctypes import c_size_t, c_uint32, c_uint64
from dataclasses import replace

from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.loading import pinned_entries
from tlshub_capture_bpf.maps import Shape
from tlshub_capture_bpf.pins import MAPS, Pins

SIZED = "flows"
INNER = {"rules": "ruleset"}  # of what shape the maps in a map are


class MapOpts(ctypes.Structure):
    """struct bpf_map_create_opts of <bpf/bpf.h>."""

    _fields_ = (
        ("sz", c_size_t),
        ("btf_fd", c_uint32),
        ("btf_key_type_id", c_uint32),
        ("btf_value_type_id", c_uint32),
        ("btf_vmlinux_value_type_id", c_uint32),
        ("inner_map_fd", c_uint32),
        ("map_flags", c_uint32),
        ("map_extra", c_uint64),
        ("numa_node", c_uint32),
        ("map_ifindex", c_uint32),
    )


def make_maps(
    libbpf: Libbpf, shapes: Mapping[str, Shape], table_size: int, pins: Pins | None, opened: ExitStack
) -> dict[str, int]:
    """Descriptors by name, closed by `opened`; raises OSError, Unavailable where pinned ones are of another shape."""
    found = dict[str, int]()
    for name in sorted(shapes, key=lambda name: name in INNER):
        shape = replace(shapes[name], entries=table_size) if name == SIZED else shapes[name]
        inner = found[INNER[name]] if name in INNER else 0
        found[name] = _map(libbpf, name, shape, inner, pins)
        opened.callback(os.close, found[name])
    return found


def _map(libbpf: Libbpf, name: str, shape: Shape, inner: int, pins: Pins | None) -> int:
    if pins is None or pinned_entries(libbpf, pins, name, shape) is None:
        made = _made(libbpf, name, shape, inner)
        if pins is not None:
            _pin(pins, name, made)
        return made
    found = pins.get(MAPS, name)
    assert found is not None, "nobody else is at work with the pins"
    return found


def _made(libbpf: Libbpf, name: str, shape: Shape, inner: int) -> int:
    options = MapOpts(sz=ctypes.sizeof(MapOpts), inner_map_fd=inner, map_flags=shape.flags)
    sizes = (shape.key_size, shape.value_size, shape.entries)
    return libbpf.code("bpf_map_create", shape.kind, name.encode(), *sizes, ctypes.byref(options))


def _pin(pins: Pins, name: str, fd: int) -> None:
    try:
        pins.put(MAPS, name, fd)
    except OSError:
        os.close(fd)
        raise
