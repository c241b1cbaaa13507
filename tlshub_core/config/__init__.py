# SPDX-License-Identifier: Apache-2.0
"""The configuration file: `load` reads it, `Config` is what the rest of the core sees of it."""

from tlshub_core.config.loaded import Config
from tlshub_core.config.reader import DEFAULT_FILES, control_socket, default_file, load, rule_from_option
from tlshub_core.config.rules import Match, Rule
from tlshub_core.config.tables import Capture, Control, Debug, Events, Keys, Mapping, Peering

__all__ = [
    "DEFAULT_FILES",
    "Capture",
    "Config",
    "Control",
    "Debug",
    "Events",
    "Keys",
    "Mapping",
    "Match",
    "Peering",
    "Rule",
    "control_socket",
    "default_file",
    "load",
    "rule_from_option",
]
