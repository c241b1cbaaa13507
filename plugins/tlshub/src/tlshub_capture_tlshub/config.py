# SPDX-License-Identifier: Apache-2.0
"""The table '[plugin.tlshub]'."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

LAST_PROTOCOL = 31  # the kernel has room for 32 (MAX_LINKS)


class TlshubConfig(BaseModel):
    """All options have defaults; times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol_version: Literal[1, 2] = 1
    """The module's: 2 has the address of the server's node in each request."""
    netlink_protocol: int = Field(default=LAST_PROTOCOL, ge=0, le=LAST_PROTOCOL)
    """The module's."""
    request_timeout_s: float = Field(default=2.0, gt=0, le=60)
    """For INIT and FETCH, which the module answers from memory."""
    handshake_timeout_s: float = Field(default=4.0, gt=0, le=60)
    """For START, which waits for the other node; less than 'handshake_deadline_ms'."""
    sockets: int = Field(default=4, ge=1, le=64)
    """So many FETCHes at a time, and as many STARTs."""
    node_pause_s: float = Field(default=30.0, ge=0, le=3600)
    """Under 'prefer': when a node is asked again after a handshake with it failed."""
