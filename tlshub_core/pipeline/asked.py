# SPDX-License-Identifier: Apache-2.0
"""What a provider agreed on with the peer for one flow, and what becomes of its bugs."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tlshub_core.types.errors import Reason, Unavailable
from tlshub_core.types.interfaces import Pending

_log = logging.getLogger("tlshub.connection")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was agreed, and with whose help."""

    provider: str
    pending: Pending

    def discard(self) -> None:
        """Forget it; a bug in that is logged with its trace: keys that were given must still be wiped."""
        try:
            self.pending.discard()
        except Exception:  # noqa: BLE001 - see above
            _log.exception("bug in provider '%s': discard failed", self.provider)


def bug(provider: str, error: Exception) -> Unavailable:
    """What becomes of an exception that the contract does not know: that flow's failure, named as the plugin's bug."""
    return Unavailable(f"bug in provider '{provider}': {type(error).__name__}: {error}", Reason.PROVIDER_BUG)
