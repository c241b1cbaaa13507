# SPDX-License-Identifier: Apache-2.0
"""What a provider agreed on with the peer for one flow, and what becomes of its bugs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tlshub_core.types.errors import Reason, TlshubError, Unavailable
from tlshub_core.types.flow import Isns
from tlshub_core.types.interfaces import Pending
from tlshub_core.types.keys import FlowKeys
from tlshub_core.wording import raised

_log = logging.getLogger("tlshub.connection")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was agreed, and with whose help."""

    provider: str
    pending: Pending

    async def keys(self, isns: Isns) -> FlowKeys:
        """Have them made; raises TimeoutError or a TlshubError, with Reason.PROVIDER_BUG where the provider broke."""
        with blamed(self.provider, (TlshubError, TimeoutError)):
            keys = await self.pending.keys(isns, None)
        if not isinstance(keys, FlowKeys):
            raise _bug(self.provider, f"keys() returned '{type(keys).__name__}'")
        return keys

    def discard(self) -> None:
        """Forget it; a bug in that is logged: keys that were given must still be wiped."""
        try:
            self.pending.discard()
        except Exception as error:  # noqa: BLE001 - see above
            _log.error("discard failed: %s", _raised(self.provider, error))


@contextmanager
def blamed(provider: str, known: tuple[type[Exception], ...] = (TlshubError,)) -> Iterator[None]:
    """Meanwhile what the provider raises that is not `known` comes out as Unavailable, named as its bug.

    That has no cause: whoever shows one shows its words.
    """
    try:
        yield
    except known:
        raise
    except Exception as error:  # noqa: BLE001 - said, and its way logged, without its words
        raise _raised(provider, error) from None


def _raised(provider: str, error: Exception) -> Unavailable:
    found = _bug(provider, raised(error))
    _log.debug("provider '%s' raised", provider, exc_info=(type(found), found, error.__traceback__))
    return found


def _bug(provider: str, what: str) -> Unavailable:
    return Unavailable(f"bug in provider '{provider}': {what}", Reason.PROVIDER_BUG)
