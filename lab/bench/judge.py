# SPDX-License-Identifier: Apache-2.0
"""Whether what is going to be measured is what its name says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.load import LoadError
from bench.variants import Variant
from tests.lab.kit.node import Node


def judge(client: Node, ways: Sequence[Variant], marker: str) -> None:
    """Fetch the marker in each way, and ask the wire whether it is what its name says; then end the capture."""
    for way in ways:
        if client.run(["curl", "-skS", f"{way.base}/marker"]) != marker:
            raise LoadError(f"'{way.name}' did not bring the marker")
    for way in ways:
        shown = subprocess.run(["wire", "--ports", str(way.port), marker], check=True, stdout=subprocess.PIPE).stdout
        if (json.loads(shown)["clear_marker_hits"] == 0) != way.secret:
            raise LoadError(f"the wire says of '{way.name}': {shown.decode()}")
    subprocess.run(["wire-capture", "stop"], check=False, stdout=subprocess.DEVNULL)


def gcm() -> str:
    """The kernel's implementation of AES-GCM: without the processor's instructions, KTLS would be another thing."""
    entries = [dict(_pair(line) for line in e.splitlines()) for e in Path("/proc/crypto").read_text().split("\n\n")]
    named = [entry for entry in entries if entry.get("name") == "gcm(aes)"]
    return max(named, key=lambda entry: int(entry["priority"]))["driver"] if named else ""


def _pair(line: str) -> tuple[str, str]:
    key, _, value = line.partition(":")
    return key.strip(), value.strip()
