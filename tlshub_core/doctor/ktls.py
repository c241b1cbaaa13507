# SPDX-License-Identifier: Apache-2.0
"""Kernel TLS and its ciphers; modules are looked for and never loaded."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from tlshub_core.doctor.check import Check, checked, failed, ok, text, warning
from tlshub_core.types.interfaces import Probe
from tlshub_core.types.keys import Cipher

_ALGORITHMS = {
    Cipher.AES_GCM_128: ("gcm(aes)", "gcm"),
    Cipher.AES_GCM_256: ("gcm(aes)", "gcm"),
    Cipher.CHACHA20_POLY1305: ("rfc7539(chacha20,poly1305)", "chacha20poly1305"),
}


def checks(root: Path, ciphers: Sequence[Cipher]) -> list[Check]:
    """Kernel TLS, and each of these ciphers."""
    found = [checked("ktls", "tls", tls, root)]
    return found + [checked("ktls", cipher.label, algorithm, root, cipher) for cipher in ciphers]


def tls(root: Path) -> Probe:
    """Whether TCP_ULP "tls" is there, or its module is."""
    if "tls" in (text(root, "proc/sys/net/ipv4/tcp_available_ulp") or "").split():
        return ok("available")
    if where := _module(root, "tls"):
        return ok(f"{where}, loaded when it is first needed")
    return failed("this kernel has no TLS (CONFIG_TLS), and no module 'tls'", "boot a kernel with CONFIG_TLS=m or y")


def algorithm(root: Path, cipher: Cipher) -> Probe:
    """Whether the cipher's algorithm is registered, or its module is there."""
    name, module = _ALGORITHMS[cipher]
    listed = text(root, "proc/crypto")
    if listed is not None and re.search(rf"^name\s*: {re.escape(name)}$", listed, re.MULTILINE):
        return ok(f"'{name}' is registered")
    if where := _module(root, module):
        return ok(f"'{name}': {where}, loaded when it is first needed")
    if listed is None:
        return warning("cannot tell: '/proc/crypto' cannot be read")
    return warning(f"'{name}' is not registered, and no module '{module}' found", f"modprobe {module}")


def _module(root: Path, name: str) -> str:
    folder = f"lib/modules/{os.uname().release}"
    for index, meaning in (("modules.builtin", "built in"), ("modules.dep", f"module '{name}'")):
        if re.search(rf"/{name}\.ko(\.[a-z0-9]+)?(:|$)", text(root, f"{folder}/{index}") or "", re.MULTILINE):
            return meaning
    return ""
