# SPDX-License-Identifier: Apache-2.0
"""The real agent with a key provider that breaks, for one connection and another, as '$LAB_NODES/faults.json' says.

The file maps a server's port to [side, fault]; the functions of this module with the name of a fault are what happens.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from functools import wraps
from pathlib import Path
from socket import socket

from tlshub_core.cli.main import main
from tlshub_core.peering.provider import PeeringProvider
from tlshub_core.types.flow import Flow, Isns
from tlshub_core.types.interfaces import Pending
from tlshub_core.types.keys import FlowKeys

FILE = Path(os.environ["LAB_NODES"]) / "faults.json"


class Faulty:
    """A Pending that does as a real one, but for its fault."""

    def __init__(self, real: Pending, fault: str) -> None:
        self._real, self._fault = real, fault
        self.asked_as = "openssl"

    async def keys(self, isns: Isns, sock: socket | None) -> FlowKeys:
        """The real ones, spoilt."""
        if self._fault == "keys-raise":
            raise KeyError("a provider's bug")
        if self._fault == "keys-hang":
            await asyncio.Event().wait()
        keys = await self._real.keys(isns, sock)
        if self._fault == "keys-junk":
            return b"junk"  # type: ignore[return-value]
        if self._fault == "keys-short":
            del keys.client_to_server.key[5:]
        if self._fault == "keys-wrong":
            keys.client_to_server.key[:] = os.urandom(len(keys.client_to_server.key))
        return keys

    def discard(self) -> None:
        """As the real one."""
        self._real.discard()
        if self._fault == "discard-raises":
            raise KeyError("a provider's bug")


def planned(flow: Flow) -> str:
    """The fault of that connection at this end, or ''."""
    side, fault = json.loads(FILE.read_text()).get(str(flow.server.port), ("", "")) if FILE.exists() else ("", "")
    return fault if side == flow.side.name.lower() else ""


def patch() -> None:
    """Have the provider break as planned."""
    real = PeeringProvider.prepare

    @wraps(real)
    async def prepare(self: PeeringProvider, flow: Flow) -> Pending:
        match fault := planned(flow):
            case "raises":
                raise KeyError("a provider's bug")
            case "hangs":
                await asyncio.Event().wait()
            case "returns-junk":
                return object()  # type: ignore[return-value]
            case "asks-and-raises":
                await self._started().agent.ask(flow)
                raise KeyError("a provider's bug")
        pending = await real(self, flow)
        return Faulty(pending, fault) if fault else pending

    PeeringProvider.prepare = prepare  # type: ignore[method-assign]


if __name__ == "__main__":
    patch()
    sys.exit(main(prog_name="tlshub-capture"))
