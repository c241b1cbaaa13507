# SPDX-License-Identifier: Apache-2.0
"""Before step 3, under a rule with passthrough: what the client wants to send first, seen before the peer is asked.

So the flow is still NEW when it is a TLS ClientHello, and both ends can be left alone. What cannot be seen, or does not
come, is captured: TLS in TLS does no harm, and the other way round would.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tlshub_core.pipeline.ending import Ending
from tlshub_core.pipeline.tools import Tools
from tlshub_core.types.capture import FlowEstablished, FlowSpoke
from tlshub_core.types.flow import Flow, Side


class First:
    """The first words of one client, awaited for a while from the moment that it can speak."""

    def __init__(self, tools: Tools, established: asyncio.Future[FlowEstablished]) -> None:
        self._tools, self._established = tools, established
        self._tls: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def tell(self, event: FlowSpoke) -> None:
        """The client made its first call."""
        if not self._tls.done():
            self._tls.set_result(event.tls)

    async def heard(self, flow: Flow, born_ns: int) -> Flow:
        """Of a client, wait for TCP, then for the first words; the flow, its deadline counted from TCP's handshake.

        A connection takes as long as TCP wants: the SYN was not held, and the programs count likewise.
        """
        if flow.side is Side.SERVER:
            return flow
        since = (await self._established).time_ns
        await asyncio.wait((self._tls,), timeout=self._tools.patience_ns / 1e9)
        return replace(flow, deadline_ns=since + flow.deadline_ns - born_ns)

    async def is_left_alone(self, flow: Flow, provider: str, ending: Ending) -> bool:
        """Whether both ends go in clear: a client's, once the peer promised it; a server's, if that has come about.

        Raises what `LeavingProvider.leave` does, and TimeoutError.
        """
        if flow.side is Side.SERVER:
            return ending.is_left_alone()
        if not self._tls.done() or not self._tls.result():
            return False
        async with asyncio.timeout_at(flow.deadline_ns / 1e9):
            await self._tools.keys.leave(flow, provider)
        ending.left_alone()
        return True
