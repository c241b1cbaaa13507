# SPDX-License-Identifier: Apache-2.0
"""The configuration in force; a reload replaces it."""

from __future__ import annotations

from tlshub_core.config import Config
from tlshub_core.pipeline.rules import IMPLIED


class InForce:
    """The configuration that new connections go by."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def rule(self, number: int) -> tuple[str, str | None]:
        """Name of the rule with that number, and the provider that it asks for."""
        rules = self.config.rules
        return (rules[number].name, rules[number].provider) if number < len(rules) else (IMPLIED, None)
