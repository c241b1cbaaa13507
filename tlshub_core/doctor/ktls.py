# SPDX-License-Identifier: Apache-2.0
"""Kernel TLS and its ciphers; modules are looked for and never loaded."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from tlshub_core.doctor.check import Check, checked, failed, ok, text, warning
from tlshub_core.types.flow import Side
from tlshub_core.types.interfaces import Probe
from tlshub_core.types.keys import Cipher

_ALGORITHMS = {
    Cipher.AES_GCM_128: ("gcm(aes)", "gcm"),
    Cipher.AES_GCM_256: ("gcm(aes)", "gcm"),
    Cipher.CHACHA20_POLY1305: ("rfc7539(chacha20,poly1305)", "chacha20poly1305"),
}


def checks(root: Path, ciphers: Sequence[Cipher]) -> list[Check]:
    """Kernel TLS, and each of these ciphers."""
    found = [checked("ktls", "tls", tls, root), checked("ktls", "rekey", rekey, root)]
    return found + [checked("ktls", cipher.label, algorithm, root, cipher) for cipher in ciphers]


def tls(root: Path) -> Probe:
    """Whether TCP_ULP "tls" is there, or its module is."""
    if _loaded(root):
        return ok("available")
    if where := _module(root, "tls"):
        return ok(f"{where}, loaded when it is first needed")
    return failed("this kernel has no TLS (CONFIG_TLS), and no module 'tls'", "boot a kernel with CONFIG_TLS=m or y")


def rekey(root: Path) -> Probe:
    """Whether a socket takes new keys (Linux 6.14), tried on a connection to itself where the module is loaded."""
    if not _loaded(root):
        return ok("not known before the module is loaded")
    from tlshub_core.pipeline import ktls, rehearsal
    from tlshub_core.pipeline.local import random_keys

    keys = random_keys(Cipher.AES_GCM_128)
    client, server = rehearsal.pair()
    with client, server:
        try:
            ktls.install(client, keys, Side.CLIENT)
            ktls.change_sent(client, keys)
        except OSError as error:
            return ok(f"not in this kernel ({error.strerror}): 'limit' in '[keys]' says what becomes of worn keys")
        finally:
            keys.wipe()
    return ok("this kernel could; the agent does not yet: 'limit' in '[keys]' says what becomes of worn keys")


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


def _loaded(root: Path) -> bool:
    return "tls" in (text(root, "proc/sys/net/ipv4/tcp_available_ulp") or "").split()


def _module(root: Path, name: str) -> str:
    folder = f"lib/modules/{os.uname().release}"
    for index, meaning in (("modules.builtin", "built in"), ("modules.dep", f"module '{name}'")):
        if re.search(rf"/{name}\.ko(\.[a-z0-9]+)?(:|$)", text(root, f"{folder}/{index}") or "", re.MULTILINE):
            return meaning
    return ""
