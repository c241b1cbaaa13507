# SPDX-License-Identifier: Apache-2.0
"""The verdict as the JSON object that 'wire' prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from oracle.drops import Statistics
from oracle.verdict import Verdict
from tlshub_core.verifying.keyring import Keyring


def report(verdict: Verdict, said: Sequence[Statistics], keyring: Keyring | None, flows: bool) -> dict[str, object]:
    """Counts over all connections; 'flow_list' where asked for, what the keys did where there are some."""
    found = verdict.findings
    body: dict[str, object] = {
        "flows": len(found),
        "packets": sum(one.packets for one in found),
        "tls_records": sum(sum(one.records) for one in found),
        "clear_marker_hits": verdict.marker_hits,
        "clear_payload_bytes": sum(sum(one.clear) for one in found),
        "capture_drops": said[-1].dropped if said else 0,
        "holes": verdict.holes,
    }
    if keyring:
        body |= {
            "decrypted_records": keyring.opened,
            "undecryptable_records": keyring.failed,
            "foreign_key_hits": keyring.foreign,
        }
    return body | ({"flow_list": [asdict(one) for one in found]} if flows else {})


def whole(body: dict[str, object]) -> bool:
    """Whether the capture can be judged by: it has a connection, and nothing was lost."""
    return bool(body["flows"]) and not body["capture_drops"] and not body["holes"]
