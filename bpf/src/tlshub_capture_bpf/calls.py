# SPDX-License-Identifier: Apache-2.0
"""Programs that are called, not attached: what the agent asks of the others."""

from __future__ import annotations

import ctypes
from ctypes import c_int, c_size_t, c_uint32, c_void_p

from tlshub_capture_bpf.libbpf import Libbpf


class TestRunOpts(ctypes.Structure):
    """struct bpf_test_run_opts of <bpf/bpf.h>."""

    _fields_ = (
        ("sz", c_size_t),
        ("data_in", c_void_p),
        ("data_out", c_void_p),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("ctx_in", c_void_p),
        ("ctx_out", c_void_p),
        ("ctx_size_in", c_uint32),
        ("ctx_size_out", c_uint32),
        ("retval", c_uint32),
        ("repeat", c_int),
        ("duration", c_uint32),
        ("flags", c_uint32),
        ("cpu", c_uint32),
        ("batch_size", c_uint32),
    )


class Call:
    """A program of type syscall and its context, both kept: it is called several times for each connection."""

    def __init__(self, libbpf: Libbpf, program: int, size: int) -> None:
        self._libbpf, self._program = libbpf, program
        self._context = ctypes.create_string_buffer(size) if size else None
        self._options = TestRunOpts(sz=ctypes.sizeof(TestRunOpts), ctx_size_in=size)
        if self._context is not None:
            self._options.ctx_in = ctypes.addressof(self._context)
        self._reference = ctypes.byref(self._options)

    def __call__(self, context: bytes = b"") -> bytes:
        """Run it once on `context`, of the size that was given; returns what it made of that. Raises OSError."""
        if self._context is None:
            self._libbpf.code("bpf_prog_test_run_opts", self._program, self._reference)
            return b""
        self._context.raw = context
        self._libbpf.code("bpf_prog_test_run_opts", self._program, self._reference)
        return self._context.raw
