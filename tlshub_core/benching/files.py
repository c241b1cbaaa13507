# SPDX-License-Identifier: Apache-2.0
"""Results as files: JSON, which is read again by a strict decoder, and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tlshub_core.benching.result import FORMAT, SHARES, VERSION, Environment, Measured, Result, Row, Settings, Trial
from tlshub_core.benching.summary import FIGURES, rows
from tlshub_core.control.shape import build, fields_of, loads
from tlshub_core.types.errors import ConfigError, TlshubError
from tlshub_core.wording import lowered

LARGEST = 64 << 20


def encode(result: Result) -> str:
    """The file's text."""
    return json.dumps(result, default=fields_of, indent=1, allow_nan=False) + "\n"


def save(path: Path, text: str) -> None:
    """Write a file; raises TlshubError."""
    try:
        path.write_text(text)
    except OSError as error:
        raise TlshubError(f"'{path}' cannot be written: {lowered(error.strerror or str(error))}") from error


def load(path: Path) -> Result:
    """Read what `encode` made; raises ConfigError, which names the file and the key."""
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigError("is larger than any result of a bench", file=str(path))
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {lowered(error.strerror or str(error))}", file=str(path)) from error
    return decode(data, str(path))


def decode(data: bytes, file: str) -> Result:
    """The result that these bytes are; raises ConfigError."""
    try:
        plain = loads(data)
    except ValueError as error:
        raise ConfigError(str(error), file=file) from None
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise ConfigError(f"is no result of a bench: 'format' is not '{FORMAT}'", file=file, key="format")
    if plain.get("version") != VERSION:
        raise ConfigError(f"is not {VERSION}: another release wrote this file", file=file, key="version")
    return _result(plain, file)


def _result(plain: Mapping[str, Any], file: str) -> Result:
    known = {field.name for field in fields(Result)}
    for name in sorted(known ^ plain.keys()):
        raise ConfigError("is unknown" if name in plain else "is missing", file=file, key=name[:40])

    def one(key: str, kind: Any) -> Any:
        return _built(kind, plain[key], file, key)

    def each(key: str, kind: Any) -> tuple[Any, ...]:
        return tuple(_built(kind, row, file, f"{key}[{at}]") for at, row in enumerate(one(key, list)))

    result = Result(
        format=FORMAT,
        version=VERSION,
        environment=one("environment", Environment),
        settings=one("settings", Settings),
        shares=one("shares", tuple[float, ...]),
        variants=each("variants", Measured),
        skipped=one("skipped", Mapping[str, str]),
        trials=each("trials", Trial),
        rows=each("rows", Row),
    )
    _consistent(result, file)
    return result


def _built(kind: Any, plain: object, file: str, key: str) -> Any:
    try:
        return build(kind, plain)
    except ValueError as error:
        raise ConfigError(str(error), file=file, key=key) from None


def _consistent(result: Result, file: str) -> None:
    if result.shares != SHARES:
        raise ConfigError(f"is not {list(SHARES)}", file=file, key="shares")
    named = {one.name for one in result.variants}
    for at, trial in enumerate(result.trials):
        if trial.variant not in named:
            raise ConfigError(f"'{trial.variant[:40]}' is none of the variants", file=file, key=f"trials[{at}]")
    try:
        found = rows(result.trials)
    except ValueError as error:
        raise ConfigError(str(error), file=file, key="trials") from None
    if found != result.rows:
        raise ConfigError("does not follow from 'trials': the file was changed", file=file, key="rows")


def as_csv(result: Result) -> str:
    """A line for each row, with a head; figures are medians with their intervals, then the ratios to plain."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    parts = ("median", "low", "high")
    names = [f"{prefix}{name}_{part}" for prefix in ("", "ratio_") for name in FIGURES for part in parts]
    writer.writerow(["variant", "load", "size", "concurrency", "emulated", *names])
    for row in result.rows:
        cells = [
            getattr(by[name], part) if name in by else ""
            for by in (row.figures, row.ratios)
            for name in FIGURES
            for part in parts
        ]
        writer.writerow([row.variant, row.load, row.size, row.concurrency, int(result.environment.emulated), *cells])
    return out.getvalue()
