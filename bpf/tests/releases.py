# SPDX-License-Identifier: Apache-2.0
"""Other releases of the programs: their source with a change, compiled."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from bpf.hatch_build import compile_object

C = Path(__file__).parents[1] / "c"
ROOM = "    u64 reserve[1];\n"
# A later release: a member of a flow out of the reserve, a map and a program that this one does not know.
LATER = {
    "flow.bpf.h": {ROOM: "    u64 novelty;\n"},
    "begin.bpf.h": {"struct flow f = { .side = side,": "struct flow f = { .side = side, .novelty = 7,"},
    "capture.bpf.c": {
        '#include "worn.bpf.h"\n': '#include "worn.bpf.h"\nstruct { __uint(type, BPF_MAP_TYPE_ARRAY); '
        "__uint(max_entries, 1); __type(key, u32); __type(value, u64); } novel MAPS;\n"
    },
}
# One whose flows are of another size: it cannot read what this one left.
STRANGE = {"flow.bpf.h": {ROOM: "    u64 reserve[9];\n"}}
# One whose ring buffer has room for some twenty events.
NARROW = {"ring.bpf.h": {"__uint(max_entries, 1 << 22); } events": "__uint(max_entries, 4096); } events"}}
# What the backend 'bcc' makes of them where the kernel has no ring buffer, but for any kernel.
BY_PERF = {"kernel.bpf.h": {"#pragma once\n": "#pragma once\n#define BY_PERF\n"}}
FOR_THE_LAB = {"later": LATER, "narrow": NARROW}


def release(folder: Path, changes: dict[str, dict[str, str]]) -> Path:
    """As `build`; skips the test where there is no compiler."""
    if shutil.which("clang") is None:
        pytest.skip("there is no clang here, to compile another release of the programs")
    return build(folder, changes)


def build(folder: Path, changes: dict[str, dict[str, str]]) -> Path:
    """Compile the programs with these changes, in a new folder. Raises RuntimeError."""
    shutil.copytree(C, folder / "c")
    for name, replaced in changes.items():
        text = (folder / "c" / name).read_text()
        for old, new in replaced.items():
            assert old in text, f"'{name}' has no '{old}' any more"
            text = text.replace(old, new)
        (folder / "c" / name).write_text(text)
    (folder / "src/tlshub_capture_bpf").mkdir(parents=True)
    return compile_object(folder)


if __name__ == "__main__":  # for the lab, where a compiler takes minutes: one by name, in a folder of that name
    where = Path(sys.argv[1])
    shutil.rmtree(where, ignore_errors=True)
    print(build(where, FOR_THE_LAB[where.name]))
