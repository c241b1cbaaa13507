# SPDX-License-Identifier: Apache-2.0
"""Brings programs into the kernel that were compiled for it: no object tells their types, places and functions."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from ctypes import c_char_p, c_int, c_size_t, c_uint32, c_void_p
from dataclasses import dataclass

from tlshub_capture_bpf import btf
from tlshub_capture_bpf.built import Built
from tlshub_capture_bpf.instructions import SIZE, Linked, linked
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.loading import Program
from tlshub_capture_bpf.symbols import address_of
from tlshub_core.api import Unsupported

_LICENSE, _NAME_SIZE = b"GPL", 15
_WHY_NOT, _LOG_SIZE, _LINES = 4, 1 << 16, 4  # BPF_LOG_STATS: why a program is refused, and not each of its instructions
_FUNCTION = 12  # a kind of BTF
_SLEEPABLE = 1 << 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Of programs, in the numbers of <linux/bpf.h>; `prefix` begins the name of their function in the kernel's BTF."""

    type: int
    attach: int = 0
    flags: int = 0
    prefix: str | None = None


KINDS = {
    "kprobe": Kind(type=2),
    "kretprobe": Kind(type=2),
    "sockops": Kind(type=13, attach=3),
    "cgroup_skb/ingress": Kind(type=8, attach=0),
    "cgroup_skb/egress": Kind(type=8, attach=1),
    "syscall": Kind(type=31, flags=_SLEEPABLE),
    "fentry": Kind(type=26, attach=24, prefix=""),
    "fexit": Kind(type=26, attach=25, prefix=""),
    "fmod_ret": Kind(type=26, attach=26, prefix=""),
    "iter": Kind(type=26, attach=28, prefix="bpf_iter_"),
}


class ProgramOpts(ctypes.Structure):
    """struct bpf_prog_load_opts of <bpf/bpf.h>."""

    _fields_ = (
        ("sz", c_size_t),
        ("attempts", c_int),
        ("expected_attach_type", c_int),
        ("prog_btf_fd", c_uint32),
        ("prog_flags", c_uint32),
        ("prog_ifindex", c_uint32),
        ("kern_version", c_uint32),
        ("attach_btf_id", c_uint32),
        ("attach_prog_fd", c_uint32),
        ("attach_btf_obj_fd", c_uint32),
        ("fd_array", c_void_p),
        ("func_info", c_char_p),
        ("func_info_cnt", c_uint32),
        ("func_info_rec_size", c_uint32),
        ("line_info", c_void_p),
        ("line_info_cnt", c_uint32),
        ("line_info_rec_size", c_uint32),
        ("log_level", c_uint32),
        ("log_size", c_uint32),
        ("log_buf", c_void_p),
    )


class Bringer:
    """Brings one program after the other; the kernel's BTF is read where the first one needs it."""

    def __init__(self, libbpf: Libbpf, built: Built, maps: Mapping[str, int]) -> None:
        self._libbpf, self._built, self._maps = libbpf, built, maps
        self._said = ctypes.create_string_buffer(_LOG_SIZE)
        self._types: int | None = None
        blob = btf.blob()
        self._functions = libbpf.code("bpf_btf_load", blob, len(blob), None)

    def bring(self, name: str) -> Program:
        """One program; raises OSError that has the verifier's last words, Unavailable, Unsupported."""
        section = self._built.sections[name]
        kind = KINDS.get(section) or KINDS[section.partition("/")[0]]
        code = linked(self._built.programs[name], self._built.names, self._maps, self._address)
        options = self._options(kind, section, code)
        try:
            arguments = (name.encode()[:_NAME_SIZE], _LICENSE, code.code, len(code.code) // SIZE)
            self._said.value = b""
            fd = self._libbpf.code("bpf_prog_load", kind.type, *arguments, ctypes.byref(options))
        except OSError as error:
            last = self._said.value.decode(errors="replace").strip().splitlines()[-_LINES:]
            raise type(error)(error.errno, f"program '{name}': {error.strerror}: {'; '.join(last)}") from error
        return Program(fd=fd, attach=kind.attach, place=section)

    def _options(self, kind: Kind, section: str, code: Linked) -> ProgramOpts:
        options = ProgramOpts(sz=ctypes.sizeof(ProgramOpts), expected_attach_type=kind.attach, prog_flags=kind.flags)
        options.log_level, options.log_size = _WHY_NOT, _LOG_SIZE
        options.log_buf = ctypes.addressof(self._said)
        if kind.prefix is not None:
            options.attach_btf_id = self._type(kind.prefix + section.partition("/")[2])
        if code.callbacks:
            options.prog_btf_fd, options.func_info_rec_size = self._functions, btf.RECORD_SIZE
            options.func_info, options.func_info_cnt = (
                btf.functions(list(code.callbacks.values())),
                1 + len(code.callbacks),
            )
        return options

    def _type(self, function: str) -> int:
        if not btf.is_there():
            raise Unsupported("it was built without BTF (CONFIG_DEBUG_INFO_BTF)")
        if self._types is None:
            self._types = self._libbpf.pointer("btf__load_vmlinux_btf")
        return self._libbpf.code("btf__find_by_name_kind", self._types, function.encode(), _FUNCTION)

    def _address(self, symbol: str) -> int:
        return address_of(symbol, optional=symbol in self._built.optional)

    def close(self) -> None:
        """The programs stay."""
        os.close(self._functions)
        if self._types is not None:
            self._libbpf.optional("btf__free", self._types)
