# SPDX-License-Identifier: Apache-2.0
"""Which provider a flow gets, and what becomes of a provider's errors."""

from __future__ import annotations

import time
from ipaddress import IPv6Address
from socket import AF_INET
from uuid import uuid4

import pytest

from tlshub_core.pipeline.serving import Running
from tlshub_core.testing.node import MemoryNode
from tlshub_core.testing.scripted import Script, spec_of
from tlshub_core.types.errors import PluginError, Reason, Refused, TlshubError, Unavailable, Unsupported
from tlshub_core.types.flow import Address, Endpoint, Flow, Mode, Side


def flow_to(server: Address) -> Flow:
    client = Endpoint(address=IPv6Address("::1"), port=40_000)
    return Flow(
        id=uuid4(), cookie=1, side=Side.CLIENT, client=client, server=Endpoint(address=server, port=80), peer=None,
        rule="web", mode=Mode.REQUIRE, deadline_ns=0,
    )  # fmt: skip


async def test_the_rules_provider_goes_before_the_default() -> None:
    node, flow = MemoryNode(), flow_to(IPv6Address("2001:db8::1"))
    before = time.monotonic_ns()
    assert node.keys.providers_of(flow, None, before) == ("scripted",)
    assert node.keys.providers_of(flow, "special", before) == ("special",)
    node.serving.switch("another")
    assert node.keys.providers_of(flow, None, time.monotonic_ns()) == ("another",)
    assert node.keys.providers_of(flow, None, before) == ("scripted",), "it began before, and its SYN may be out"


@pytest.mark.parametrize("error", [KeyError("x"), TimeoutError(), OSError(5, "io"), AssertionError("never")])
async def test_a_foreign_exception_is_the_providers_bug_by_name(error: Exception) -> None:
    node = MemoryNode(script=Script(ask=False, prepare_error=error))
    with pytest.raises(Unavailable) as caught:
        await node.keys.prepare(flow_to(IPv6Address("2001:db8::1")), ["scripted"])
    assert caught.value.reason is Reason.PROVIDER_BUG
    assert "'scripted'" in str(caught.value)
    assert type(error).__name__ in str(caught.value)
    assert "scripted.py', line " in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "error", [Unavailable("x"), Unsupported("x"), Refused("x", Reason.PEER_REFUSED, by_peer=True), PluginError("x")]
)
async def test_an_error_of_the_contract_is_handed_on(error: TlshubError) -> None:
    node = MemoryNode(script=Script(ask=False, prepare_error=error))
    with pytest.raises(TlshubError) as caught:
        await node.keys.prepare(flow_to(IPv6Address("2001:db8::1")), ["scripted"])
    assert caught.value is error


async def test_a_family_that_the_provider_lacks_never_reaches_it() -> None:
    node = MemoryNode()
    spec = spec_of(node.provider, frozenset({AF_INET}))
    node.serving.running["scripted"] = Running.of(spec, node.provider)
    with pytest.raises(Unsupported, match="IPv6 is not supported by provider 'scripted'"):
        await node.keys.prepare(flow_to(IPv6Address("2001:db8::1")), ["scripted"])
    assert node.provider.steps == []


async def test_a_provider_that_is_not_running_is_named() -> None:
    with pytest.raises(Unavailable, match="'missing' does not run"):
        await MemoryNode().keys.prepare(flow_to(IPv6Address("2001:db8::1")), ["missing"])
