# SPDX-License-Identifier: Apache-2.0
"""The plugins that a configuration names, loaded, with their tables checked; nothing is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tlshub_core.config import Config
from tlshub_core.config.faults import joined
from tlshub_core.plugins import Registry
from tlshub_core.types.errors import ConfigError
from tlshub_core.types.spec import CaptureBackendSpec, EventSinkSpec, KeyProviderSpec, MappingSourceSpec, Spec
from tlshub_core.wording import suggestion

AUTO = "auto"
_ABSENT = (
    "provider '{}' of 'providers_allowed' is not installed here: install it, or a peer that asks by it is served only "
    "where its keys come from a session between the agents"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Descriptors of everything that is configured; `providers` by name, the default first; no backend is 'auto'.

    `notices` are for start-up to show.
    """

    providers: Mapping[str, KeyProviderSpec]
    mapping: MappingSourceSpec | None
    sinks: tuple[EventSinkSpec, ...]
    backend: CaptureBackendSpec | None
    notices: tuple[str, ...]

    def specs(self) -> list[Spec[Any]]:
        """All of them."""
        rest = [spec for spec in (self.mapping, self.backend) if spec is not None]
        return [*self.providers.values(), *self.sinks, *rest]


def choose(config: Config, registry: Registry) -> Chosen:
    """Load what `config` names; raises PluginError for a plugin, and ConfigError for the tables '[plugin.NAME]'."""
    source, backend = config.mapping.source, config.capture.backend
    chosen = Chosen(
        providers={name: registry.key_provider(name) for name in provider_names(config, registry)},
        mapping=registry.mapping_source(source) if source else None,
        sinks=tuple(registry.event_sink(name) for name in config.events.sinks),
        backend=None if backend == AUTO else registry.capture_backend(backend),
        notices=tuple(_ABSENT.format(name) for name in absent(config, registry)),
    )
    _check_tables(config, registry, chosen.specs())
    check_passthrough(config, chosen.providers, config.keys.provider)
    return chosen


def provider_names(config: Config, registry: Registry) -> tuple[str, ...]:
    """Those that this node asks by, then those that only peers may ask for, where they are installed.

    One configuration may serve nodes that do not have the same plugins.
    """
    lacking = absent(config, registry)
    allowed = (name for name in sorted(config.keys.allowed) if name not in lacking)
    return tuple(dict.fromkeys([*config.providers(), *allowed]))


def absent(config: Config, registry: Registry) -> list[str]:
    """Providers that peers may ask for and that are not installed."""
    return sorted(config.keys.allowed - {*config.providers(), *registry.names()})


def check_passthrough(config: Config, providers: Mapping[str, KeyProviderSpec], default: str) -> None:
    """Raises ConfigError where a rule needs what its provider, by default `default`, cannot do."""
    for rule in config.rules:
        name = rule.provider or default
        if rule.passthrough is not None and not providers[name].passthrough:
            cannot = f"provider '{name}' cannot tell a peer to leave a connection alone"
            message = f"rule '{rule.name}': {cannot}: leave 'passthrough' out, or use a provider that can"
            raise config.error(message, table="[rule]", key="passthrough")


def _check_tables(config: Config, registry: Registry, specs: list[Spec[Any]]) -> None:
    faults = []
    for spec in specs:
        try:
            config.options(spec)
        except ConfigError as error:
            faults.append(error)
    known = sorted({*registry.names(), *(spec.name for spec in specs)})
    for name in sorted(set(config.plugin) - set(known)):
        message = f"there is no plugin of that name{suggestion(name, known)}"
        faults.append(config.error(message, table=f"plugin.{name}"))
    if faults:
        raise joined(faults)
