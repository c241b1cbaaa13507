# SPDX-License-Identifier: Apache-2.0
"""The mapping source: one file, read at start and at each reload, looked up in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tlshub_capture_podmap_file.table import Table, parse
from tlshub_core.api import Address, ConfigError, Level, Pod, Probe


class Options(BaseModel):
    """The table '[plugin.podmap_file]'."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    """A line for each pod: pod, node, address of the node's agent, addresses of the pod."""


class PodmapFile:
    """Pods and nodes of one file; a table is replaced as a whole, so that a lookup sees the old one or the new one."""

    def __init__(self, options: Options) -> None:
        self._path = options.path
        self._table = Table()

    async def start(self) -> None:
        """Read the file; raises ConfigError."""
        await self.reload()

    async def stop(self) -> None:
        """Nothing is held that has to be given back."""

    async def probe(self) -> Probe:
        """Whether the file can be read and names addresses; the table in use stays."""
        try:
            table = await asyncio.to_thread(_read, self._path)
        except ConfigError as error:
            return Probe(
                level=Level.FAILED, message=str(error), remedy=f"correct '{self._path}', or name another 'path'"
            )
        found = f"'{self._path}' has {len(table.by_name)} pods with {len(table.by_address)} addresses"
        if table.by_address:
            return Probe(level=Level.OK, message=found)
        remedy = "give pods their addresses in the fourth column: without them no connection is known to be a pod's"
        return Probe(level=Level.WARNING, message=found, remedy=remedy)

    def by_address(self, address: Address) -> Pod | None:
        """The pod with that address."""
        if address.version == 6 and address.ipv4_mapped:
            address = address.ipv4_mapped
        return self._table.by_address.get(address)

    def by_name(self, name: str) -> Pod | None:
        """The pod of that name, with the first of its addresses."""
        return self._table.by_name.get(name)

    def pods(self) -> Sequence[Pod]:
        """All pods in the order of the file, one entry for each address."""
        return self._table.pods

    async def reload(self) -> None:
        """Read the file again, in a thread, as a long one takes long; raises ConfigError and keeps the old table.

        A table in use is not replaced by none: an empty file is one that was cut off, or is being written, and without
        a mapping connections of mode 'prefer' would go in clear.
        """
        table = await asyncio.to_thread(_read, self._path)
        if self._table.pods and not table.pods:
            message = f"names no pod any more, and did name {len(self._table.by_name)}: restart the agent if that is so"
            raise ConfigError(message, file=str(self._path))
        self._table = table


def _read(path: Path) -> Table:
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"cannot be read: {(error.strerror or str(error)).lower()}", file=str(path)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text: byte {error.start} is wrong", file=str(path)) from None
    return parse(text, str(path))
