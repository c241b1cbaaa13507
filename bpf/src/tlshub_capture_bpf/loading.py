# SPDX-License-Identifier: Apache-2.0
"""What a loader makes: maps and programs in the kernel, attached to nothing. All else is the same for all loaders."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.maps import Shape
from tlshub_capture_bpf.pins import MAPS, Pins
from tlshub_core.api import Unavailable

Wanted = Callable[[str, str], bool]
_log = logging.getLogger("tlshub.capture")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program by its descriptor; `place`, its section, says where it belongs, `attach` of what kind that place is.

    `attach` is an enum bpf_attach_type of <linux/bpf.h>.
    """

    fd: int
    attach: int
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Descriptors by name, all of them freed by `close`."""

    maps: Mapping[str, int]
    programs: Mapping[str, Program]
    close: Callable[[], None]


class Loader(Protocol):
    """Brings the programs into the kernel."""

    async def prepare(self) -> None:
        """What takes long, before `load`; raises Unavailable."""

    def load(self, libbpf: Libbpf, wanted: Wanted, table_size: int, pins: Pins | None) -> Loaded:
        """All maps, and the programs that are `wanted` by name and place; with `pins` the maps that are pinned.

        Raises Unavailable where these are maps for other programs, or this kernel's are not to be had; Unsupported
        where it can never take such programs; OSError.
        """


def pinned_entries(libbpf: Libbpf, pins: Pins, name: str, wanted: Shape) -> int | None:
    """How many entries the pinned map has, whose shape is that of the `wanted` one; None where none is pinned."""
    fd = pins.get(MAPS, name)
    if fd is None:
        return None
    with contextlib.closing(os.fdopen(fd, "rb", buffering=0)):
        found = Shape.of(libbpf, fd)
    if not found.fits(wanted):
        raise Unavailable(
            f"the map '{name}' in '{pins.folder}' is that of another release, whose programs go on holding: start "
            "that release again, or end what it holds with 'tlshub-capture detach'"
        )
    if wanted.entries != found.entries:
        _log.warning("the map '%s' keeps its %d entries until 'tlshub-capture detach'", name, found.entries)
    return found.entries
