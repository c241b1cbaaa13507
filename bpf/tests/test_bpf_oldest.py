# SPDX-License-Identifier: Apache-2.0
"""The oldest kernel that could take the programs, by what they call: as 'doctor' and the documents say it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import tlshub_capture_bpf

from bpf.tests.capture_btf import ELF, SECTION
from tlshub_core.doctor.kernel import OLDEST

CODE = 4  # SHF_EXECINSTR
HELPER = 0x85, 0  # BPF_JMP | BPF_CALL, and in the place of the source: a helper's number
OF_5_17 = range(180, 186)  # bpf_find_vma to bpf_get_func_arg_cnt, <linux/bpf.h>: those that came with that release
CHECKOUT = Path(__file__).parents[2]


def helpers(elf: bytes) -> Iterator[int]:
    """The numbers of all helpers that are called."""
    *_, at, _, _, _, _, size, count, _ = ELF.unpack_from(elf)
    for header in (SECTION.unpack_from(elf, at + i * size) for i in range(count)):
        if header[2] & CODE:
            for operation, registers, value in struct.iter_unpack("<BB2xi", elf[header[4] : header[4] + header[5]]):
                if (operation, registers >> 4) == HELPER:
                    yield value


def test_it_is_that_of_the_newest_helper() -> None:
    found = set(helpers(Path(tlshub_capture_bpf.__file__).with_name("capture.bpf.o").read_bytes()))
    assert len(found) > 20 and max(found) in OF_5_17 and OLDEST == (5, 17), sorted(found)


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md", "docs/limits.md", "bpf/README.md"])
def test_the_documents_say_the_same(page: str) -> None:
    assert ".".join(map(str, OLDEST)) in (CHECKOUT / page).read_text()
