# SPDX-License-Identifier: Apache-2.0
"""Rules on the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlshub_core.api import ConfigError, Mode
from tlshub_core.config import rule_from_option


def test_rule_from_option() -> None:
    rule = rule_from_option("80, 8000-8100:prefer")
    assert rule.match.ports == ((80, 80), (8000, 8100))
    assert (rule.mode, rule.match.direction) == (Mode.PREFER, "both")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("80", "'--rule': '80' has no mode: write it as 'PORT[,PORT]:MODE', such as '80:require'"),
        ("80:maybe", "'--rule': 'maybe' is no mode, expected one of 'bypass', 'observe', 'prefer', 'require'"),
        ("http:require", "'--rule': 'http' is no port: expected a number, or a range such as '8000-8100'"),
        (":require", "'--rule': '' is no port: expected a number, or a range such as '8000-8100'"),
        ("0:require", "'--rule': '0' is no port range: ports are 1 to 65535, the lower one first"),
        ("80:require\x00", "'--rule': expected text of at most 4096 printable characters"),
    ],
)
def test_rule_from_option_errors(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rule_from_option(text)
    assert message in str(caught.value)


@given(st.text())
def test_rule_from_option_raises_nothing_else(text: str) -> None:
    try:
        rule = rule_from_option(text)
    except ConfigError:
        return
    assert rule.name == text
