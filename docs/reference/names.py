# SPDX-License-Identifier: Apache-2.0
"""What is public, with its docstrings, read from the source: a field is documented by the text that follows it."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import Any

from tlshub_core import api, hookspecs, testing
from tlshub_core.testing.conformance import Conformance, feature_of
from tlshub_core.types import events, interfaces, spec

SECTIONS = {
    "tlshub_core.types.spec": "Descriptors",
    "tlshub_core.types.interfaces": "Interfaces",
    "tlshub_core.types.events": "Events",
    "tlshub_core.types.flow": "Connections",
    "tlshub_core.types.keys": "Keys",
    "tlshub_core.types.capture": "Capture",
    "tlshub_core.types.errors": "Errors",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """Something public: how it is written, what it is, and what it consists of."""

    name: str
    signature: str
    doc: str
    members: tuple[Name, ...] = ()


def hooks() -> list[Name]:
    """All hooks, in their order."""
    functions = [found for found in vars(hookspecs).values() if hasattr(found, f"{hookspecs.PROJECT}_spec")]
    return [_function(found.__name__, found) for found in functions]


def where_it_belongs(module: ModuleType) -> dict[str, list[Name]]:
    """The names of '__all__' by section, in the order of the source; those of `events` are among the events."""
    found = [getattr(module, name) for name in module.__all__]
    classes = [one for one in found if inspect.isclass(one)]
    if module is api:
        classes += events.KINDS
    sections: dict[str, list[Name]] = {title: [] for title in SECTIONS.values()} if module is api else {}
    for one in sorted(classes, key=_place):
        others = "Conformance" if issubclass(one, Conformance) else "Others"
        sections.setdefault(SECTIONS.get(one.__module__, others), []).append(_class(one))
    functions = [one for one in found if inspect.isfunction(one)]
    sections["Functions"] = [_function(one.__name__, one) for one in sorted(functions, key=_place)]
    return {title: names for title, names in sections.items() if names}


def undocumented() -> list[str]:
    """What has to have a docstring and has none."""
    public = [*where_it_belongs(api).values(), *where_it_belongs(testing).values(), hooks()]
    missing = [name.name for names in public for name in names if not name.doc]
    parts = [one for one in vars(interfaces).values() if inspect.isclass(one) and one.__module__ == interfaces.__name__]
    parts += [one for one in vars(spec).values() if inspect.isclass(one) and one.__module__ == spec.__name__]
    strict = [one for one in parts if not issubclass(one, Enum) and _is_contract(one)]
    return missing + [f"{one.__name__}.{part.name}" for one in strict for part in _class(one).members if not part.doc]


def _is_contract(one: type) -> bool:
    """Interfaces and descriptors; the fields of plain values are told by their class."""
    return bool(getattr(one, "_is_protocol", False)) or issubclass(one, spec.Spec)


def _place(one: Any) -> tuple[int, str, int]:
    order = list(SECTIONS)
    module = one.__module__
    return (order.index(module) if module in order else len(order), module, inspect.getsourcelines(one)[1])


def _function(name: str, function: Any) -> Name:
    tree = ast.parse(inspect.getsource(function)).body[0]
    assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    return _method(tree)


def _class(one: type) -> Name:
    tree = ast.parse(inspect.getsource(one)).body[0]
    assert isinstance(tree, ast.ClassDef)
    bases = [ast.unparse(base) for base in tree.bases if ast.unparse(base) not in ("Protocol", "Generic[T]")]
    signature = one.__name__ + (f"({', '.join(bases)})" if bases else "")
    prefix = "" if one.__module__ != events.__name__ else "events."
    members = tuple(_tests(one) if issubclass(one, Conformance) else _members(tree))
    return Name(name=prefix + one.__name__, signature=prefix + signature, doc=_doc(tree), members=members)


def _tests(one: type[Conformance]) -> Iterator[Name]:
    """What a plugin of that kind must pass, then what is opt-in."""
    tests = {name: feature_of(getattr(one, name)) for name in dir(one) if name.startswith("test_")}
    for name, feature in sorted(tests.items(), key=lambda test: (test[1], test[0])):
        yield Name(name=name, signature=name, doc=f"opt-in, with '{feature}'" if feature else "")


def _members(tree: ast.ClassDef) -> Iterator[Name]:
    for index, part in enumerate(tree.body):
        if isinstance(part, ast.AnnAssign):
            text = ast.unparse(part.target) + ": " + ast.unparse(part.annotation)
            value = f" = {ast.unparse(part.value)}" if part.value else ""
            yield Name(name=ast.unparse(part.target), signature=text + value, doc=text_after(tree.body, index))
        elif isinstance(part, ast.Assign) and not ast.unparse(part.targets[0]).startswith("_"):
            yield Name(name=ast.unparse(part.targets[0]), signature=ast.unparse(part), doc="")
        elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and not part.name.startswith("_"):
            yield _method(part)


def _method(tree: ast.FunctionDef | ast.AsyncFunctionDef) -> Name:
    tree.args.args = [argument for argument in tree.args.args if argument.arg not in ("self", "cls")]
    returns = f" -> {ast.unparse(tree.returns)}" if tree.returns else ""
    call = f"{tree.name}({ast.unparse(tree.args)}){returns}"
    if any(ast.unparse(decorator) == "property" for decorator in tree.decorator_list):
        call = f"{tree.name}: {ast.unparse(tree.returns)}" if tree.returns else tree.name
    waits = "async " if isinstance(tree, ast.AsyncFunctionDef) else ""
    return Name(name=tree.name, signature=waits + call, doc=_doc(tree))


def _doc(tree: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return " ".join((ast.get_docstring(tree) or "").split())


def text_after(body: list[ast.stmt], index: int) -> str:
    """The text that follows a field, '' where none does."""
    after = body[index + 1] if index + 1 < len(body) else None
    constant = after.value if isinstance(after, ast.Expr) else None
    return constant.value if isinstance(constant, ast.Constant) and isinstance(constant.value, str) else ""
