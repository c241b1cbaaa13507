# SPDX-License-Identifier: Apache-2.0
"""The compiled rules in words, as 'check' shows those of a file and 'ctl rules' those in force."""

from __future__ import annotations

from collections.abc import Callable

from tlshub_core.control.rows import RuleRow
from tlshub_core.types.capture import Match, RuleSet
from tlshub_core.types.flow import Mode, Side

_DIRECTIONS = {Side.SERVER: "in", Side.CLIENT: "out"}


def rule_rows(rules: RuleSet, provider: Callable[[int], str]) -> tuple[RuleRow, ...]:
    """A row each, in the order in which the kernel tries them; `provider` names that of a rule by its number."""
    return tuple(_row(rules, match, provider(match.rule)) for match in rules.matches)


def _row(rules: RuleSet, match: Match, provider: str) -> RuleRow:
    low, high = match.ports
    return RuleRow(
        rule=rules.names[match.rule],
        mode=match.mode.name.lower(),
        direction="both" if len(match.sides) == 2 else _DIRECTIONS[next(iter(match.sides))],
        ports="any" if (low, high) == (1, 65535) else str(low) if low == high else f"{low}-{high}",
        peer=str(match.network) if match.network is not None else "any",
        process=match.comm or "any",
        passthrough="tls" if match.passthrough else "none",
        provider=provider if match.mode > Mode.OBSERVE else "",
    )
