# SPDX-License-Identifier: Apache-2.0
"""The two halves of each layout, C and Python, are one: by the object's BTF, and by the compiler for the rest."""

from __future__ import annotations

import platform
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from tlshub_capture_bpf import decoding, layout

from bpf.tests.capture_btf import section, structs
from tlshub_core.api import Mode, Side, State

C = Path(__file__).parents[1] / "c"
# Members in order, each with a field of the Python struct; 'head' is the pad at the beginning of an event.
MEMBERS = {
    "header": (layout.HEADER, "kind pad cookie time"),
    "tuple": (layout.TUPLE, "local remote local_port remote_port pad"),
    "owner": (layout.OWNER, "inode pid fd comm"),
    "seen": (layout.SEEN, "head tuple rule side mode state syn_held owner passthrough pad"),
    "established": (layout.ESTABLISHED, "head local_isn remote_isn"),
    "owned": (layout.OWNED, "head owner held"),
    "decided": (layout.DECIDED, "head state reason number"),
    "spoke": (layout.SPOKE, "head tls pad"),
    "worn": (layout.WORN, "head records bytes sent pad"),
    "closed": (
        layout.CLOSED,
        "head state restarts held opened used sent received records_sent records_received",
    ),
    "settings": (
        layout.SETTINGS,
        "cgroup handshake_ns gate_ns warm_ns settled agent cgroup_level syn_jiffies peering_port pad "
        "agent_since life unattended guard stops reserve",
    ),
    "flow": (
        layout.FLOW,
        "state rule side mode syn_held syn_retries restarts born deadline held opened fin reported reporter first "
        "passthrough proven tuple owner local_isn remote_isn established tried pad sock used records_sent "
        "records_received reserve",
    ),
    "stop": (layout.STOP, "cookie pid pad"),
    "tally": (layout.TALLY, "released refused released_told refused_told since reserve"),
    "sweep": (layout.SWEEP, "life died give_up found replaced pad"),
    "swept": (layout.SWEPT, "cookie state side tuple owner reserve"),
    "query": (layout.QUERY, "remote port side has_comm pad comm"),
    "ask": (layout.ASK, "query rule mode found pad"),
    "wear": (layout.WEAR, "blocks"),
    "move": (layout.MOVE, "cookie born deadline from to before pad"),
    "promise": (layout.PROMISE, "tuple until before why"),
    "row": (layout.ROW, "network mask port_low port_high sides mode has_comm family rule passthrough comm"),
}
IN_BTF = ("tuple", "settings", "flow", "query", "ask", "wear", "move", "tally", "sweep", "swept", "stop")


def offsets(name: str) -> dict[str, int]:
    """Where Python puts each member."""
    packed, members = MEMBERS[name]
    found, at = list[int](), 0
    for count, code in re.findall(r"(\d*)([a-zA-Z])", packed.format):
        elements = 1 if code in "sx" else int(count or 1)
        size = int(count or 1) if code in "sx" else struct.calcsize("=" + code)
        found += [at + i * size for i in range(elements)]
        at += elements * size
    assert at == packed.size
    return dict(zip(members.split(), found, strict=True))


@pytest.mark.parametrize("name", IN_BTF)
def test_python_and_the_objects_btf_are_one(name: str, compiled: Path) -> None:
    found = structs(section(compiled.read_bytes(), ".BTF"))[name]
    assert (found.size, found.members) == (MEMBERS[name][0].size, offsets(name))


def test_python_and_the_compiler_are_one(tmp_path: Path) -> None:
    clang = shutil.which("clang")
    if clang is None:
        pytest.skip("there is no clang here, which alone knows the structs that are not in the object's BTF")
    lines = [f'#include "{C}/capture.bpf.c"', *(line for name in MEMBERS for line in assertions(name))]
    lines.append(f'_Static_assert(sizeof(struct ruleset) == {layout.RULESET.size + 256 * layout.ROW.size}, "ruleset");')
    lines += [f'_Static_assert({s.name} == {s.value}, "state");' for s in State]
    lines += [f'_Static_assert({s.name} == {s.value}, "side");' for s in Side]
    lines += [f'_Static_assert({m.name} == {m.value}, "mode");' for m in Mode]
    lines += [f'_Static_assert({r.name} == {n}, "reason");' for n, r in decoding._REASONS.items()]
    source = tmp_path / "check.c"
    source.write_text("\n".join(lines))
    machine = platform.machine()
    arch = {"x86_64": "x86", "aarch64": "arm64"}.get(machine, machine)
    flags = ["-target", "bpf", "-O2", "-g", f"-D__TARGET_ARCH_{arch}", f"-I/usr/include/{machine}-linux-gnu"]
    done = subprocess.run([clang, *flags, "-fsyntax-only", str(source)], capture_output=True, text=True)
    if "file not found" in done.stderr:
        pytest.skip("there are no headers of libbpf here (libbpf-dev)")
    assert done.returncode == 0, done.stderr


def assertions(name: str) -> list[str]:
    size = f'_Static_assert(sizeof(struct {name}) == {MEMBERS[name][0].size}, "{name}");'
    each = [
        f'_Static_assert(__builtin_offsetof(struct {name}, {member}) == {at}, "{name}.{member}");'
        for member, at in offsets(name).items()
    ]
    return [size, *each]


def test_the_reader_refuses_what_is_no_btf(compiled: Path) -> None:
    elf = compiled.read_bytes()
    btf = section(elf, ".BTF")
    for wrong in (b"\0" + btf[1:], btf[:2] + b"\2" + btf[3:], btf[:24] + b"\xff" * 12 + btf[36:]):
        with pytest.raises(ValueError):
            structs(wrong)
    with pytest.raises(ValueError, match="no section"):
        section(elf, ".absent")
    with pytest.raises(ValueError, match="ELF"):
        section(b"text" * 99, ".BTF")
