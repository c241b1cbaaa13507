# SPDX-License-Identifier: Apache-2.0
"""What a provider agreed on with the peer for one flow, and what becomes of its bugs."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tlshub_core.types.errors import Reason, TlshubError, Unavailable
from tlshub_core.types.flow import Isns
from tlshub_core.types.interfaces import Pending
from tlshub_core.types.keys import FlowKeys

_log = logging.getLogger("tlshub.connection")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was agreed, and with whose help."""

    provider: str
    pending: Pending

    async def keys(self, isns: Isns) -> FlowKeys:
        """Have them made; raises TimeoutError or a TlshubError, with Reason.PROVIDER_BUG where the provider broke."""
        try:
            keys = await self.pending.keys(isns, None)
        except (TlshubError, TimeoutError):
            raise
        except Exception as error:
            raise bug(self.provider, error) from error
        if not isinstance(keys, FlowKeys):
            raise bug(self.provider, TypeError(f"keys() returned '{type(keys).__name__}'"))
        return keys

    def discard(self) -> None:
        """Forget it; a bug in that is logged with its trace: keys that were given must still be wiped."""
        try:
            self.pending.discard()
        except Exception:  # noqa: BLE001 - see above
            _log.exception("bug in provider '%s': discard failed", self.provider)


def bug(provider: str, error: Exception) -> Unavailable:
    """What becomes of an exception that the contract does not know: that flow's failure, named as the plugin's bug."""
    return Unavailable(f"bug in provider '{provider}': {type(error).__name__}: {error}", Reason.PROVIDER_BUG)
