# SPDX-License-Identifier: Apache-2.0
"""The machine that something is measured on."""

from __future__ import annotations

import os
import platform
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from tlshub_core import __version__
from tlshub_core.benching.result import Environment

_CPUINFO = Path("/proc/cpuinfo")
_DETECT = ("systemd-detect-virt", "--vm")
_TCG = "QEMU TCG"  # QEMU's emulation in software names its processor so, and no other


def environment(agent: str, emulated: bool | None) -> Environment:
    """This machine, now; `emulated` is found out where it is None."""
    processor = model(_CPUINFO)
    return Environment(
        release=__version__,
        began=datetime.now(UTC).isoformat(timespec="seconds"),
        kernel=platform.release(),
        machine=platform.machine(),
        processor=processor,
        processors=len(os.sched_getaffinity(0)),
        python=platform.python_version(),
        tls_library=ssl.OPENSSL_VERSION,
        emulated=_emulated(processor) if emulated is None else emulated,
        agent=agent,
    )


def model(file: Path) -> str:
    """The processor as the kernel names it, empty where it does not."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return ""  # it is told to people, and nothing depends on it
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "")


def _emulated(processor: str) -> bool:
    """Told by the processor's name; where that is made to look like another's, by what systemd finds out."""
    if _TCG in processor:
        return True
    try:
        found = subprocess.run(_DETECT, capture_output=True, text=True, check=False)
    except OSError:
        return False
    return found.stdout.strip() == "qemu"  # 'kvm' where the processor is a real one
