# SPDX-License-Identifier: Apache-2.0
"""What the workspace's files say: members, extras, plugins."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One distribution of the workspace."""

    folder: Path
    name: str
    version: str
    requires: tuple[Requirement, ...]
    extras: Mapping[str, tuple[Requirement, ...]]
    plugins: Mapping[str, str]


def member(folder: Path) -> Member:
    """What its 'pyproject.toml' says."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    extras = project.get("optional-dependencies", {})
    return Member(
        folder=folder,
        name=project["name"],
        version=project["version"],
        requires=tuple(map(Requirement, project["dependencies"])),
        extras={name: tuple(map(Requirement, texts)) for name, texts in extras.items()},
        plugins=project.get("entry-points", {}).get("tlshub_capture", {}),
    )


def folders() -> list[Path]:
    """The folders of all members, that of the core first."""
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    return [ROOT, *(path for pattern in workspace for path in sorted(ROOT.glob(pattern)))]


MEMBERS = {found.name: found for found in map(member, folders())}
CORE = MEMBERS["tlshub-capture"]


def needed(requirement: Requirement) -> Iterator[Member]:
    """The members that it brings, also by extras and by what they themselves require; some may come twice."""
    found = MEMBERS.get(requirement.name)
    if found is None:
        return
    yield found
    inner = [one for extra in requirement.extras for one in found.extras[extra]]
    inner += [one for one in found.requires if one.name != CORE.name]
    for one in inner:
        yield from needed(one)


def plugins(requirement: Requirement) -> set[str]:
    """The names of the plugins that are there when it is installed."""
    return {name for one in needed(requirement) for name in one.plugins}
