# SPDX-License-Identifier: Apache-2.0
"""Each member of the kernel's types that the programs name is there, also where the kernel does not take the gate."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import pytest
from tlshub_capture_bpf import btf
from tlshub_capture_bpf.libbpf import PRINT_CALLBACK, Libbpf
from tlshub_capture_bpf.objects import ObjectLoader
from tlshub_capture_bpf.programs import Hold, Programs

# Of other kernels than this one: names with three underscores, what 6.4 renamed, and what is not in one without KTLS.
ELSEWHERE = re.compile(r"___|struct iov_iter\.iov$|struct tls_|struct strp_msg|struct _strp_msg|struct sk_skb_cb")


def said(path: Path) -> list[str]:
    """What libbpf says while it loads the programs, of which the last may be that this kernel does not want them."""
    library, found, libc = Libbpf(), list[str](), ctypes.CDLL(None)

    @PRINT_CALLBACK
    def note(_level: int, form: bytes, values: int) -> int:
        line = ctypes.create_string_buffer(1024)
        libc.vsnprintf(line, len(line), form, ctypes.c_void_p(values))
        found.append(line.value.decode(errors="replace").strip())
        return 0

    library._library.libbpf_set_print(note)
    try:
        Programs(library, ObjectLoader(path), hold=Hold.GATE, table_size=16).close()
    except OSError:
        assert found, "a kernel that takes no such programs is told apart by what libbpf says before"
    finally:
        library._library.libbpf_set_print(None)
    return found


def test_every_member_is_found(compiled: Path) -> None:
    if not btf.is_there():
        pytest.skip(f"no BTF in '{btf.KERNELS}'")
    told = "\n".join(said(compiled))
    found = re.findall(r"(prog '\w+': relo #\d+): <(\w+)> \[\d+\] (.+?)(?: \(| = )", told)
    asked = {which: name for which, _, name in found}
    assert len(asked) > 100, told[-500:]
    asked_about = {name for _, kind, name in found if kind.endswith("_exists")}
    absent = {asked[which] for which in re.findall(r"(prog '\w+': relo #\d+): no matching targets", told)}
    assert {name for name in absent - asked_about if not ELSEWHERE.search(name)} == set()
