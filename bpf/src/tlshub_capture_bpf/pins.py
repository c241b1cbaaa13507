# SPDX-License-Identifier: Apache-2.0
"""The folder in a BPF file system by which programs and maps outlive the agent, and the next one finds them.

'maps' and 'calls' (programs that are run, not attached) and 'links' (which keep programs attached); 'next' has what is
about to replace one of these: it is attached already, and takes the other's place by rename(), so that there is no
moment without either, whenever the agent is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import stat
import struct
from collections.abc import Sequence
from pathlib import Path

from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_core.api import Level, Unavailable
from tlshub_core.doctor.bpf import bpffs

MAPS, CALLS, LINKS, NEXT = "maps", "calls", "links", "next"
PARTS = (LINKS, CALLS, NEXT, MAPS)
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH
_LINK = struct.Struct("=IIIIQ")  # struct bpf_link_info of a cgroup's link: type, id, program, pad, cgroup


def pinned(folder: Path) -> bool:
    """Whether programs are attached by pins in this folder."""
    return any((folder / LINKS).glob("*")) or any((folder / NEXT).glob(f"{LINKS}-*"))


class Pins:
    """One agent's folder; others are kept out until `release`, or the end of this process.

    `fresh`: no program was attached by it. Raises Unavailable where it cannot be had, OSError.
    """

    def __init__(self, libbpf: Libbpf, folder: Path) -> None:
        self._libbpf, self.folder = libbpf, folder
        _check_file_system(folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(folder)
        folder.chmod(0o700)  # whoever can open it can hold its lock, and keep agents from starting
        self._lock = _locked(folder)
        for part in PARTS:
            (folder / part).mkdir(mode=0o700, exist_ok=True)
        self._settle()
        self.fresh = not self.names(LINKS)

    def _settle(self) -> None:
        """What an agent had attached when it was killed, but not put in its place."""
        for found in self.names(NEXT):
            part, _, name = found.partition("-")
            (self.folder / NEXT / found).rename(self.folder / part / name)

    def path(self, part: str, name: str) -> Path:
        """Where something of that name is pinned, or would be."""
        return self.folder / part / name

    def names(self, part: str) -> list[str]:
        """What is pinned there."""
        return sorted(entry.name for entry in (self.folder / part).iterdir())

    def get(self, part: str, name: str) -> int | None:
        """A descriptor of what is pinned there, None where nothing is."""
        try:
            return self._libbpf.code("bpf_obj_get", os.fsencode(self.path(part, name)))
        except FileNotFoundError:
            return None

    def put(self, part: str, name: str, fd: int) -> None:
        """Pin, in the place of what is there."""
        following = self.folder / NEXT / f"{part}-{name}"
        self._libbpf.code("bpf_obj_pin", fd, os.fsencode(following))
        following.rename(self.path(part, name))

    def at_work(self, names: Sequence[str], cgroup: int) -> bool:
        """Whether all of these programs are attached to that cgroup; raises Unavailable where one is to another."""
        found = [self._cgroup(name) for name in names]
        if any(other not in (0, cgroup) for other in found):
            raise Unavailable(
                f"'{self.folder}' holds the connections of another cgroup: set 'cgroup' in '[capture]' back, or end "
                "that first, with 'tlshub-capture detach'"
            )
        return all(found)

    def _cgroup(self, name: str) -> int:
        fd = self.get(LINKS, name)
        if fd is None:
            return 0
        try:
            return self.cgroup_of(fd)
        finally:
            os.close(fd)

    def cgroup_of(self, fd: int) -> int:
        """Which cgroup a link is attached to, 0 where that is gone."""
        info, size = ctypes.create_string_buffer(_LINK.size), ctypes.c_uint32(_LINK.size)
        self._libbpf.code("bpf_obj_get_info_by_fd", fd, info, ctypes.byref(size))
        *_, cgroup = _LINK.unpack(info.raw)
        return int(cgroup)

    def drop(self, name: str) -> None:
        """Detach a program: one of a cgroup at once, any other when the kernel gets to it."""
        fd = self.get(LINKS, name)
        if fd is not None:
            with contextlib.suppress(OSError):  # only those of cgroups can
                self._libbpf.code("bpf_link_detach", fd)
            os.close(fd)
            self.path(LINKS, name).unlink()

    def remove(self) -> None:
        """Detach all programs, forget all maps, and take the folder away."""
        for name in self.names(LINKS):
            self.drop(name)
        for part in PARTS:
            for name in self.names(part):
                self.path(part, name).unlink()
            (self.folder / part).rmdir()
        self.folder.rmdir()
        self.release()

    def release(self) -> None:
        """Let another agent have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _check_file_system(folder: Path) -> None:
    found = bpffs(Path("/"), folder)
    if found.level is Level.FAILED:
        raise Unavailable(f"programs cannot be pinned: {found.message}: {found.remedy}")


def _check_owner(folder: Path) -> None:
    """Whoever may write to it may put a program of their own into the place of the gate."""
    found = folder.stat()
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & _WRITABLE:
        raise Unavailable(
            f"others than this user and root may write to '{folder}': remove it, or set 'pins' to another"
        )


def _locked(folder: Path) -> int | None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        message = f"another agent is at work with the pins in '{folder}': stop it, or set 'pins' in '[capture]' here"
        raise Unavailable(message) from None
    return fd
