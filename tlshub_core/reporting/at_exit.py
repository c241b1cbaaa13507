# SPDX-License-Identifier: Apache-2.0
"""What becomes of the report when the agent stops: shown, and left in a folder where the configuration names one."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from tlshub_core.config import Config
from tlshub_core.control.answers import ReportAnswer
from tlshub_core.process import say
from tlshub_core.reporting.performance import Performance

_log = logging.getLogger("tlshub.report")


def check(config: Config) -> None:
    """Raises ConfigError where it could not be left: that is known at the start, not when it is too late."""
    folder = config.report.folder
    if folder is not None and not folder.is_dir():
        message = f"'{folder}' is no folder: make it, with leave to write for the agent"
        raise config.error(message, table="report", key="folder")


def leave(
    folder: Path | None, performance: Performance, answer: ReportAnswer, show: Callable[[ReportAnswer], None]
) -> None:
    """Show it to whoever looks, or where there was something to report; save it. What fails is logged, and no more."""
    if answer.total_connections or sys.stdout.isatty():
        show(answer)
    if folder is None:
        return
    from tlshub_core.reporting.files import save  # when it is over: nobody waits for its start

    try:
        paths = save(folder, answer, performance.latest)
    except OSError as error:
        _log.error("the report is not saved in '%s': %s", folder, error.strerror)
        return
    say(f"Report: {paths[0]}, {paths[1].name}")
