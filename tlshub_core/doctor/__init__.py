# SPDX-License-Identifier: Apache-2.0
"""Checks of the machine and the configuration; they change nothing, and run as any user on any Linux."""

from __future__ import annotations

from pathlib import Path

from tlshub_core.config import Config, load
from tlshub_core.doctor import bpf, configured, kernel, ktls, network, peers, privileges, running
from tlshub_core.doctor.check import Check, checked, failed, warning
from tlshub_core.types.errors import ConfigError
from tlshub_core.types.keys import Cipher

__all__ = ["Check", "examine"]


def examine(file: Path | None, root: Path = Path("/")) -> list[Check]:
    """All checks, the machine's first; `file` None checks it alone. `root` is where /proc and /sys are looked for."""
    config, loading = _loaded(file)
    ciphers = config.keys.ciphers if config else (Cipher.AES_GCM_128,)
    checks = [*kernel.checks(root), *ktls.checks(root, ciphers), *bpf.checks(root, config), *network.checks(root)]
    checks += [*privileges.checks(root), loading]
    if config is None:
        return checks
    return [*checks, *configured.checks(config), *peers.checks(config), *running.checks(config)]


def _loaded(file: Path | None) -> tuple[Config | None, Check]:
    if file is None:
        return None, checked("configuration", "file", warning, "none given, and no default one", _WRITE)
    try:
        config = load(file)
    except ConfigError as error:
        message = str(error)
        return None, checked("configuration", "file", failed, message, "correct it; `check` tells all of it")
    return config, configured.notices(config)


_WRITE = "write '/etc/tlshub/capture.toml', or name a file: provider, backend and mapping were not checked"
