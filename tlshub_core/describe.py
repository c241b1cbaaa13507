# SPDX-License-Identifier: Apache-2.0
"""Import of one plugin and what its hooks say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import MappingProxyType
from typing import Any, Literal

import pluggy

from tlshub_core import hookspecs
from tlshub_core.types.errors import PluginError
from tlshub_core.types.spec import CaptureBackendSpec, EventSinkSpec, KeyProviderSpec, MappingSourceSpec, Spec
from tlshub_core.wording import suggestion

Fault = Literal["missing", "broken", "incompatible", "duplicate", "misspelt", "wrong-kind"]


class LoadError(PluginError):
    """A plugin cannot be used; `fault` is the kind of fault, the message says what to do."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of plugin: what people call it, and the hook that registers it."""

    label: str
    hook: str


KINDS: Mapping[type[Spec[Any]], Kind] = MappingProxyType(
    {
        KeyProviderSpec: Kind(label="key provider", hook="tlshub_key_providers"),
        MappingSourceSpec: Kind(label="mapping source", hook="tlshub_mapping_sources"),
        EventSinkSpec: Kind(label="event sink", hook="tlshub_event_sinks"),
        CaptureBackendSpec: Kind(label="capture backend", hook="tlshub_capture_backends"),
    }
)


def kind_of(spec: Spec[Any]) -> Kind:
    """The kind of a descriptor."""
    return next(kind for cls, kind in KINDS.items() if isinstance(spec, cls))


def library_of(spec: Spec[Any]) -> str:
    """What makes a key provider's keys, with its version; empty where it does not say. Raises LoadError."""
    if not isinstance(spec, KeyProviderSpec) or spec.library is None:
        return ""
    try:
        return spec.library()
    except (Exception, SystemExit) as error:  # imports a library that may be missing or not fit this machine
        what = f"the library of plugin '{spec.name}' cannot be used: {type(error).__name__}: {error}"
        raise LoadError("broken", f"{what}; repair or reinstall it") from error


def specs_of(entry: EntryPoint, owner: str) -> tuple[Spec[Any], ...]:
    """The descriptors that the plugin behind `entry` has under that name; raises LoadError.

    `owner` is its distribution and version, for messages. A module may describe several plugins; each is asked for
    by an entry point of its own.
    """
    who = f"plugin '{entry.name}' of '{owner}'"
    try:
        manager = _registered(entry, who)
        described = [spec for kind, what in KINDS.items() for spec in _called(manager, kind, what)]
    except LoadError:
        raise
    except (Exception, SystemExit) as error:  # whatever foreign code raises at import is that plugin's fault alone
        what = f"importing or asking '{entry.value}' raised {type(error).__name__}: {error}"
        raise LoadError("broken", f"{who} is broken: {what}; repair or reinstall it") from error
    mine = tuple(spec for spec in described if spec.name == entry.name)
    if not mine:
        why = f"its hooks describe nothing named '{entry.name}'"
        raise LoadError("broken", f"{who} is broken: {why}; its author has to use one name for both")
    return mine


def _registered(entry: EntryPoint, who: str) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    module = entry.load()
    manager.register(module, name=entry.name)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        known = [kind.hook for kind in KINDS.values()]
        callers = [caller for caller in manager.get_hookcallers(module) or () if not caller.has_spec()]
        hook = next(c.name for c in callers if not all(impl.optionalhook for impl in c.get_hookimpls()))
        wrong = f"its author has to rename the hook '{hook}', which does not exist{suggestion(hook, known)}"
        raise LoadError("misspelt", f"{who} misspells a hook: {wrong}") from error
    return manager


def _called(manager: pluggy.PluginManager, kind: type[Spec[Any]], what: Kind) -> list[Spec[Any]]:
    specs: list[Spec[Any]] = [spec for specs in getattr(manager.hook, what.hook)() for spec in specs]
    for spec in specs:
        if not isinstance(spec, kind):
            raise TypeError(f"'{what.hook}' returned a '{type(spec).__name__}' instead of a '{kind.__name__}'")
    return specs
