# SPDX-License-Identifier: Apache-2.0
"""What a rule has become of a connection as it begins, as the programs have it."""

from __future__ import annotations

from dataclasses import replace

from tlshub_core.types.capture import FlowSeen, Match, State
from tlshub_core.types.errors import UNFIT, Reason
from tlshub_core.types.flow import Mode, Side


def lets_go(rule: Match | FlowSeen, reason: Reason) -> bool:
    """Whether one under that rule may go in clear because the peer says that its end is, and why."""
    if reason in UNFIT:
        return rule.mode is Mode.PREFER
    return rule.mode > Mode.OBSERVE and rule.passthrough


def first_state(mode: Mode, owed: bool, unfit: Reason | None) -> State:
    """Where a connection begins: `owed` one that the peer was promised, `unfit` one that can take no TLS."""
    if mode is Mode.OBSERVE:
        return State.CLEAR
    if unfit is None:
        return State.ASKED if owed else State.NEW
    return State.REFUSED if owed or mode is Mode.REQUIRE else State.CLEAR


def promised(rule: Match | None) -> Match:
    """The row by which a connection is held that the peer was promised, whatever the rules say now."""
    if rule is None:
        return Match(rule=0, mode=Mode.REQUIRE, sides=frozenset(Side), ports=(1, 65535), network=None)
    return rule if rule.mode > Mode.OBSERVE else replace(rule, mode=Mode.REQUIRE, passthrough=False)
