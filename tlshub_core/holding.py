# SPDX-License-Identifier: Apache-2.0
"""The beginning of capture: the programs are attached, and what was there before is taken over, or said."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from tlshub_core import process
from tlshub_core.backends import settings
from tlshub_core.config import Config
from tlshub_core.pipeline import existing
from tlshub_core.pipeline.capture import Capture
from tlshub_core.pipeline.connection import Connection
from tlshub_core.process import say
from tlshub_core.types.capture import RuleSet
from tlshub_core.types.interfaces import CaptureBackend


async def hold(
    stack: AsyncExitStack, config: Config, backend: CaptureBackend, rules: RuleSet, capture: Capture
) -> tuple[str, ...]:
    """From here on connections are held, until the stack is left; the names of the programs."""
    older, before_ns = existing.established(), time.monotonic_ns()
    programs = await _attach(stack, config, backend, rules, capture)
    _say_taken(taken := capture.take_over(backend.flows(), before_ns))
    others = existing.held(existing.without(older, taken), backend, config.peering.port)
    if line := existing.treat(others, config.capture.existing):
        say(line)
    return programs


async def _attach(
    stack: AsyncExitStack, config: Config, backend: CaptureBackend, rules: RuleSet, capture: Capture
) -> tuple[str, ...]:
    say("Loading eBPF program...\nAttaching eBPF programs...")
    stack.push_async_callback(backend.detach, unpin=False)  # 'tlshub-capture detach' does
    programs = tuple(await backend.attach(rules, replace(settings(config), attached=_say_attached)))
    stack.push_async_callback(capture.stop)
    process.hurry()
    return programs


def _say_attached(program: str) -> None:
    say(f"  Attached: {program}")


def _say_taken(taken: Sequence[Connection]) -> None:
    if states := Counter(connection.seen.state for connection in taken):
        found = ", ".join(f"{count} {state.name.lower()}" for state, count in sorted(states.items()))
        say(f"Taken over from an earlier agent: {found}")
