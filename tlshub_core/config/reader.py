# SPDX-License-Identifier: Apache-2.0
"""From a file to a Config; whatever is wrong with the file is a ConfigError."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from tlshub_core import legacy
from tlshub_core.config.faults import in_document, joined
from tlshub_core.config.loaded import Config, anchored
from tlshub_core.config.rules import Rule
from tlshub_core.config.tables import ControlOnly, Document
from tlshub_core.config.values import port_range
from tlshub_core.types.errors import ConfigError
from tlshub_core.wording import lowered, quoted

DEFAULT_FILES = (Path("/etc/tlshub/capture.toml"), Path("/etc/tlshub/capture.conf"))


def default_file(candidates: Sequence[Path] = DEFAULT_FILES) -> Path:
    """The first of the default files that exists; raises ConfigError where there is none."""
    for path in candidates:
        if path.is_file():
            return path
    others = quoted(str(path) for path in candidates[1:])
    raise ConfigError(f"not found, nor {others}: write one, or name one on the command line", file=str(candidates[0]))


def load(path: Path, *, provider: str = "", backend: str = "", rules: Sequence[Rule] = ()) -> Config:
    """The configuration in that file, TOML or the original tool's 'key = value' lines; raises ConfigError.

    `provider` and `backend` take the place of the file's; `rules` come before its rules. Relative paths are taken
    from the file's folder. Plugins are not looked up here.
    """
    text = _text(path)
    old = legacy.parse(text, path) if legacy.is_legacy(text, path) else None
    raw = old.document if old else _toml(text, path)
    _override(raw, "keys", "provider", provider)
    _override(raw, "capture", "backend", backend)
    try:
        document = Document.model_validate({"keys": {}, "peering": {}, **raw})
    except ValidationError as error:
        raise in_document(error, Document, str(path)) from None
    return _config(document, path, rules, old)


def control_socket(path: Path) -> Path:
    """Where that file has the agent's control socket; the rest of it may be wrong. Raises ConfigError."""
    text = _text(path)
    raw = {} if legacy.is_legacy(text, path) else _toml(text, path)
    try:
        found = ControlOnly.model_validate(raw)
    except ValidationError as error:
        raise in_document(error, ControlOnly, str(path)) from None
    return anchored(found.control, path.absolute().parent).socket


def rule_from_option(text: str) -> Rule:
    """The rule in 'PORT[,PORT]:MODE', such as '80,8000-8100:require'; raises ConfigError about '--rule'."""
    ports, colon, mode = text.partition(":")
    if not colon:
        raise ConfigError(f"'{text}' has no mode: write it as 'PORT[,PORT]:MODE', such as '80:require'", file="--rule")
    try:
        ranges = [port_range(one.strip()) for one in ports.split(",")]
        return Rule.model_validate({"name": text, "match": {"ports": ranges}, "mode": mode.strip()})
    except ValidationError as error:
        raise ConfigError(str(error.errors()[0]["ctx"]["error"]), file="--rule") from None
    except ValueError as error:
        raise ConfigError(str(error), file="--rule") from None


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"cannot be read: {lowered(error.strerror or str(error))}", file=str(path)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text: byte {error.start} is wrong", file=str(path)) from None
    except ValueError as error:  # a NUL in the name
        raise ConfigError(f"cannot be read: {error}", file=str(path)) from None


def _toml(text: str, path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"is not valid TOML: {lowered(str(error))}", file=str(path)) from None
    except RecursionError:
        raise ConfigError("is not valid TOML: nested too deeply", file=str(path)) from None


def _override(raw: dict[str, object], table: str, key: str, value: str) -> None:
    old = raw.get(table, {})
    if value and isinstance(old, dict):
        raw[table] = {**old, key: value}


def _config(document: Document, path: Path, first: Sequence[Rule], old: legacy.Legacy | None) -> Config:
    document = anchored(document, path.absolute().parent)
    config = Config(
        file=path.absolute(),
        capture=document.capture,
        keys=document.keys,
        peering=document.peering,
        mapping=document.mapping,
        events=document.events,
        control=document.control,
        debug=document.debug,
        report=document.report,
        rules=(*first, *document.rule),
        plugin=document.plugin,
        implied=old is not None,
        notices=(*(old.notices if old else ()), *_notices(document, first, old)),
    )
    _check_names(config)
    _check_patience(config)
    return config


def _check_names(config: Config) -> None:
    counts = Counter(rule.name for rule in config.rules)
    twice = [
        config.error(f"'{n}' is the name of {c} rules", table="[rule]", key="name") for n, c in counts.items() if c > 1
    ]
    if twice:
        raise joined(twice)


def _check_patience(config: Config) -> None:
    patience, deadline = config.capture.passthrough_patience_ms, config.capture.handshake_deadline_ms
    if patience >= deadline and any(rule.passthrough for rule in config.rules):
        message = f"{patience} is no less than 'handshake_deadline_ms' ({deadline}): no time is left to ask the peer"
        raise config.error(message, table="capture", key="passthrough_patience_ms")


def _notices(document: Document, first: Sequence[Rule], old: legacy.Legacy | None) -> list[str]:
    notices = []
    if not (first or document.rule or old):
        notices.append("there is no rule, so no connection is captured: add a table '[[rule]]'")
    if document.keys.provider not in document.keys.allowed:
        notices.append(f"provider '{document.keys.provider}' is not in 'providers_allowed': peers may not ask for it")
    if document.debug.keylog_file:
        notices.append(f"keys are written to '{document.debug.keylog_file}': whoever reads it reads the connections")
    return notices
