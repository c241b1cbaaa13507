# SPDX-License-Identifier: Apache-2.0
"""Options of the backends 'libbpf' and 'bcc', and the backends that are made of them."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from tlshub_core.api import CaptureBackend


class LibbpfConfig(BaseModel):
    """Options of [plugin.libbpf]; `object` replaces the compiled programs, for tests of another build."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    object: str = Field(default="", description="path of another compiled object; empty for the one in the package")


class BccConfig(BaseModel):
    """Options of [plugin.bcc]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    headers: str = Field(default="", description="folder of the kernel's headers; empty for those that are installed")
    cache: Path = Field(default=Path("/var/cache/tlshub-capture"), description="where compiled programs are kept")


def make(config: LibbpfConfig) -> CaptureBackend:
    """The backend 'libbpf', not attached."""
    from tlshub_capture_bpf.backend import LibbpfBackend

    return LibbpfBackend(config.object)


def make_bcc(config: BccConfig) -> CaptureBackend:
    """The backend 'bcc', not attached."""
    from tlshub_capture_bpf.node_backend import BccBackend

    return BccBackend(config.headers, config.cache)
