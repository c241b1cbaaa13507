# SPDX-License-Identifier: Apache-2.0
"""The agent that runs here: whether one does, and what an operator would want to know of it first."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from tlshub_core.config import Config
from tlshub_core.control.answers import StatusAnswer
from tlshub_core.doctor.check import Check, checked, ok, warning
from tlshub_core.types.errors import TlshubError
from tlshub_core.types.interfaces import Probe


def checks(config: Config) -> list[Check]:
    """All of this file."""
    return [checked("agent", "status", status, config.control.socket, config.capture.pins)]


def status(socket: Path, pins: Path) -> Probe:
    """What the agent at that socket says of itself; where none runs, whether one before it left programs behind."""
    from tlshub_core.control import requests  # half of `ctl`: for those only who have a configuration
    from tlshub_core.control.client import ask

    if not _is_socket(socket):
        return _none(socket, pins)
    try:
        found = ask(socket, requests.Status(), StatusAnswer)
    except TlshubError as error:
        return warning(str(error), "ask as root, or see the agent's log; one that was killed leaves its socket")
    if worries := [*_worries(found)]:
        return warning("; ".join(worry for worry, _ in worries), "; ".join(remedy for _, remedy in worries))
    return ok(f"process {found.pid} captures with backend '{found.backend}', {len(found.sessions)} sessions")


def _none(socket: Path, pins: Path) -> Probe:
    if any((pins / "links").glob("*")):
        message = f"none runs at '{socket}', and what an earlier one pinned in '{pins}' goes on holding connections"
        return warning(message, "start it, or end that with `tlshub-capture detach`")
    return ok(f"none runs at '{socket}', and none left anything in '{pins}'")


def _worries(found: StatusAnswer) -> Iterator[tuple[str, str]]:
    totals = found.totals
    if found.bypass.on:
        yield "bypass is on: new connections are NOT encrypted", "`tlshub-capture ctl bypass off`"
    if totals.unattended_clear:
        yield (
            f"{totals.unattended_clear} connections went in clear unwatched",
            "see 'While no agent runs' in docs/limits.md",
        )
    if totals.lost_in_kernel:
        yield f"{totals.lost_in_kernel} kernel events were lost", "the agent is short of processor time"
    if totals.lost_in_sinks:
        yield f"{totals.lost_in_sinks} events did not reach a sink", "see the agent's log for which, and why"


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except PermissionError:
        return True  # its folder is closed to this user: `ask` says so
    except OSError:
        return False
