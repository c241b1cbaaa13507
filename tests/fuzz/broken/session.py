# SPDX-License-Identifier: Apache-2.0
"""The target 'session' against a listening end with a fault: it does not ask whose the client's address is.

No seed shows it: the fuzzer has to come upon it.
"""

from __future__ import annotations

from tests.fuzz.targets.session import TARGET
from tlshub_core.peering.answering import Answers
from tlshub_core.types.flow import Tuple4

__all__ = ["TARGET"]


def _trusting(self: Answers, tuple4: Tuple4) -> None:
    """Everybody speaks for every address."""


Answers._check_origin = _trusting  # type: ignore[method-assign]
