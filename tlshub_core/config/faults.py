# SPDX-License-Identifier: Apache-2.0
"""pydantic's errors as ConfigError: file, table and key named, all of them at once, the nearest known key offered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tlshub_core.types.errors import ConfigError
from tlshub_core.wording import lowered, suggestion

_EXPECTED = MappingProxyType(
    {"model_type": "expected a table", "dict_type": "expected a table", "tuple_type": "expected a list"}
)

Location = tuple[int | str, ...]


def joined(faults: Sequence[ConfigError]) -> ConfigError:
    """One error for several: its place is the first one's, its message has a line for each."""
    first = faults[0]
    if len(faults) > 1:
        first.args = ("\n".join(str(fault) for fault in faults),)
    return first


def in_document(error: ValidationError, model: type[BaseModel], file: str) -> ConfigError:
    """What is wrong with the core's own tables."""
    return joined([_in_document(detail, model, file) for detail in error.errors()])


def in_plugin(error: ValidationError, model: type[BaseModel], file: str, name: str) -> ConfigError:
    """What is wrong with the table of the plugin `name`; its values are not shown, they may be secret."""
    return joined([_in_plugin(detail, model, file, name) for detail in error.errors(include_input=False)])


def _in_document(detail: ErrorDetails, model: type[BaseModel], file: str) -> ConfigError:
    where: Location = detail["loc"]
    message = _message(detail, model)
    if len(where) == 1:
        return ConfigError(message, file=file, table="", key=str(where[0]))
    if where[0] == "rule":
        return ConfigError(
            f"rule number {int(where[1]) + 1}: {message}", file=file, table="[rule]", key=_key(where[2:])
        )
    return ConfigError(message, file=file, table=str(where[0]), key=_key(where[1:]))


def _in_plugin(detail: ErrorDetails, model: type[BaseModel], file: str, name: str) -> ConfigError:
    return ConfigError(_message(detail, model), file=file, table=f"plugin.{name}", key=_key(detail["loc"]))


def _key(where: Location) -> str:
    return ".".join(str(part) for part in where)


def _message(detail: ErrorDetails, model: type[BaseModel]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return f"unknown{suggestion(str(detail['loc'][-1]), _known(model, detail['loc'][:-1]))}"
    if kind == "missing":
        return "missing, and it has no default"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    return _EXPECTED.get(kind) or lowered(detail["msg"])


def _known(model: type[BaseModel], where: Location) -> Sequence[str]:
    for part in where:
        if isinstance(part, str) and (field := model.model_fields.get(part)):
            model = next(_models(field.annotation), model)
    return list(model.model_fields)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
