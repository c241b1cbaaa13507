# SPDX-License-Identifier: Apache-2.0
"""Configuration files, TOML and the original tool's: a Config whose rules the kernel takes, or an error with its place.

The first byte says which: 0, 'capture.toml'; 1, 'capture.conf'; 2, the text of an option '--rule'.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from tlshub_capture_bpf.rows import pack_rules

from tests.fuzz.kit.scratch import scratch
from tests.fuzz.kit.target import Target
from tests.fuzz.kit.words import both_ways, text_of
from tests.fuzz.texts import config as texts
from tlshub_core.config import Config, control_socket, load, rule_from_option
from tlshub_core.pipeline.rules import compile_rules
from tlshub_core.plugins import Registry
from tlshub_core.types.errors import ConfigError
from tlshub_core.types.spec import Spec

_FORMS = (texts.TOML, texts.LEGACY, texts.OPTION)
_FILES = ("capture.toml", "capture.conf")
_NO_ROWS = {("[rule]", "match.pods"), ("[rule]", "match")}
_PLUGINS = ("openssl", "tlshub", "podmap_file", "jsonl", "log")
_KINDS = ("rule", "no rule", "refused", "rows", "no rows", "written", "implied")


def _seeds() -> Iterable[bytes]:
    for number, some in enumerate(_FORMS):
        yield from (bytes((number,)) + text for text in both_ways(some, texts.WORDS))


def _one(data: bytes) -> Iterable[str]:
    form, text = data[0] % len(_FORMS) if data else 0, text_of(data[1:], texts.WORDS)
    return _file(scratch() / _FILES[form], text) if form < len(_FILES) else _option(text.decode())


def _option(text: str) -> Iterable[str]:
    try:
        rule = rule_from_option(text)
    except ConfigError as error:
        return ["no rule" if error.file == "--rule" else "no place"]
    assert rule.match.ports and rule.name == text
    return ["rule"]


def _file(path: Path, text: bytes) -> Iterable[str]:
    path.write_bytes(text)
    try:
        config = load(path)
    except ConfigError as error:
        _is_placed(error, path, text)
        return ["refused"]
    assert control_socket(path) == config.control.socket or config.implied
    return [_compiled(config), *_optioned(config), "implied" if config.implied else "written"]


def _is_placed(error: ConfigError, path: Path, text: bytes) -> None:
    """Whatever is wrong is said with the file, and with a table or a key once it is TOML at all."""
    for line in str(error).split("\n"):
        assert line.startswith(f"'{path}'") and line.isprintable(), line
    assert error.file == str(path)
    with suppress(ValueError, RecursionError):
        parsed = tomllib.loads(text.decode())
        assert error.table or error.key or path.suffix != ".toml" or not parsed, f"no place: {error}"


def _compiled(config: Config) -> str:
    """Rules of pods need a mapping; all others are rows for the kernel, or too many of them."""
    try:
        rules = compile_rules(config, None)
    except ConfigError as error:
        return "no rows" if (error.table, error.key) in _NO_ROWS else "no place"
    assert pack_rules(rules)
    return "rows"


def _optioned(config: Config) -> Iterable[str]:
    """The tables of plugins, each by its plugin's own model."""
    for spec in _specs():
        if spec.name in config.plugin:
            try:
                config.options(spec)
            except ConfigError as error:
                yield "no options" if error.table == f"plugin.{spec.name}" and error.key else "no place"
            else:
                yield f"options of {spec.name}"


@cache
def _specs() -> list[Spec[Any]]:
    registry = Registry()
    return [spec for name in _PLUGINS for spec in registry.specs(name)]


TARGET = Target(
    one=_one,
    seeds=_seeds,
    kinds=frozenset({*_KINDS, "no options", *(f"options of {name}" for name in _PLUGINS)}),
    refusals=(UnicodeDecodeError,),
    modules=(
        "tlshub_core.config.reader",
        "tlshub_core.config.faults",
        "tlshub_core.config.values",
        "tlshub_core.config.rules",
        "tlshub_core.config.tables",
        "tlshub_core.legacy",
    ),
    words=texts.WORDS,
)
