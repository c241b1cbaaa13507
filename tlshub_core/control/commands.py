# SPDX-License-Identifier: Apache-2.0
"""What each command does, in an agent that runs."""

from __future__ import annotations

import logging
from typing import assert_never

from tlshub_core.control import requests, top, views
from tlshub_core.control.answers import Answer, BypassAnswer, ProvidersAnswer, ReloadAnswer
from tlshub_core.control.binding import Caller
from tlshub_core.control.conversation import Send
from tlshub_core.control.parts import Parts
from tlshub_core.control.requests import Request
from tlshub_core.types.errors import TlshubError

_log = logging.getLogger("tlshub.control")


class Commands:
    """Carries out requests; whatever changes the agent is logged with the process that asked for it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def handle(self, request: Request, caller: Caller, send: Send) -> Answer:
        """The answer; rows of a long table go through `send` first. Raises TlshubError where it cannot be done."""
        match request:
            case requests.Status():
                return await views.status(self._parts)
            case requests.Flows():
                return await views.flows(self._parts, request, send)
            case requests.Top():
                return await top.top(self._parts, request, send)
            case requests.Rules():
                return views.rules(self._parts)
            case requests.Providers():
                return views.providers(self._parts)
            case requests.Report():
                return views.report(self._parts)
            case _:
                return await self._change(request, f"process {caller.pid} of user {caller.uid}")

    async def _change(self, request: requests.Reload | requests.Bypass | requests.Provider, who: str) -> Answer:
        match request:
            case requests.Reload():
                return await self._reload(who)
            case requests.Bypass():
                return self._bypass(request, who)
            case requests.Provider():
                return await self._switch(request.name, who)
        assert_never(request)

    async def _reload(self, who: str) -> ReloadAnswer:
        _log.info("%s wants rules and mapping to be read again", who)
        try:
            await self._parts.reloading.reload()
        except OSError as error:
            raise TlshubError(f"not reloaded, the old rules and mapping stay: {error}") from error
        rules = self._parts.ruling.rules
        return ReloadAnswer(
            rules=len(rules.names),
            rows=len(rules.matches),
            mapping=views.entries(self._parts),
            bypass=views.bypass(self._parts),
        )

    def _bypass(self, request: requests.Bypass, who: str) -> BypassAnswer:
        ruling = self._parts.ruling
        try:
            if request.on:
                ruling.bypass(60 * request.minutes, who)
            else:
                ruling.lift(who)
        except OSError as error:
            raise TlshubError(f"the rules in the kernel cannot be changed, all is as it was: {error}") from error
        return views.bypass(self._parts)

    async def _switch(self, name: str, who: str) -> ProvidersAnswer:
        _log.info("%s wants key provider '%s' for new connections", who, name)
        await self._parts.providers.switch(name)
        return views.providers(self._parts)
