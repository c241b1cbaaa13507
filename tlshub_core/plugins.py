# SPDX-License-Identifier: Apache-2.0
"""Plugins, loaded by name from the entry-point group 'tlshub_capture'; one that is broken never touches another.

pluggy's own loader imports a whole group and stops at the first error, so each plugin gets a manager of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import Any, TypeVar

from tlshub_core import __version__
from tlshub_core.describe import KINDS, LoadError, kind_of, specs_of
from tlshub_core.hookspecs import PROJECT
from tlshub_core.requirements import CORE, unmet
from tlshub_core.types.spec import CaptureBackendSpec, EventSinkSpec, KeyProviderSpec, MappingSourceSpec, Spec
from tlshub_core.wording import quoted

S = TypeVar("S", bound="Spec[Any]")


class Registry:
    """The installed plugins; every lookup raises PluginError with a message that says what to do.

    `running` is the version of the core that plugins must accept; by default the running one's.
    """

    def __init__(self, *, running: str = "") -> None:
        self._running = running or __version__
        self._found: dict[str, list[EntryPoint]] = {}
        self._loaded: dict[str, tuple[Spec[Any], ...]] = {}
        for entry in entry_points(group=PROJECT):
            self._found.setdefault(entry.name, []).append(entry)

    def names(self) -> tuple[str, ...]:
        """Names of all installed plugins, in alphabetical order."""
        return tuple(sorted(self._found))

    def key_provider(self, name: str) -> KeyProviderSpec:
        """The key provider with that name."""
        return self.load(KeyProviderSpec, name)

    def mapping_source(self, name: str) -> MappingSourceSpec:
        """The mapping source with that name."""
        return self.load(MappingSourceSpec, name)

    def event_sink(self, name: str) -> EventSinkSpec:
        """The event sink with that name."""
        return self.load(EventSinkSpec, name)

    def capture_backend(self, name: str) -> CaptureBackendSpec:
        """The capture backend with that name."""
        return self.load(CaptureBackendSpec, name)

    def capture_backends(self) -> Iterator[CaptureBackendSpec]:
        """Every capture backend that can be loaded, by name, for the choice 'auto' between their probes."""
        for name in self.names():
            try:
                specs = self.specs(name)
            except LoadError:
                continue  # `inventory` tells; a plugin that was not asked for must not stop the agent
            yield from (spec for spec in specs if isinstance(spec, CaptureBackendSpec))

    def load(self, kind: type[S], name: str) -> S:
        """The descriptor of that kind and name."""
        specs = self.specs(name)
        for spec in specs:
            if isinstance(spec, kind):
                return spec
        kinds = quoted(kind_of(spec).label for spec in specs)
        what = f"plugin '{name}' is of kind {kinds}, not '{KINDS[kind].label}'"
        raise LoadError("wrong-kind", f"{what}: name another one, see `tlshub-capture plugins`")

    def specs(self, name: str) -> tuple[Spec[Any], ...]:
        """All descriptors of that name; the plugin is imported at the first call."""
        if name not in self._loaded:
            self._loaded[name] = specs_of(self.entry(name), _owner(self.entry(name)))
        return self._loaded[name]

    def entry(self, name: str) -> EntryPoint:
        """The one entry point of that name that fits the running core; nothing is imported."""
        found = self._found.get(name, [])
        if not found:
            raise LoadError("missing", _missing(name, self.names()))
        if len(found) > 1:
            raise LoadError("duplicate", _duplicate(name, found))
        if found[0].dist is not None and (missed := unmet(found[0].dist, self._running)):
            raise LoadError("incompatible", _incompatible(name, found[0].dist, missed, self._running))
        return found[0]

    def found(self, name: str) -> Sequence[EntryPoint]:
        """The entry points of that name, faulty or not."""
        return tuple(self._found.get(name, ()))


def _owner(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown distribution"


def _missing(name: str, installed: Sequence[str]) -> str:
    install = f"`pip install '{CORE}[{name}]'`"
    return f"no plugin named '{name}' is installed: install it with {install}; installed are {quoted(installed)}"


def _duplicate(name: str, found: Sequence[EntryPoint]) -> str:
    owners = " and ".join(f"'{_owner(entry)}'" for entry in found)
    choice = " or ".join(f"`pip uninstall {entry.dist.name}`" for entry in found if entry.dist)
    return f"plugin '{name}' is installed more than once, by {owners}: remove all but one, with {choice}"


def _incompatible(name: str, dist: Distribution, missed: str, running: str) -> str:
    return (
        f"plugin '{name}' of '{dist.name} {dist.version}' needs '{CORE}{missed}', running is '{running}': install "
        f"versions that fit with `pip install --upgrade {CORE} {dist.name}`"
    )
