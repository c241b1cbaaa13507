# SPDX-License-Identifier: Apache-2.0
"""What the configuration names: its plugins' own probes, and this node's certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from typing import Any, Protocol

from tlshub_core.backends import shortfall
from tlshub_core.chosen import AUTO, absent, provider_names
from tlshub_core.config import Config
from tlshub_core.describe import library_of
from tlshub_core.doctor.check import Check, checked, failed, ok, warning
from tlshub_core.plugins import Registry
from tlshub_core.types.errors import TlshubError
from tlshub_core.types.interfaces import Level, Probe
from tlshub_core.types.spec import Spec

PATIENCE_S = 10.0


class Probing(Protocol):
    """What a plugin's object has to have to be asked."""

    async def probe(self) -> Probe: ...


def notices(config: Config) -> Check:
    """What start-up would say."""
    notes = "; ".join(config.notices)
    return Check(area="configuration", name="file", probe=warning(notes) if notes else ok(f"'{config.file}' is read"))


def checks(config: Config) -> list[Check]:
    """The probes of all that is configured."""
    registry = Registry()
    found = _providers(config, registry)
    if source := config.mapping.source:
        found.append(checked("mapping", source, asked, config, registry.mapping_source, source))
    found += _backends(config, registry)
    return [*found, checked("peering", "identity", identity, config)]


def identity(config: Config) -> Probe:
    """This node's certificate; one that was never named and is not there is needed by some providers only."""
    from tlshub_core.peering.probe import check_identity

    here, named = config.identity(), config.peering
    if not (named.cert or named.key or named.ca or here.cert.exists() or here.key.exists()):
        remedy = "`tlshub-capture pki init` makes one; providers that agree keys between agents need it"
        return warning(f"there is no certificate '{here.cert}'", remedy)
    return check_identity(here)


def _providers(config: Config, registry: Registry) -> list[Check]:
    names, remedy = provider_names(config, registry), "install it, or leave it out of 'providers_allowed'"
    found = [checked("provider", name, provider, config, registry, name) for name in names]
    lacking = absent(config, registry)
    return found + [checked("provider", name, warning, "it is not installed", remedy) for name in lacking]


def provider(config: Config, registry: Registry, name: str) -> Probe:
    """What a key provider says of itself, and the library that it would use; one that does not load is a failure."""
    found = asked(config, registry.key_provider, name)
    if found.level is Level.FAILED:
        return found
    try:
        library = library_of(registry.key_provider(name))
    except TlshubError as error:
        return failed(str(error), "see `tlshub-capture plugins`")
    return replace(found, message=f"{found.message}, with {library}") if library else found


def _backends(config: Config, registry: Registry) -> list[Check]:
    name, find = config.capture.backend, registry.capture_backend
    if name != AUTO:
        return [checked("backend", name, asked, config, find, name)]
    names = [spec.name for spec in sorted(registry.capture_backends(), key=attrgetter("rank"))]
    found = [checked("backend", one, asked, config, find, one) for one in names]
    if not found:
        return [checked("backend", name, failed, "no capture backend can be loaded", "see `tlshub-capture plugins`")]
    works = [check for check in found if check.probe.level is not Level.FAILED]
    if not works:
        return found
    taken = min(works, key=lambda check: shortfall(check.probe, config))
    return [_taken(check) if check is taken else _spare(check) for check in found]


def _taken(check: Check) -> Check:
    """The one that start-up would choose."""
    message = f"{check.probe.message}; 'auto' takes this one"
    return replace(check, probe=replace(check.probe, message=message))


def _spare(check: Check) -> Check:
    """One of several backends that failed keeps nothing from working."""
    if check.probe.level is not Level.FAILED:
        return check
    return checked(check.area, check.name, warning, check.probe.message, check.probe.remedy)


def asked(config: Config, find: Callable[[str], Spec[Any]], name: str) -> Probe:
    """What the plugin says of itself; it is made with its options, not started."""
    try:
        return asyncio.run(_probe(config.make(find(name))))
    except TimeoutError:
        return warning(f"cannot tell: its probe took longer than {PATIENCE_S:.0f} s")
    except TlshubError as error:
        return failed(str(error), "correct the configuration or the plugin; `check` tells all of it")


async def _probe(plugin: Probing) -> Probe:
    return await asyncio.wait_for(plugin.probe(), PATIENCE_S)
