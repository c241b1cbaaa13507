# SPDX-License-Identifier: Apache-2.0
"""The table '[plugin.openssl]'."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress

if TYPE_CHECKING:
    from tlshub_core.peering.settings import Settings


class OpenSslConfig(BaseModel):
    """All options have defaults; times are in seconds, `listen` is one address instead of all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: IPvAnyAddress | None = None
    session_max_age_s: float = Field(default=3600.0, gt=0, le=86_400)
    session_max_flows: int = Field(default=10_000, ge=1)
    handshake_timeout_s: float = Field(default=5.0, gt=0, le=60)

    def settings(self) -> Settings:
        """The same, as the peering wants it."""
        from tlshub_core.peering.settings import Settings

        return Settings(
            listen="" if self.listen is None else str(self.listen),
            session_max_age_s=self.session_max_age_s,
            session_max_flows=self.session_max_flows,
            handshake_timeout_s=self.handshake_timeout_s,
        )
