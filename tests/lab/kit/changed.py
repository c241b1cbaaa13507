# SPDX-License-Identifier: Apache-2.0
"""A configuration with changes: 'table.key' to TOML values, and under 'rules' text that comes behind the file."""

from __future__ import annotations

import re
from collections.abc import Mapping


def changed(text: str, changes: Mapping[str, str]) -> str:
    """The file with these changes; names without a dot are none of its."""
    for key, value in changes.items():
        table, dot, name = key.rpartition(".")
        text = _set(text, table, name, value) if dot else text
    return text + changes.get("rules", "")


def _set(text: str, table: str, key: str, value: str) -> str:
    text = text if f"[{table}]\n" in text else f"{text}[{table}]\n"
    head, title, tail = text.partition(f"[{table}]\n")
    body, bracket, rest = tail.partition("\n[")
    body = re.sub(rf"^{key} = .*\n?", "", body, flags=re.MULTILINE)
    return f"{head}{title}{key} = {value}\n{body}{bracket}{rest}"
