# SPDX-License-Identifier: Apache-2.0
"""The text that bcc compiles: the same headers that the object is made of, and around them what bcc must see itself.

bcc rewrites the functions of the text that it is given, not those in files that this includes; and it knows as programs
those of the text only. So each program and each callback is called by a function of the text, which has one argument.
What refers to maps, callbacks and the kernel's symbols is a number there, which `linking` resolves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_PACKAGED, _CHECKOUT = Path(__file__).with_name("c"), Path(__file__).parents[2] / "c"
_INCLUDE = re.compile(r'^#include "([\w.]+)"$', re.MULTILINE)
_PROGRAM = re.compile(r'^SEC\("([^"]+)"\)\nint (?:BPF_PROG\()?(\w+)', re.MULTILINE)
_MAP = re.compile(r"\{ ?([^{}]*?)\s*\} (\w+) MAPS")
_FIELD = re.compile(r"__(uint|type|array)\((\w+), ")
_CALLBACK = re.compile(r"CALLBACK\((\w+)\),")
_SYMBOL = re.compile(r"^(OPTIONAL_)?SYMBOL\((\w+)\);", re.MULTILINE)
TABLE = "table_of_maps"
RUN, BACK = "run_", "back_"
FIELDS = ("type", "key", "value", "max_entries", "map_flags")


@dataclass(frozen=True)
class Sources:
    """The headers by name, and what is in them; `perf`: events go by perf buffers."""

    folder: Path
    files: dict[str, str]
    perf: bool = False

    @cached_property
    def _text(self) -> str:
        return "\n".join(self.files.values())

    @cached_property
    def programs(self) -> dict[str, str]:
        """Their sections, by name: where each can be attached."""
        return {name: section for section, name in _PROGRAM.findall(self._text)}

    @cached_property
    def maps(self) -> dict[str, frozenset[str]]:
        """The fields that each map's definition has, by the map's name."""
        return {name: frozenset(field for _, field in _FIELD.findall(body)) for body, name in _MAP.findall(self._text)}

    @cached_property
    def callbacks(self) -> dict[str, int]:
        """How many arguments each has."""
        return {name: self._arguments(name) for name in dict.fromkeys(_CALLBACK.findall(self._text))}

    @cached_property
    def symbols(self) -> dict[str, bool]:
        """Of the kernel; whether the programs do without."""
        return {name: bool(optional) for optional, name in _SYMBOL.findall(self._text)}

    def _arguments(self, name: str) -> int:
        found = re.search(rf"^static long {name}\(([^)]*)\)", self._text, re.MULTILINE)
        if found is None:
            raise ValueError(f"the callback '{name}' is defined nowhere")
        return found[1].count(",") + 1

    def text(self) -> str:
        """What bcc is given."""
        lines = ["#define ON_NODE", *(["#define BY_PERF"] if self.perf else [])]
        for kind, names in (("MAP", self.maps), ("CALLBACK", self.callbacks), ("SYMBOL", self.symbols)):
            lines += [f"#define {kind}_{name} {number}" for number, name in enumerate(names)]
        lines.append(f'#include "{self.folder / "capture.bpf.c"}"')
        known = "__builtin_assume(c != 0); " if self.perf else ""
        lines += [f"int {RUN}{name}(void *c) {{ {known}return {name}(c); }}" for name in self.programs]
        lines += [_callback(name, arguments) for name, arguments in self.callbacks.items()]
        return "\n".join([*lines, self._table(), ""])

    def _table(self) -> str:
        """A function that is never run: its instructions are the FIELDS of each map, in order."""
        numbers = [_number(name, field, fields) for name, fields in self.maps.items() for field in FIELDS]
        body = " ".join(f'asm volatile("r0 = %0" :: "i"({number}));' for number in numbers)
        return f"int {TABLE}(void *c) {{ {body} return 0; }}"


def _number(name: str, field: str, fields: frozenset[str]) -> str:
    if f"{field}_size" in fields:
        return f"sizeof(*{name}.{field}_size) / sizeof(int)"
    if field not in fields:
        return "4" if field == "value" and "values" in fields else "0"
    return f"sizeof(*{name}.{field})" + ("" if field in ("key", "value") else " / sizeof(int)")


def _callback(name: str, arguments: int) -> str:
    """Its further arguments are taken from their registers, which `linking` sees done before they are used."""
    registers = [f"r{number}" for number in range(2, arguments + 1)]
    taken = " ".join(f'u64 {one}; asm volatile("%0 = {one}" : "=r"({one}));' for one in registers)
    given = "".join(f", (void *){one}" for one in registers)
    return f"int {BACK}{name}(void *r1) {{ {taken} return {name}((u64)r1{given}); }}"


def read(folder: Path | None = None, *, perf: bool = False) -> Sources:
    """Those of the package, of the checkout, or of another folder. Raises OSError."""
    folder = folder or (_PACKAGED if _PACKAGED.is_dir() else _CHECKOUT)
    files, left = dict[str, str](), ["capture.bpf.c"]
    others = {"core.bpf.h", "ring.bpf.h" if perf else "perf.bpf.h"}
    while left:
        name = left.pop(0)
        if name not in files and name not in others:
            files[name] = (folder / name).read_text()
            left += _INCLUDE.findall(files[name])
    return Sources(folder, files, perf)
