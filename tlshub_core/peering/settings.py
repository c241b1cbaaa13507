# SPDX-License-Identifier: Apache-2.0
"""Limits and times of the peering; a provider's options override some of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times in seconds; `listen` is the address to bind, empty for all addresses of both families.

    `max_unauthenticated` bounds connections that are still in their handshake, `max_sessions` those that one node may
    have here, `max_pending` the flows of one node that were answered READY and have not come yet, `max_seen` the flow
    ids remembered against replays, in each session.
    `stranger_grace_s` is how long an accepted connection of mode 'prefer' waits for a node without a session.
    """

    listen: str = ""
    session_max_age_s: float = 3600.0
    session_max_flows: int = 10_000
    handshake_timeout_s: float = 5.0
    ready_ttl_s: float = 130.0
    stranger_grace_s: float = 1.0
    backoff_base_s: float = 0.5
    backoff_cap_s: float = 5.0
    max_unauthenticated: int = 64
    max_sessions: int = 32
    max_pending: int = 16_384
    max_seen: int = 16_384
    max_idle_peers: int = 4096
