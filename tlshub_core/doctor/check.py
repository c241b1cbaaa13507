# SPDX-License-Identifier: Apache-2.0
"""One check, and how it is run: whatever goes wrong inside it is its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec

from tlshub_core.types.interfaces import Level, Probe

P = ParamSpec("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was looked at (`area`, `name`) and what was found."""

    area: str
    name: str
    probe: Probe

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        found = self.probe
        return {
            "area": self.area,
            "name": self.name,
            "level": found.level.value,
            "message": found.message,
            "remedy": found.remedy,
        }


def checked(area: str, name: str, probe: Callable[P, Probe], *args: P.args, **kwargs: P.kwargs) -> Check:
    """Run one check, `probe` with its arguments; an exception becomes a warning that shows it."""
    try:
        found = probe(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 a doctor that dies of one symptom tells nothing of the others
        found = warning(f"cannot tell: the check raised {type(error).__name__}: {error}")
    return Check(area=area, name=name, probe=found)


def ok(message: str) -> Probe:
    """All is well."""
    return Probe(level=Level.OK, message=message)


def warning(message: str, remedy: str = "") -> Probe:
    """It may work, or nobody can tell."""
    return Probe(level=Level.WARNING, message=message, remedy=remedy)


def failed(message: str, remedy: str) -> Probe:
    """The agent would not work."""
    return Probe(level=Level.FAILED, message=message, remedy=remedy)


def text(root: Path, name: str) -> str | None:
    """The contents of a file under `root`; None where this user cannot read it or it is not there."""
    try:
        return (root / name).read_text(errors="replace")
    except OSError:
        return None
