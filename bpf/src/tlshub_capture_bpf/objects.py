# SPDX-License-Identifier: Apache-2.0
"""The loader of the backend 'libbpf': an object compiled once, whose types libbpf finds in the kernel's BTF."""

from __future__ import annotations

import os
from pathlib import Path

from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.loading import Loaded, Program, Wanted, pinned_entries
from tlshub_capture_bpf.maps import Shape
from tlshub_capture_bpf.pins import MAPS, Pins
from tlshub_core.api import Unavailable

OBJECT = Path(__file__).with_name("capture.bpf.o")


class ObjectLoader:
    """Loads the object in `path`; see `Loader`."""

    def __init__(self, path: Path = OBJECT) -> None:
        self.path = path

    async def prepare(self) -> None:
        """The object is there already."""

    def load(self, libbpf: Libbpf, wanted: Wanted, table_size: int, pins: Pins | None) -> Loaded:
        """See `Loader`."""
        opened = libbpf.pointer("bpf_object__open_file", str(self.path).encode(), None)
        try:
            return _loaded(libbpf, opened, wanted, table_size, pins)
        except (OSError, Unavailable):
            libbpf.optional("bpf_object__close", opened)
            raise


def _loaded(libbpf: Libbpf, opened: int, wanted: Wanted, table_size: int, pins: Pins | None) -> Loaded:
    programs, maps = libbpf.listed("program", opened), libbpf.listed("map", opened)
    taken = {name for name, one in programs.items() if wanted(name, libbpf.text("bpf_program__section_name", one))}
    for name, program in programs.items():
        libbpf.code("bpf_program__set_autoload", program, name in taken)
    libbpf.code("bpf_map__set_max_entries", maps["flows"], table_size)
    if pins is not None:
        for name, definition in maps.items():
            _share(libbpf, pins, name, definition)
    libbpf.code("bpf_object__load", opened)
    return Loaded(
        maps={name: libbpf.code("bpf_map__fd", definition) for name, definition in maps.items()},
        programs={name: _program(libbpf, program) for name, program in programs.items() if name in taken},
        close=lambda: _close(libbpf, opened),
    )


def _share(libbpf: Libbpf, pins: Pins, name: str, definition: int) -> None:
    entries = pinned_entries(libbpf, pins, name, Shape.defined(libbpf, definition))
    if entries is not None:
        libbpf.code("bpf_map__set_max_entries", definition, entries)
    libbpf.code("bpf_map__set_pin_path", definition, os.fsencode(pins.path(MAPS, name)))


def _program(libbpf: Libbpf, program: int) -> Program:
    attach = libbpf.code("bpf_program__expected_attach_type", program)
    place = libbpf.text("bpf_program__section_name", program)
    return Program(fd=libbpf.code("bpf_program__fd", program), attach=attach, place=place)


def _close(libbpf: Libbpf, opened: int) -> None:
    libbpf.optional("bpf_object__close", opened)
