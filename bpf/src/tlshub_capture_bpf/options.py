# SPDX-License-Identifier: Apache-2.0
"""Options of the backend 'libbpf', and the backend that is made of them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from tlshub_core.api import CaptureBackend


class LibbpfConfig(BaseModel):
    """Options of [plugin.libbpf]; `object` replaces the compiled programs, for tests of another build."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    object: str = Field(default="", description="path of another compiled object; empty for the one in the package")


def make(config: LibbpfConfig) -> CaptureBackend:
    """The backend, not attached."""
    from tlshub_capture_bpf.backend import LibbpfBackend

    return LibbpfBackend(config.object)
