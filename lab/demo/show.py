# SPDX-License-Identifier: Apache-2.0
"""Shows what the demonstration found, and sums it up in build/demo.json; the exit status is the verdict's."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

MOST_ROWS = 40


def main() -> int:
    """show.py FOLDER SUMMARY STATUS WHY: WHY is the reason for the virtual machine, empty where it ran natively."""
    folder, summary, status, why = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    console = Console(width=None if sys.stdout.isatty() else 118)
    try:
        apps = json.loads((folder / "apps.json").read_text())["apps"]
        wire = json.loads((folder / "wire.json").read_text())
        control = json.loads((folder / "control.json").read_text())
        events = [event for node in ("node-a", "node-b") for event in _events(folder / f"{node}.jsonl", node)]
    except (OSError, ValueError, KeyError) as error:
        console.print(f"demo: it did not come to its end ({error}): see what was printed above, and '{folder}'")
        return 1
    secured = [event for event in events if event["event"] == "Secured"]
    seen = [event for event in events if event["event"] == "Connecting"]
    console.print(_flows(secured))
    console.print(_apps(apps))
    body = {
        "flows": _connections(seen),
        "secured": _connections(secured),
        "flows_on_the_link": wire["flows"],
        "clear_marker_hits": wire["clear_marker_hits"],
        "clear_payload_bytes": wire["clear_payload_bytes"],
        "tls_records": wire["tls_records"],
        "apps": {name: {"ok": app["ok"]} for name, app in apps.items()},
        "native": not why,
    }
    good = _verdict(console, wire, control) and status == 0 and all(app["ok"] for app in apps.values())
    good = good and body["flows"] == body["secured"]
    summary.write_text(json.dumps(body, indent=2) + "\n")
    console.print(f"where: {'this kernel' if not why else f'a virtual machine, since this kernel cannot ({why})'}")
    console.print(f"summary: {summary}")
    return 0 if good else 1


def _events(path: Path, node: str) -> list[dict[str, Any]]:
    return [{"node": node, **json.loads(line)} for line in path.read_text().splitlines()]


def _connections(events: list[dict[str, Any]]) -> int:
    """Connections, each of which has two ends with events of their own."""
    return len({event["flow"] for event in events if event["side"] == "client"})


def _flows(secured: list[dict[str, Any]]) -> Table:
    table = Table(title="connections that are kernel TLS now", caption=_more(secured))
    for heading in ("node", "client", "server", "process", "side", "provider", "cipher"):
        table.add_column(heading)
    table.add_column("held", justify="right")
    for event in secured[:MOST_ROWS]:
        process = f"{event['comm']} ({event['pid']})"
        held = f"{event['hold_ns'] / 1e6:.1f} ms"
        fields = ("node", "client", "server", "side", "provider", "cipher")
        node, client, server, side, provider, cipher = (escape(str(event[field])) for field in fields)
        table.add_row(node, client, server, process, side, provider, cipher, held)
    return table


def _more(secured: list[dict[str, Any]]) -> str:
    hidden = max(0, len(secured) - MOST_ROWS)
    return f"and {hidden} more ends; each connection has two" if hidden else "each connection has two ends"


def _apps(apps: dict[str, dict[str, Any]]) -> Table:
    table = Table(title="what the applications say")
    for heading in ("application", "", "what it checked"):
        table.add_column(heading)
    for name, app in apps.items():
        table.add_row(name, "[green]ok[/]" if app["ok"] else "[bold red]failed[/]", escape(str(app["detail"])))
    return table


def _verdict(console: Console, wire: dict[str, Any], control: dict[str, Any]) -> bool:
    """The wire's answer: everything from the first payload byte in TLS records, and the control proves it looks."""
    opened, closed, foreign = (wire[k] for k in ("decrypted_records", "undecryptable_records", "foreign_key_hits"))
    records, hits = wire["tls_records"], wire["clear_marker_hits"]
    shown = control["clear_marker_hits"]
    checks = {
        f"{wire['flows']} connections in {wire['packets']} packets, none lost by the capture": not wire[
            "capture_drops"
        ],
        f"{hits} times the marker in clear": hits == 0,
        f"{wire['clear_payload_bytes']} payload bytes outside TLS records": wire["clear_payload_bytes"] == 0,
        f"{records} TLS application data records": records > 0,
        f"{opened} of them open with their connection's keys, {closed} do not": opened == records and closed == 0,
        f"{foreign} sampled ones open with another connection's keys": foreign == 0,
        f"the control, which a rule lets pass, shows the marker {shown} times": shown > 0,
    }
    console.print("\nthe verdict of the wire", style="bold")
    for line, good in checks.items():
        console.print(f"  {'[green]yes[/]' if good else '[bold red]NO [/]'}  {line}")
    return all(checks.values())


if __name__ == "__main__":
    sys.exit(main())
