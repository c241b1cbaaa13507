# SPDX-License-Identifier: Apache-2.0
"""The configuration in force; a reload replaces it."""

from __future__ import annotations

from tlshub_core.config import Config
from tlshub_core.pipeline.rules import IMPLIED
from tlshub_core.ruling import BYPASS, BYPASS_RULE


class InForce:
    """The configuration that new connections go by."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def rule(self, number: int) -> tuple[str, str | None]:
        """Name of the rule with that number, and the provider that it asks for."""
        rules = self.config.rules
        if number < len(rules):
            return rules[number].name, rules[number].provider
        return BYPASS if number == BYPASS_RULE else IMPLIED, None
