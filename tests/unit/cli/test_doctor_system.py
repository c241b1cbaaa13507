# SPDX-License-Identifier: Apache-2.0
"""The doctor's checks of mounts, TCP settings and capabilities, over made-up /proc and /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tlshub_core.api import Level
from tlshub_core.doctor import bpf, network, privileges

OK, WARNING, FAILED = Level.OK, Level.WARNING, Level.FAILED


def _put(root: Path, name: str, content: str = "") -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content)
    return root


MOUNTS = "/dev/vda / ext4 rw 0 0\nsysfs /sys sysfs rw 0 0\ncg /sys/fs/cgroup cgroup2 rw 0 0\nb /sys/fs/bpf bpf rw 0 0\n"


def test_mounts(tmp_path: Path) -> None:
    pins, group = Path("/sys/fs/bpf/tlshub"), Path("/sys/fs/cgroup")
    assert bpf.bpffs(tmp_path, pins).level is WARNING
    assert bpf.cgroup(tmp_path, group).level is WARNING
    _put(tmp_path, "proc/self/mounts", MOUNTS)
    assert bpf.bpffs(tmp_path, pins).level is OK
    assert bpf.bpffs(tmp_path, pins).message == "'/sys/fs/bpf/tlshub' is on the BPF file system at '/sys/fs/bpf'"
    (tmp_path / "sys/fs/bpf/tlshub").mkdir(parents=True)
    assert bpf.bpffs(tmp_path, pins).message.endswith("; an agent's programs are pinned")
    assert bpf.bpffs(tmp_path, Path("/sys/fs/bpffoo")).level is FAILED
    assert bpf.cgroup(tmp_path, group).message == "'/sys/fs/cgroup' is not there"
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    assert bpf.cgroup(tmp_path, group).level is OK
    assert bpf.cgroup(tmp_path, Path("/sys/fs")).level is FAILED


def test_both_versions_of_cgroups(tmp_path: Path) -> None:
    both = MOUNTS.replace(
        "cg /sys/fs/cgroup cgroup2", "t /sys/fs/cgroup tmpfs rw 0 0\ncg /sys/fs/cgroup/unified cgroup2"
    )
    _put(tmp_path, "proc/self/mounts", both)
    found = bpf.cgroup(tmp_path, Path("/sys/fs/cgroup"))
    assert found.level is FAILED and "on 'tmpfs'" in found.message
    assert found.remedy == "set 'cgroup' in '[capture]' to '/sys/fs/cgroup/unified', where cgroup v2 is mounted"
    _put(tmp_path, "proc/self/mounts", MOUNTS.replace("cgroup2", "cgroup"))
    assert bpf.cgroup(tmp_path, Path("/sys/fs/cgroup")).remedy.startswith("mount -t cgroup2")


@pytest.mark.parametrize(
    ("value", "level"),
    [("1", OK), ("0", OK), ("3", OK), ("5", WARNING), ("519", WARNING), ("1027", WARNING), ("x", WARNING)],
)
def test_fast_open(tmp_path: Path, value: str, level: Level) -> None:
    assert network.fast_open(_put(tmp_path, "proc/sys/net/ipv4/tcp_fastopen", f"{value}\n")).level is level


@pytest.mark.parametrize(
    ("effective", "levels"),
    [
        ("000001ffffffffff", [OK, OK, OK, OK]),
        ("0000000000000000", [FAILED, FAILED, FAILED, FAILED]),
        (f"{1 << 21:016x}", [OK, OK, FAILED, FAILED]),
        (f"{1 << 39 | 1 << 12:016x}", [OK, FAILED, OK, FAILED]),
        ("?", [WARNING, WARNING, WARNING, WARNING]),
    ],
)
def test_capabilities(tmp_path: Path, effective: str, levels: list[Level]) -> None:
    _put(tmp_path, "proc/self/status", f"Name:\tx\nCapEff:\t{effective}\n")
    assert [check.probe.level for check in privileges.checks(tmp_path) if "CAP_" in check.name] == levels


@pytest.mark.parametrize(("link", "level"), [("pid:[4026531836]", OK), ("pid:[4026532201]", FAILED), ("", WARNING)])
def test_pid_namespace(tmp_path: Path, link: str, level: Level) -> None:
    _put(tmp_path, "proc/self/ns/net", "")
    if link:
        (tmp_path / "proc/self/ns/pid").symlink_to(link)
    assert [check.probe.level for check in privileges.checks(tmp_path) if check.name == "processes"] == [level]
