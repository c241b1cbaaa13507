# SPDX-License-Identifier: Apache-2.0
"""A configuration as the core uses it: checked, with every path resolved."""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from tlshub_core.config.faults import in_plugin
from tlshub_core.config.rules import Rule
from tlshub_core.config.tables import Capture, Control, Debug, Events, Keys, Mapping, Peering, Report
from tlshub_core.types.errors import ConfigError

if TYPE_CHECKING:
    from tlshub_core.types.interfaces import Identity
    from tlshub_core.types.spec import Spec

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All tables of one file; `implied` asks for the one rule that a file of the original tool stands for.

    `notices` are lines for start-up to show: what was assumed, and what weakens the protection.
    """

    file: Path
    capture: Capture
    keys: Keys
    peering: Peering
    mapping: Mapping
    events: Events
    control: Control
    debug: Debug
    report: Report
    rules: tuple[Rule, ...]
    plugin: AnyMapping[str, AnyMapping[str, object]] = field(repr=False)
    implied: bool = False
    notices: tuple[str, ...] = ()

    def identity(self) -> Identity:
        """This node in the peering, default file names filled in; the files are not opened."""
        from tlshub_core.types.interfaces import Identity

        here, folder = self.peering, self.file.parent
        return Identity(
            node=here.node,
            trust_domain=here.trust_domain,
            port=here.port,
            cert=here.cert or folder / f"{here.node}.pem",
            key=here.key or folder / f"{here.node}-key.pem",
            ca=here.ca or folder / "ca.pem",
            any_node=here.any_node,
        )

    def options(self, spec: Spec[object]) -> BaseModel:
        """The table '[plugin.NAME]' checked by the plugin's model, paths resolved; raises ConfigError."""
        try:
            model = spec.config.model_validate(dict(self.plugin.get(spec.name, {})))
        except ValidationError as error:
            raise in_plugin(error, spec.config, str(self.file), spec.name) from None
        return anchored(model, self.file.parent)

    def make(self, spec: Spec[T]) -> T:
        """The plugin's object, made with its options; raises ConfigError."""
        return spec.factory(self.options(spec))

    def providers(self) -> tuple[str, ...]:
        """Every key provider that this node asks by, which have to be installed; the default one first."""
        named = [rule.provider for rule in self.rules if rule.provider]
        return tuple(dict.fromkeys([self.keys.provider, *named]))

    def error(self, message: str, *, table: str = "", key: str = "") -> ConfigError:
        """An error about this file."""
        return ConfigError(message, file=str(self.file), table=table, key=key)


def anchored(model: M, folder: Path) -> M:
    """The model with every relative path in it taken from `folder`."""
    values = {name: getattr(model, name) for name in type(model).model_fields}
    moved = {name: new for name, old in values.items() if (new := _anchored(old, folder)) is not old}
    return model.model_copy(update=moved) if moved else model


def _anchored(value: object, folder: Path) -> object:
    if isinstance(value, Path) and not value.is_absolute():
        return folder / value
    if isinstance(value, BaseModel):
        return anchored(value, folder)
    if isinstance(value, list | tuple) and any(isinstance(one, Path | BaseModel) for one in value):
        return type(value)(_anchored(one, folder) for one in value)
    return value
