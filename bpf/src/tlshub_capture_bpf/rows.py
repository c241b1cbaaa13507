# SPDX-License-Identifier: Apache-2.0
"""The rules as the programs match them: rows of one value, the first that matches wins."""

from __future__ import annotations

from tlshub_capture_bpf.layout import MAX_ROWS, ROW, RULESET, pack_address
from tlshub_core.api import Match, RuleSet, Side

_SIDE_BIT = {Side.CLIENT: 1, Side.SERVER: 2}


def _row(match: Match) -> bytes:
    network = match.network
    prefix = 0 if network is None else network.prefixlen + (96 if network.version == 4 else 0)
    mask = (((1 << prefix) - 1) << (128 - prefix)).to_bytes(16, "big")
    base = bytes(16) if network is None else pack_address(network.network_address)
    sides = sum(_SIDE_BIT[side] for side in match.sides)
    low, high = match.ports
    comm = match.comm.encode()[:15].ljust(16, b"\0")
    family = 0 if network is None else network.version
    flags = (sides, match.mode, bool(match.comm), family, match.rule, match.passthrough)
    return ROW.pack(base, mask, low, high, *flags, comm)


def pack_rules(rules: RuleSet) -> bytes:
    """The value of the inner rules map; raises ValueError for more than MAX_ROWS rows."""
    if len(rules.matches) > MAX_ROWS:
        raise ValueError(f"{len(rules.matches)} rows of rules, the programs take {MAX_ROWS}")
    rows = b"".join(_row(match) for match in rules.matches)
    return RULESET.pack(len(rules.matches), 0) + rows.ljust(MAX_ROWS * ROW.size, b"\0")
