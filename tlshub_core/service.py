# SPDX-License-Identifier: Apache-2.0
"""The process of the agent: what comes before its start, and what is left to do when it has ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from tlshub_core import process
from tlshub_core.agent import Agent
from tlshub_core.chosen import choose
from tlshub_core.config import Config
from tlshub_core.control.answers import ReportAnswer
from tlshub_core.events.sinks import Sinks
from tlshub_core.plugins import Registry
from tlshub_core.process import say
from tlshub_core.reporting import at_exit

_log = logging.getLogger("tlshub.agent")


def run(config: Config, again: Callable[[], Config], show: Callable[[ReportAnswer], None]) -> int:
    """Run until SIGTERM or SIGINT; `again` reads the configuration anew, at SIGHUP. Returns the exit status.

    `show` is given the report at the end, where somebody looks, or where there was a connection. Raises ConfigError,
    PluginError, Unavailable or Unsupported where it cannot start.
    """
    say("TLShub Traffic Capture Module\n==============================\n")
    say(f"Loading configuration from {config.file}")
    at_exit.check(config)
    registry = Registry()
    chosen = choose(config, registry)
    for notice in chosen.notices:
        _log.warning(notice)
    process.protect()
    sinks = Sinks()
    sinks.start((spec, config.options(spec)) for spec in chosen.sinks)
    agent = Agent(config, chosen, registry, sinks, again)
    try:
        asyncio.run(agent.run())
    finally:
        process.relax()
        _log_losses(sinks)
    at_exit.leave(config.report.folder, agent.performance, agent.report(), show)
    say("Shutdown complete")
    return 0


def _log_losses(sinks: Sinks) -> None:
    for count in sinks.close():
        if lost := count.failed + count.dropped + count.unfinished:
            _log.warning("event sink '%s' lost %d of %d events", count.name, lost, lost + count.written)
