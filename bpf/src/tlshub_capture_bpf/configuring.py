# SPDX-License-Identifier: Apache-2.0
"""What the programs go by: the settings, and the rules."""

from __future__ import annotations

import os
import time

from tlshub_capture_bpf import layout, rows
from tlshub_capture_bpf.libbpf import Libbpf
from tlshub_capture_bpf.programs import Hold, Programs
from tlshub_core.api import CaptureSettings, RuleSet

SETTLED_NS = 300_000_000_000  # longer than a connection may take to be established
CLOCK_MONOTONIC_COARSE = 6  # its resolution is the kernel's tick
SYN_TIMEOUT_S = 0.004
BPF_MAP_TYPE_ARRAY = 2
ZERO = layout.U32.pack(0)


def settled(programs: Programs) -> int:
    """Until when a connection may be older than the programs, as the settings say that are in force."""
    value = programs.map("settings", layout.SETTINGS.size).get(ZERO)
    assert value is not None, "an array has all its values"
    return int(layout.SETTINGS.unpack(value)[4])


def configure(programs: Programs, settings: CaptureSettings, life: int, since: int | None) -> None:
    """Write the settings of the agent `life`; `since` is until when a connection may be older, None from now on."""
    tick = time.clock_getres(CLOCK_MONOTONIC_COARSE)
    depth = len(settings.cgroup.resolve().relative_to(settings.cgroup_root).parts)
    value = layout.SETTINGS.pack(
        settings.cgroup.stat().st_ino,
        settings.handshake_ns,
        settings.gate_ns,
        settings.warm_ns,
        time.monotonic_ns() + SETTLED_NS if since is None else since,
        0,
        depth,
        max(1, round(SYN_TIMEOUT_S / tick)),
        settings.peering_port,
        0,
        0,
        life,
        0,
        0,
        programs.hold is Hold.STOP,
    )
    programs.map("settings", layout.SETTINGS.size).put(ZERO, value)
    programs.call("announce")()


def swap(libbpf: Libbpf, programs: Programs, rules: RuleSet) -> None:
    """Put these rules in force, all at once."""
    value = rows.pack_rules(rules)
    fd = libbpf.code("bpf_map_create", BPF_MAP_TYPE_ARRAY, b"ruleset", 4, len(value), 1, None)
    try:
        libbpf.code("bpf_map_update_elem", fd, ZERO, value, 0)
        programs.map("rules", 4).put(ZERO, layout.U32.pack(fd))
    finally:
        os.close(fd)
