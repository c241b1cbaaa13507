# SPDX-License-Identifier: Apache-2.0
"""'pods': what the mapping knows, as the agent sees it."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from pathlib import Path

import click

from tlshub_core import mapped
from tlshub_core.cli.common import config_option, json_option, print_json, print_rows
from tlshub_core.config import default_file, load
from tlshub_core.pipeline.mapping import plain
from tlshub_core.types.errors import TlshubError
from tlshub_core.types.flow import Address, Pod

_COLUMNS = ("pod", "node", "node_address", "address")


@click.command("pods", short_help="Show on which node a pod runs.")
@click.argument("what", metavar="[NAME|ADDRESS]", required=False, default="")
@config_option
@json_option
def command(what: str, config: Path | None, as_json: bool) -> None:
    """Show on which node a pod runs, by its name or one of its addresses; without either, all pods."""
    loaded = load(config or default_file())
    pods = asyncio.run(mapped.pods(loaded))
    found = [pod for pod in pods if _is(pod, what)]
    if what and not found:
        raise TlshubError(f"the mapping of '{loaded.file}' does not know '{what}': it has {len(pods)} entries")
    rows = [(pod.name, pod.node.name, _shown(pod.node.address), _shown(pod.address)) for pod in found]
    if as_json:
        print_json([{key: cell or None for key, cell in zip(_COLUMNS, row, strict=True)} for row in rows])
        return
    print_rows(_COLUMNS, [tuple(cell or "-" for cell in row) for row in rows])


def _is(pod: Pod, what: str) -> bool:
    return not what or pod.name == what or (pod.address is not None and pod.address == _address(what))


def _address(text: str) -> Address | None:
    try:
        return plain(ip_address(text))
    except ValueError:
        return None


def _shown(address: Address | None) -> str:
    return str(address) if address is not None else ""
