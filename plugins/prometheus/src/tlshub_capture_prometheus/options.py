# SPDX-License-Identifier: Apache-2.0
"""Where the metrics are served."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict


class Options(BaseModel):
    """The table '[plugin.prometheus]'; all have defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: IPv4Address | IPv6Address = IPv4Address("127.0.0.1")
    """What `/metrics` is served at; who can reach it can read it."""
    port: Annotated[int, Strict(), Field(ge=1, le=65535)] = 9464
    """A TCP port; from 1024 on, since the sink has no rights."""
