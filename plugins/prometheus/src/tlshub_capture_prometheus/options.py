# SPDX-License-Identifier: Apache-2.0
"""Where the metrics are served."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict


class Options(BaseModel):
    """The table '[plugin.prometheus]': the address and TCP port that `/metrics` is served at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: IPv4Address | IPv6Address = IPv4Address("127.0.0.1")
    port: Annotated[int, Strict(), Field(ge=1, le=65535)] = 9464
