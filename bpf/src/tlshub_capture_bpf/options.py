# SPDX-License-Identifier: Apache-2.0
"""Options of the backends 'libbpf' and 'bcc', and the backends that are made of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from tlshub_core.api import CaptureBackend

if TYPE_CHECKING:
    from tlshub_capture_bpf.programs import Hold

How = Literal["", "gate", "stop"]
HOLD: How = Field(default="", description="'gate' or 'stop', which stops processes; empty for what the kernel takes")


class LibbpfConfig(BaseModel):
    """Options of [plugin.libbpf]; `object` replaces the compiled programs, for tests of another build."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hold: How = HOLD
    object: str = Field(default="", description="path of another compiled object; empty for the one in the package")


class BccConfig(BaseModel):
    """Options of [plugin.bcc]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hold: How = HOLD
    headers: str = Field(default="", description="folder of the kernel's headers; empty for those that are installed")
    cache: Path = Field(default=Path("/var/cache/tlshub-capture"), description="where compiled programs are kept")
    events: Literal["", "ring", "perf"] = Field(
        default="", description="by which buffer events come; empty for 'ring' where the kernel has it, else 'perf'"
    )


def make(config: LibbpfConfig) -> CaptureBackend:
    """The backend 'libbpf', not attached."""
    from tlshub_capture_bpf.backend import LibbpfBackend

    return LibbpfBackend(config.object, _hold(config.hold))


def make_bcc(config: BccConfig) -> CaptureBackend:
    """The backend 'bcc', not attached."""
    from tlshub_capture_bpf.node_backend import BccBackend

    return BccBackend(config.headers, config.cache, config.events, _hold(config.hold))


def _hold(how: How) -> Hold | None:
    from tlshub_capture_bpf.programs import Hold

    return Hold(how) if how else None
