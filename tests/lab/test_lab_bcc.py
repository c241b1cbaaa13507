# SPDX-License-Identifier: Apache-2.0
"""Programs that bcc compiled hold and release as the others do: some of the lab's tests, with agents of that backend.

`LAB_BACKEND=bcc tests/lab/run` runs all of them so. What bcc made is brought along (lab/bcc): in an emulated machine it
would be compiled for minutes.
"""

from __future__ import annotations

import pytest

from tests.lab.kit.bcc import BCC, needs_bcc
from tests.lab.kit.node import Node
from tests.lab.test_lab_echo import (
    test_bytes_arrive_and_none_is_in_clear,
    test_what_is_only_preferred_is_secured_too_and_what_is_observed_is_reported,
)

pytestmark = [pytest.mark.agents(node_a=BCC, node_b=BCC), needs_bcc]
__all__ = (
    "test_bytes_arrive_and_none_is_in_clear",
    "test_what_is_only_preferred_is_secured_too_and_what_is_observed_is_reported",
)


def test_the_agents_say_whose_programs_they_are(node_a: Node, node_b: Node) -> None:
    for node in (node_a, node_b):
        assert "Capture backend: bcc (compiled by bcc for '" in node.agent.log
