# SPDX-License-Identifier: Apache-2.0
"""What is installed, for people: one line for each plugin, faulty ones with what to do about them."""

from __future__ import annotations

from dataclasses import dataclass

from tlshub_core.describe import LoadError, kind_of, library_of
from tlshub_core.plugins import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One installed plugin; `state` is 'ok' or the fault, `message` then says what to do.

    `library` is what makes a key provider's keys, with its version, where it says so.
    """

    name: str
    kind: str
    summary: str
    distribution: str
    version: str
    library: str
    state: str
    message: str


def inventory(registry: Registry) -> tuple[Installed, ...]:
    """All installed plugins by name; imports each of them, and raises nothing for one that is faulty."""
    return tuple(row for name in registry.names() for row in _rows(registry, name))


def _rows(registry: Registry, name: str) -> list[Installed]:
    try:
        specs = registry.specs(name)
        libraries = [library_of(spec) for spec in specs]
    except LoadError as error:
        return _faulty(registry, name, error)
    dist = registry.entry(name).dist
    return [
        Installed(
            name=name,
            kind=kind_of(spec).label,
            summary=spec.summary,
            distribution=dist.name if dist else "",
            version=dist.version if dist else "",
            library=library,
            state="ok",
            message="",
        )
        for spec, library in zip(specs, libraries, strict=True)
    ]


def _faulty(registry: Registry, name: str, error: LoadError) -> list[Installed]:
    return [
        Installed(
            name=name,
            kind="",
            summary="",
            distribution=entry.dist.name if entry.dist else "",
            version=entry.dist.version if entry.dist else "",
            library="",
            state=error.fault,
            message=str(error),
        )
        for entry in registry.found(name)
    ]
