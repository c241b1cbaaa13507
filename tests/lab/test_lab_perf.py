# SPDX-License-Identifier: Apache-2.0
"""Agents whose events come by perf buffers, as on kernels without a ring buffer, do what the others do; also where a
program tells that the agent calls: of a connection that is left alone, and of a worn key.
"""

from __future__ import annotations

import pytest

from tests.lab import test_lab_passthrough as passthrough
from tests.lab import test_lab_wear as wear
from tests.lab.kit.bcc import PERF, needs_bcc
from tests.lab.kit.node import Node
from tests.lab.kit.own_tls import Site
from tests.lab.kit.ports import Ports
from tests.lab.kit.wire import Wire
from tests.lab.test_lab_echo import (
    test_bytes_arrive_and_none_is_in_clear,
    test_what_is_only_preferred_is_secured_too_and_what_is_observed_is_reported,
)
from tests.lab.test_lab_passthrough import site

BOTH = {**PERF, **passthrough.OWN_TLS}
SAYS = {**BOTH, "keys.limit_records": str(wear.SAID)}
ENDS = {**BOTH, "keys.limit": '"close"', "keys.limit_records": str(wear.ENDED)}
pytestmark = [pytest.mark.agents(node_a=SAYS, node_b=ENDS), needs_bcc]
__all__ = (
    "site",
    "test_bytes_arrive_and_none_is_in_clear",
    "test_what_is_only_preferred_is_secured_too_and_what_is_observed_is_reported",
)


def test_the_agents_say_by_what_their_events_come(node_a: Node, node_b: Node) -> None:
    for node in (node_a, node_b):
        assert "; events by perf buffers" in node.agent.log


def test_a_connection_is_left_alone(node_a: Node, node_b: Node, wire: Wire, site: Site) -> None:
    passthrough.test_the_tls_of_programs_that_block_is_left_alone(node_a, node_b, wire, site)


def test_a_worn_key_is_told(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes) -> None:
    wear.test_a_worn_key_is_said_and_then_its_connection_ends(node_a, node_b, wire, ports, marker)
