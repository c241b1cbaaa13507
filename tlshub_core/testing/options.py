# SPDX-License-Identifier: Apache-2.0
"""Options of plugins that exist for tests."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class NoOptions(BaseModel):
    """A plugin without options; any is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
