# SPDX-License-Identifier: Apache-2.0
"""The options that a pydantic model checks, for people: what kind of value, its default, what it means.

A field's meaning is the text that follows it in the source, its `description`, or what its class says of it by name.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from names import text_after
from pydantic import BaseModel, IPvAnyAddress
from pydantic.fields import FieldInfo

from tlshub_core.types.flow import Mode
from tlshub_core.types.keys import Cipher

_PLAIN: dict[Any, str] = {
    bool: "`true` or `false`",
    int: "integer",
    float: "number",
    str: "text",
    Path: "path",
    IPvAnyAddress: "address",
    IPv4Address: "address",
    IPv6Address: "address",
    IPv4Network: 'network, such as `"10.0.0.0/8"`',
    IPv6Network: 'network, such as `"10.0.0.0/8"`',
    tuple[int, int]: 'port, or range such as `"8000-8100"`',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One key of a table."""

    name: str
    kind: str
    default: str
    meaning: str


def options(model: type[BaseModel]) -> list[Option]:
    """All keys, in the order of the source."""
    texts = _texts(model)
    return [
        Option(
            name=name,
            kind=_kind(field.annotation) + _bounds(field),
            default=_default(field),
            meaning=_sentence(texts.get(name) or field.description or ""),
        )
        for name, field in model.model_fields.items()
    ]


def whole(model: type[BaseModel]) -> str:
    """What the model says of itself."""
    return " ".join((model.__doc__ or "").split())


def undocumented(model: type[BaseModel]) -> list[str]:
    """Keys that neither have a text nor are named by their class's."""
    return [f"{model.__name__}.{o.name}" for o in options(model) if not o.meaning and f"`{o.name}`" not in whole(model)]


def _texts(model: type[BaseModel]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, BaseModel) and one is not BaseModel:
            found |= dict(_own_texts(one))
    return found


def _own_texts(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    tree = ast.parse(inspect.getsource(model)).body[0]
    assert isinstance(tree, ast.ClassDef)
    for index, part in enumerate(tree.body):
        if isinstance(part, ast.AnnAssign):
            yield ast.unparse(part.target), text_after(tree.body, index)


def _kind(annotation: Any) -> str:
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_kind(one) for one in inner if one is not type(None)))
    if origin is Literal:
        return _either(inner)
    if origin in (tuple, list):
        return f"list; each: {_kind(inner[0])}"
    if hasattr(annotation, "__metadata__"):
        return _kind(annotation.__origin__)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _either([_written(one) for one in annotation])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    raise TypeError(f"no words for {annotation!r}: add them to '_PLAIN'")


def _bounds(field: FieldInfo) -> str:
    low = next((one for one in field.metadata if isinstance(one, Ge | Gt)), None)
    high = next((f"{one.le:,}" for one in field.metadata if isinstance(one, Le)), "")
    if low is None:
        return ""
    at_least = f"{low.ge:,}" if isinstance(low, Ge) else f"above {low.gt:,}"
    if high:
        return f", {at_least} to {high}"
    return f", {at_least} or more" if isinstance(low, Ge) else f", {at_least}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if field.default_factory is not None or field.default is None or isinstance(field.default, BaseModel):
        return "none"
    return f"`{json.dumps(_written(field.default), ensure_ascii=False)}`"


def _written(value: Any) -> Any:
    if isinstance(value, Cipher):
        return value.label
    if isinstance(value, Mode):
        return value.name.lower()
    if isinstance(value, tuple):
        return [_written(one) for one in value]
    return str(value) if isinstance(value, (Path, IPv4Address, IPv6Address)) else value


def _either(values: Any) -> str:
    return " or ".join(f"`{json.dumps(value)}`" for value in values)


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text[:1].upper() + text[1:]
