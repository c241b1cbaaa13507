# SPDX-License-Identifier: Apache-2.0
"""Programs that bcc compiled for one kernel, and how they are kept: in a file that its user alone may write."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tlshub_capture_bpf.headers import Headers
from tlshub_capture_bpf.instructions import SIZE, Names, numbers, takes_arguments
from tlshub_capture_bpf.maps import Shape
from tlshub_capture_bpf.sources import BACK, FIELDS, RUN, TABLE, Sources

_FORMAT = b"1"
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """Instructions of the programs by name, what each is attached to, the maps, what the numbers in them stand for,
    and the symbols that may be missing."""

    programs: dict[str, bytes]
    sections: dict[str, str]
    maps: dict[str, Shape]
    names: Names
    optional: frozenset[str]

    @classmethod
    def of(cls, sources: Sources, functions: dict[str, bytes]) -> Self:
        """What a compiler made of the text; raises ValueError where that is not what the text asks for."""
        if not all(code and len(code) % SIZE == 0 for code in functions.values()):
            raise ValueError("a function of bcc's is not made of instructions")
        try:
            callbacks = {name: functions[BACK + name] for name in sources.callbacks}
            programs = {name: functions[RUN + name] for name in sources.programs}
            maps = _shapes(list(sources.maps), numbers(functions[TABLE]))
        except KeyError as error:
            raise ValueError(f"bcc made no function {error}") from error
        for name, count in sources.callbacks.items():
            if not takes_arguments(callbacks[name], count):
                raise ValueError(f"bcc made something else of the arguments of '{name}'")
        names = Names(maps=list(sources.maps), symbols=list(sources.symbols), callbacks=callbacks)
        optional = frozenset(name for name, optional in sources.symbols.items() if optional)
        return cls(programs=programs, sections=sources.programs, maps=maps, names=names, optional=optional)


def _shapes(names: list[str], found: list[int]) -> dict[str, Shape]:
    if len(found) != len(names) * len(FIELDS):
        raise ValueError(f"bcc made {len(found)} numbers of {len(names)} maps")
    rows = [found[at : at + len(FIELDS)] for at in range(0, len(found), len(FIELDS))]
    return {
        name: Shape(kind=kind, key_size=key, value_size=value, entries=entries, flags=flags)
        for name, (kind, key, value, entries, flags) in zip(names, rows, strict=True)
    }


def name_of(sources: Sources, headers: Headers) -> str:
    """Of the file: another one for other programs, another kernel, or another configuration of it."""
    digest = hashlib.sha256(_FORMAT + headers.digest)
    for part in (*sources.files.values(), sources.text()):
        digest.update(hashlib.sha256(part.encode()).digest())
    return f"bcc-{digest.hexdigest()[:32]}.json"


def kept(path: Path, sources: Sources) -> Built | None:
    """What is in the file; None where it is not there, is not whole, or another user may have written it."""
    try:
        if not (_is_ours(path) and _is_ours(path.parent)):
            return None
        functions: dict[str, Any] = json.loads(path.read_bytes())
        return Built.of(sources, {name: bytes.fromhex(code) for name, code in functions.items()})
    except (OSError, ValueError, AttributeError, TypeError):
        return None


def _is_ours(path: Path) -> bool:
    found = path.stat()
    return found.st_uid in (0, os.geteuid()) and not found.st_mode & _WRITABLE


def keep(path: Path, functions: dict[str, bytes]) -> None:
    """Write the file, whole or not at all, so that `kept` takes it. Raises OSError, also where it would not."""
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_ours(folder):
        raise PermissionError(
            f"others than this user and root may write to '{folder}': give it to root and call 'chmod go-w {folder}', "
            "or set 'cache' in '[plugin.bcc]' to another"
        )
    begun = path.with_suffix(f".{os.getpid()}")
    begun.unlink(missing_ok=True)
    begun.touch(mode=0o600, exist_ok=False)  # the umask may leave a group what `kept` refuses
    begun.write_text(json.dumps({name: code.hex() for name, code in functions.items()}))
    begun.rename(path)
