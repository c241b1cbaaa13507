# SPDX-License-Identifier: Apache-2.0
"""The doctor's checks of the kernel and of kernel TLS, over made-up /proc and /sys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tlshub_core.api import Cipher, Level
from tlshub_core.doctor import kernel, ktls

OK, WARNING, FAILED = Level.OK, Level.WARNING, Level.FAILED


def _put(root: Path, name: str, content: str = "") -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content)
    return root


@pytest.mark.parametrize(
    ("name", "level"),
    [("6.1.0-18-amd64", OK), ("7.0", OK), ("5.17.0", WARNING), ("5.16.20", FAILED), ("4.19", FAILED), ("odd", WARNING)],
)
def test_release(name: str, level: Level) -> None:
    assert kernel.release(name).level is level


def test_btf(tmp_path: Path) -> None:
    assert kernel.btf(tmp_path).level is FAILED
    probed = kernel.btf(_put(tmp_path, "proc/kallsyms", "0000000000000000 T register_kprobe\n"))
    assert probed.level is WARNING and "only the weaker hold" in probed.message
    assert kernel.btf(_put(tmp_path, "sys/kernel/btf/vmlinux")).level is OK


_GOOD = ("bpf_trampoline_link_prog", "security_socket_sendmsg", "register_ftrace_direct")


@pytest.mark.parametrize(
    ("symbols", "level"),
    [
        ((), WARNING),
        (_GOOD, OK),
        (_GOOD[1:], FAILED),
        (_GOOD[::2], FAILED),
        (_GOOD[:2], FAILED),
        ((*_GOOD, "register_kprobe"), OK),
        ((*_GOOD[:2], "register_kprobe"), WARNING),
    ],
)
def test_trampolines(tmp_path: Path, symbols: tuple[str, ...], level: Level) -> None:
    _put(tmp_path, "proc/kallsyms", "".join(f"0000000000000000 T {name}\n" for name in symbols))
    found = kernel.trampolines(tmp_path)
    assert found.level is level
    assert bool(found.remedy) is (level is not OK)


@pytest.mark.parametrize(
    ("state", "level"),
    [
        ("[none] integrity confidentiality\n", OK),
        ("none [integrity] confidentiality\n", WARNING),
        ("none integrity [confidentiality]\n", FAILED),
    ],
)
def test_lockdown(tmp_path: Path, state: str, level: Level) -> None:
    assert kernel.lockdown(_put(tmp_path, "sys/kernel/security/lockdown", state)).level is level


def test_lockdown_not_built_in_or_not_visible(tmp_path: Path) -> None:
    assert kernel.lockdown(tmp_path).level is WARNING
    assert kernel.lockdown(_put(tmp_path, "sys/kernel/security/lsm", "capability")).level is OK


def test_pidfd_getfd_says_something_true() -> None:
    found = kernel.pidfd_getfd()  # its level depends on the machine, and on a container's seccomp filter
    assert (found.level is OK) is (found.message == "the kernel has it")
    assert (found.level is OK) is (found.remedy == "")


def test_tls(tmp_path: Path) -> None:
    assert ktls.tls(tmp_path).level is FAILED
    _put(tmp_path, "proc/sys/net/ipv4/tcp_available_ulp", "espintcp mptcp\n")
    assert ktls.tls(tmp_path).level is FAILED
    modules = f"lib/modules/{os.uname().release}"
    _put(tmp_path, f"{modules}/modules.dep", "kernel/net/tls/notls.ko: \n")
    assert ktls.tls(tmp_path).level is FAILED
    _put(tmp_path, f"{modules}/modules.dep", "kernel/net/tls/tls.ko.xz: kernel/x.ko\n")
    assert ktls.tls(tmp_path).message == "module 'tls', loaded when it is first needed"
    _put(tmp_path, f"{modules}/modules.builtin", "kernel/net/tls/tls.ko\n")
    assert ktls.tls(tmp_path).message == "built in, loaded when it is first needed"
    _put(tmp_path, "proc/sys/net/ipv4/tcp_available_ulp", "mptcp tls\n")
    assert ktls.tls(tmp_path).message == "available"


def test_new_keys_for_a_socket_are_tried_only_where_nothing_has_to_be_loaded_for_it(tmp_path: Path) -> None:
    assert ktls.rekey(tmp_path).message == "not known before the module is loaded"
    here = ktls.checks(Path("/"), ())
    assert [check.name for check in here] == ["tls", "rekey"] and here[1].probe.level is OK, here


def test_ciphers(tmp_path: Path) -> None:
    assert ktls.algorithm(tmp_path, Cipher.AES_GCM_128).message == "cannot tell: '/proc/crypto' cannot be read"
    _put(tmp_path, "proc/crypto", "name         : __gcm(aes)\nname         : rfc7539(chacha20,poly1305)\n")
    assert ktls.algorithm(tmp_path, Cipher.AES_GCM_256).level is WARNING
    assert ktls.algorithm(tmp_path, Cipher.CHACHA20_POLY1305).level is OK
    _put(tmp_path, "proc/crypto", "name         : gcm(aes)\ndriver       : generic-gcm-aesni\n")
    assert ktls.algorithm(tmp_path, Cipher.AES_GCM_128).level is OK
    assert [check.name for check in ktls.checks(tmp_path, list(Cipher))] == [
        "tls", "rekey", "aes-gcm-128", "aes-gcm-256", "chacha20-poly1305"
    ]  # fmt: skip
