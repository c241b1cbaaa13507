# SPDX-License-Identifier: Apache-2.0
"""BTF (kernel: Documentation/bpf/btf.rst): the kernel's, and the least with which it takes programs with callbacks."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

KERNELS = Path("/sys/kernel/btf/vmlinux")
_HEADER = struct.Struct("=HBBIIIII")
_TYPE = struct.Struct("=III")
_RECORD = struct.Struct("=II")
_MAGIC, _INT, _FUNCTION, _PROTOTYPE = 0xEB9F, 1, 12, 13
_SIGNED_32 = 1 << 24 | 32
_STRINGS = b"\0int\0program\0callback\0"
RECORD_SIZE = _RECORD.size
PROGRAM, CALLBACK = 3, 4  # numbers of types


def is_there() -> bool:
    """Whether the kernel describes its own types."""
    return KERNELS.exists()


def blob() -> bytes:
    """A function 'program' that others may call, and a static one, 'callback'."""
    types = b"".join(
        (
            _TYPE.pack(_STRINGS.index(b"int"), _INT << 24, 4) + struct.pack("=I", _SIGNED_32),
            _TYPE.pack(0, _PROTOTYPE << 24, 1),
            _TYPE.pack(_STRINGS.index(b"program"), _FUNCTION << 24 | 1, 2),
            _TYPE.pack(_STRINGS.index(b"callback"), _FUNCTION << 24, 2),
        )
    )
    return _HEADER.pack(_MAGIC, 1, 0, _HEADER.size, 0, len(types), len(types), len(_STRINGS)) + types + _STRINGS


def functions(callbacks: Sequence[int]) -> bytes:
    """Records of struct bpf_func_info, for a program and its callbacks, by the instructions at which they begin."""
    begins = [(0, PROGRAM), *((at, CALLBACK) for at in sorted(callbacks))]
    return b"".join(_RECORD.pack(*one) for one in begins)
