# SPDX-License-Identifier: Apache-2.0
"""Configuration files of the original tool: lines 'key = value', comments with '#'.

Such a file names no plugins and no rules, but it stands for some; this is the one place in the core that knows which:

* 'mode' is the key provider of that name ('tlshub' where it is left out);
* 'pod_node_config' is the file of the mapping source 'podmap_file' (the original's default file where it is left out,
  no mapping where that does not exist);
* 'netlink_protocol' is an option of the key provider 'tlshub';
* 'log_level' and 'verbose' are this agent's log level;
* one rule is implied: 'prefer' for all TCP to and from addresses that the mapping knows, and 'observe' for everything
  where it knows none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tlshub_core.types.errors import ConfigError
from tlshub_core.wording import quoted, suggestion

DEFAULT_MAPPING = Path("/etc/tlshub/pod_node_mapping.conf")

_KEYS = ("mode", "pod_node_config", "netlink_protocol", "log_level", "verbose")
_MODES = ("tlshub", "openssl", "boringssl")
_LEVELS = ("debug", "info", "warning", "error")
_FLAGS = ("true", "false", "yes", "no", "1", "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Legacy:
    """What such a file stands for, as the tables of 'capture.toml', and what start-up has to say about it."""

    document: dict[str, object]
    notices: tuple[str, ...]


def is_legacy(text: str, path: Path) -> bool:
    """Whether this is such a file: it has no tables, and all keys are theirs or its name ends in '.conf'."""
    lines = [line for _, line in _lines(text)]
    keys = [line.partition("=")[0].strip() for line in lines]
    if any(line.startswith("[") for line in lines):
        return False
    return path.suffix == ".conf" or (bool(keys) and all(key in _KEYS for key in keys))


def parse(text: str, path: Path, *, default_mapping: Path = DEFAULT_MAPPING) -> Legacy:
    """The tables that the file stands for; raises ConfigError that names the line."""
    values = _values(text, path)
    mode = values.get("mode", "tlshub")
    mapping = values.get("pod_node_config") or (str(default_mapping) if default_mapping.is_file() else "")
    plugin: dict[str, object] = {}
    if mapping:
        plugin["podmap_file"] = {"path": mapping}
    if "netlink_protocol" in values:
        plugin["tlshub"] = {"netlink_protocol": int(values["netlink_protocol"])}
    level = "debug" if values.get("verbose") in ("true", "yes", "1") else values.get("log_level", "info")
    document: dict[str, object] = {
        "keys": {"provider": mode},
        "mapping": {"source": "podmap_file"} if mapping else {},
        "debug": {"log_level": level},
        "plugin": plugin,
    }
    return Legacy(document=document, notices=_notices(path, mode, mapping))


def _notices(path: Path, mode: str, mapping: str) -> tuple[str, ...]:
    known = f"the pods of '{mapping}'" if mapping else "no mapping"
    return (
        f"'{path}' is a file of the original tool: key provider '{mode}', {known}",
        "it has no rules, which implies one: 'prefer' for all TCP to and from addresses that the mapping knows, "
        "'observe' where it knows none",
    )


def _lines(text: str) -> list[tuple[int, str]]:
    numbered = ((number, re.sub(r"(^|\s)#.*", "", line).strip()) for number, line in enumerate(text.split("\n"), 1))
    return [(number, line) for number, line in numbered if line]


def _values(text: str, path: Path) -> dict[str, str]:
    values: dict[str, str] = {}
    for number, line in _lines(text):
        key, equals, value = (part.strip() for part in line.partition("="))
        if problem := _problem(key, equals, value, key in values):
            raise ConfigError(f"line {number}: {problem}", file=str(path), key=key if equals else "")
        values[key] = value
    return values


def _problem(key: str, equals: str, value: str, twice: bool) -> str:
    if not equals or not value:
        return "expected 'key = value'"
    if key not in _KEYS:
        return f"unknown{suggestion(key, _KEYS)}"
    if twice:
        return "given twice"
    if key == "netlink_protocol":
        number = re.fullmatch("[0-9]{1,3}", value, re.ASCII) and int(value) < 256
        return "" if number else f"'{value}' is no netlink protocol: expected a number from 0 to 255"
    choices = {"mode": _MODES, "log_level": _LEVELS, "verbose": _FLAGS}.get(key, ())
    return f"'{value}' is unknown, expected one of {quoted(choices)}" if choices and value not in choices else ""
