# SPDX-License-Identifier: Apache-2.0
"""A table '[[rule]]' of 'capture.toml'."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from tlshub_core.config.fields import Mode, Names, Networks, Ports, Table, Text
from tlshub_core.types.flow import Mode as AnyMode


class Match(Table):
    """What a rule applies to; what is left out is anything."""

    ports: Ports | None = None
    """Of the service: remote where this node connects, local where it accepts."""
    cidrs: Networks | None = None
    """Of the peer."""
    pods: Names | None = None
    """Names of peers in the mapping; they stand for their addresses."""
    direction: Literal["in", "out", "both"] = "both"
    """'out': this node connects; 'in': it accepts."""
    process: Text | None = None
    """The connecting process's own name ('comm', 15 bytes); needs direction = "out"."""

    @model_validator(mode="after")
    def _process_is_known_on_the_connecting_side_only(self) -> Match:
        if self.process is not None and self.direction != "out":
            raise ValueError("'process' is known on the connecting side only: set direction = \"out\"")
        if self.process is not None and len(self.process.encode()) > 15:
            raise ValueError(f"process '{self.process}' is longer than 15 bytes, as the kernel cuts names: shorten it")
        return self


class Rule(Table):
    """One rule; the first that matches decides."""

    name: Text
    """By which events, 'ctl' and 'check' call it; once in a file."""
    match: Match = Match()
    """What it applies to; left out: everything."""
    mode: Mode
    """What becomes of a connection: see the guide."""
    provider: Text | None = None
    """Another key provider than that of '[keys]', and for these connections no other."""
    passthrough: Literal["tls"] | None = None
    """Leave alone what begins with a TLS ClientHello: it is the application's own TLS."""

    @model_validator(mode="after")
    def _only_what_is_held_can_be_let_through(self) -> Rule:
        if self.passthrough is not None and self.mode <= AnyMode.OBSERVE:
            name = self.mode.name.lower()
            raise ValueError(f"'passthrough' is for modes 'prefer' and 'require': '{name}' holds nothing, leave it out")
        return self
