# SPDX-License-Identifier: Apache-2.0
"""Where the headers of a kernel are, and what a compiler has to be told to read them."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from tlshub_core.api import Unavailable

_VENDORS = ("Debian", "Ubuntu")  # in the version of a kernel
_PACKAGE = "linux-headers-"
_ARCHES = {"x86_64": "x86", "aarch64": "arm64"}
_RELEASE = re.compile(r'^#define UTS_RELEASE "([^"]+)"$', re.MULTILINE)
_BESIDE = re.compile(
    r"^include (/\S+)/Makefile$", re.MULTILINE
)  # Debian keeps what all flavours share in another folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """`build` has what was generated for one kernel, `source` what it shares with others; they may be the same."""

    release: str
    build: Path
    source: Path

    @property
    def flags(self) -> list[str]:
        """For the compiler, which finds the rest below `source` by itself."""
        machine = platform.machine()
        arch = _ARCHES.get(machine, machine)
        places = (f"arch/{arch}/include/generated", f"arch/{arch}/include/generated/uapi", "include")
        quiet = ("macro-redefined", "int-conversion", "incompatible-pointer-types-discards-qualifiers")
        return [
            *(f"-I{self.build / place}" for place in (*places, "include/generated/uapi")),
            f"-D__TARGET_ARCH_{arch}",
            *(f"-Wno-{name}" for name in quiet),
        ]

    @property
    def digest(self) -> bytes:
        """Of what decides about the kernel's layouts: its release and its configuration."""
        configuration = (self.build / "include/generated/autoconf.h").read_bytes()
        return hashlib.sha256(self.release.encode() + b"\0" + configuration).digest()


def read(build: Path) -> Headers:
    """Those in that folder; raises Unavailable where there are none."""
    release = build / "include/generated/utsrelease.h"
    named = _RELEASE.search(release.read_text()) if release.is_file() else None
    if named is None or not (build / "include/generated/autoconf.h").is_file():
        running = os.uname().release
        raise Unavailable(f"no headers of the kernel '{running}' in '{build}': {install(running)}")
    makefile = build / "Makefile"
    beside = _BESIDE.search(makefile.read_text()) if makefile.is_file() else None
    source = Path(beside[1]) if beside else build
    if not (source / "include/linux").is_dir():
        raise Unavailable(f"the headers in '{build}' lack those in '{source}': {again(named[1])}")
    return Headers(release=named[1], build=build, source=source)


def install(release: str) -> str:
    """How to get those of the running kernel: Debian has a package for each of its own."""
    if any(vendor in os.uname().version for vendor in _VENDORS):
        return f"apt-get install {_PACKAGE}{release}"
    return "its builder has them, this kernel is not Debian's; name their folder as 'headers' in '[plugin.bcc]'"


def again(release: str) -> str:
    """As `install`, where some are there already."""
    return install(release).replace(" install ", " install --reinstall ")


def find(folder: str = "") -> Headers:
    """Those in that folder, or those that are installed; raises Unavailable where they are not the running kernel's."""
    running = os.uname().release
    found = read(Path(folder) if folder else _installed(running))
    if found.release != running:
        message = f"the headers in '{found.build}' are those of '{found.release}', running is '{running}'"
        leave = ", and leave 'headers' out of '[plugin.bcc]'" if folder and "apt-get" in install(running) else ""
        raise Unavailable(f"{message}: {install(running)}{leave}")
    return found


def _installed(release: str) -> Path:
    """Where every distribution has them, or Debian's own place: a service may be kept from the kernel's modules."""
    places = (Path(f"/lib/modules/{release}/build"), Path(f"/usr/src/linux-headers-{release}"))
    return next((place for place in places if place.is_dir()), places[0])
