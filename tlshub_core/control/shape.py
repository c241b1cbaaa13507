# SPDX-License-Identifier: Apache-2.0
"""Dataclasses as JSON and back; on the way back nothing is assumed, converted or passed over."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, NoReturn, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from tlshub_core.numbers import fits

T = TypeVar("T")


def dumps(value: object) -> str:
    """JSON on one line, in ASCII; a dataclass becomes an object of its fields, a tuple a list."""
    return json.dumps(value, default=fields_of, separators=(",", ":"))


def fields_of(value: Any) -> dict[str, object]:
    """The fields of a dataclass, those that are dataclasses themselves as they are."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def loads(data: bytes) -> object:
    """Strict JSON from UTF-8: no key twice, no NaN; raises ValueError, also for what is nested too deeply."""
    try:
        return json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte {error.start} is wrong") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg.lower()} at byte {error.pos}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def build(kind: type[T], plain: object, where: str = "") -> T:
    """The dataclass, or the value of that type, that `plain` from `loads` stands for; raises ValueError.

    Knows str, int, float, bool, None, tuples of one type, mappings from str, dataclasses, and unions with None.
    """
    return cast(T, _value(kind, plain, where))


def _value(kind: Any, plain: object, where: str) -> object:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (inner,) = (one for one in arguments if one is not type(None))
        return None if plain is None else _value(inner, plain, where)
    if origin is tuple:
        return tuple(_value(arguments[0], one, where) for one in _of(list, plain, where))
    if origin is Mapping:
        return {key: _value(arguments[1], one, where) for key, one in _of(dict, plain, where).items()}
    if dataclasses.is_dataclass(kind):
        return _made(kind, _of(dict, plain, where), where)
    return _of(kind, plain, where)


def _of(kind: Any, plain: Any, where: str) -> Any:
    if type(plain) is not kind:
        raise ValueError(f"{where or 'the value'} is of type '{type(plain).__name__}', expected '{kind.__name__}'")
    if kind is int and not fits(plain):
        raise ValueError(f"{where or 'the value'} has more than 64 bits")
    return plain


def _made(kind: Any, plain: dict[str, object], where: str) -> object:
    hints = _hints(kind)
    for name in plain.keys() - hints.keys():
        raise ValueError(f"unknown field '{name[:40]}'")
    for name in hints.keys() - plain.keys():
        raise ValueError(f"field '{name}' is missing")
    return kind(**{name: _value(of, plain[name], f"field '{name}'") for name, of in hints.items()})


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"'{name}' is no JSON")
