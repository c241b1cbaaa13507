# SPDX-License-Identifier: Apache-2.0
"""The table '[plugin.tlshub]'."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

LAST_PROTOCOL = 31  # the kernel has room for 32 (MAX_LINKS)


class TlshubConfig(BaseModel):
    """All options have defaults; times are in seconds.

    `protocol_version` and `netlink_protocol` are the module's. `request_timeout_s` bounds INIT and FETCH, which the
    module answers from memory; `handshake_timeout_s` bounds START, which waits for the other node, and has to be less
    than 'handshake_deadline_ms' of '[capture]'. `sockets` bounds the FETCHes under way at a time, the STARTs likewise.
    Under mode 'prefer', a node with which a handshake failed is asked again after `node_pause_s`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol_version: Literal[1, 2] = 1
    netlink_protocol: int = Field(default=LAST_PROTOCOL, ge=0, le=LAST_PROTOCOL)
    request_timeout_s: float = Field(default=2.0, gt=0, le=60)
    handshake_timeout_s: float = Field(default=4.0, gt=0, le=60)
    sockets: int = Field(default=4, ge=1, le=64)
    node_pause_s: float = Field(default=30.0, ge=0, le=3600)
