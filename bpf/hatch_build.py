# SPDX-License-Identifier: Apache-2.0
"""Compiles the BPF programs once, at build time, into the package; the target machine needs no compiler."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ARCHES = {"x86_64": "x86", "aarch64": "arm64"}


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs clang over c/capture.bpf.c."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the files are gathered; the wheel is tied to the machine's architecture."""
        compile_object(Path(self.root))
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-linux_{platform.machine()}"


def compile_object(root: Path) -> Path:
    """Compile `root`/c/capture.bpf.c into the package; raises RuntimeError that says what to install."""
    clang = shutil.which("clang")
    if clang is None:
        raise RuntimeError("'clang' is not installed: apt-get install clang libbpf-dev linux-libc-dev")
    machine = platform.machine()
    out = root / "src" / "tlshub_capture_bpf" / "capture.bpf.o"
    command = [
        clang,
        "-target",
        "bpf",
        "-mcpu=v3",
        "-O2",
        "-g",
        "-Wall",
        "-Werror",
        f"-D__TARGET_ARCH_{ARCHES.get(machine, machine)}",
        f"-I/usr/include/{machine}-linux-gnu",
        "-c",
        str(root / "c" / "capture.bpf.c"),
        "-o",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"clang could not compile 'capture.bpf.c':\n{done.stderr}")
    return out


if __name__ == "__main__":
    print(compile_object(Path(__file__).parent))
