# SPDX-License-Identifier: Apache-2.0
"""What every key provider must pass: subclass `KeyProviderConformance`, name it `Test…`, and set `spec`.

A provider that does not talk to another agent on loopback overrides `make_pair`.
"""

from __future__ import annotations

import asyncio
from socket import AF_INET6

import pytest

from tlshub_core.testing import pair as pairs
from tlshub_core.testing.conformance import check_probe, opt_in
from tlshub_core.testing.exchanges import ISNS, agreed, buffers, plain, prepared
from tlshub_core.testing.pair import Pair
from tlshub_core.testing.provider_giving_up import ProviderGivingUp
from tlshub_core.testing.provider_harness import LIMIT_S
from tlshub_core.testing.provider_promises import ProviderPromises
from tlshub_core.types.keys import Cipher

__all__ = ["LIMIT_S", "KeyProviderConformance"]

OTHER_CIPHER = Cipher.AES_GCM_256


class KeyProviderConformance(ProviderGivingUp, ProviderPromises):
    """Both ends get equal keys, no two flows the same, nothing shows them, everything can be given up.

    Features: 'promises' (the peer's agent is asked before `prepare` returns at the client), 'installed'; 'ipv6' and
    'passthrough' are tested where the spec says so.
    """

    def claimed(self) -> frozenset[str]:
        """What `supports` has, and what the spec says."""
        ipv6 = {"ipv6"} if AF_INET6 in self.spec.families else set()
        return super().claimed() | ipv6 | ({"passthrough"} if self.spec.passthrough else set())

    def test_spec_names_its_families(self) -> None:
        assert self.spec.families, "'families' says which connections the provider can serve; with none it is no use"

    def test_probe_answers_before_and_after_start(self) -> None:
        check_probe(asyncio.run(self.make_pair(self.folder / "a").client.probe()))

        async def test(pair: Pair) -> None:
            check_probe(await pair.client.probe())
            assert pair.client_agent.events == [], "'probe' has no side effects, this one reports events"

        self.run(self.folder / "b", test)

    def test_both_sides_get_equal_keys(self) -> None:
        async def test(pair: Pair) -> None:
            client, server = await agreed(pair, *pairs.flows(40_001))
            assert plain(client) == plain(server), "the two ends of a connection must get the same keys"

        self.run(self.folder, test)

    def test_no_two_flows_share_a_key(self) -> None:
        async def test(pair: Pair) -> None:
            keys = [await agreed(pair, *pairs.flows(port)) for port in (40_001, 40_002, 40_001)]
            seen = [bytes(way.key) for one, _ in keys for way in (one.client_to_server, one.server_to_client)]
            assert len(set(seen)) == 6, "a key is for one connection and one direction; a reused tuple gets new ones"

        self.run(self.folder, test)

    def test_the_keys_belong_to_who_gets_them(self) -> None:
        async def test(pair: Pair) -> None:
            one, other = await agreed(pair, *pairs.flows(40_001))
            later, _ = await agreed(pair, *pairs.flows(40_002))
            before = plain(other), plain(later)
            one.wipe()
            assert (plain(other), plain(later)) == before, "the core wipes what it got: buffers may not be shared"
            assert any(map(any, buffers(later))), "'keys' gives buffers of zeros"

        self.run(self.folder, test)

    def test_the_cipher_is_one_that_the_node_may_use(self) -> None:
        async def test(pair: Pair) -> None:
            pair.client_agent.ciphers = pair.server_agent.ciphers = (OTHER_CIPHER,)
            for keys in await agreed(pair, *pairs.flows(40_001)):
                assert keys.cipher is OTHER_CIPHER, f"the nodes' 'ciphers' has '{OTHER_CIPHER.label}' only"

        self.run(self.folder, test)

    def test_keys_are_not_in_any_repr(self) -> None:
        async def test(pair: Pair) -> None:
            pending, other = await prepared(pair, *pairs.flows(40_001))
            before = repr(pending)
            keys = await pending.keys(ISNS, None)
            shown = before + repr(pending) + repr(keys) + repr(pair.client) + repr(pair.client_agent.events)
            assert not _shows(shown, buffers(keys)), "key bytes are in a repr: 'field(repr=False)', or no dataclass"
            other.discard()

        self.run(self.folder, test)

    def test_keys_are_not_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        async def test(pair: Pair) -> None:
            for pending in await prepared(pair, *pairs.flows(40_001)):
                keys = await pending.keys(ISNS, None)
                assert not _shows(caplog.text, buffers(keys)), "key bytes are in the log"

        with caplog.at_level("DEBUG"):
            self.run(self.folder, test)

    @opt_in("ipv6")
    def test_ipv6_connections_get_equal_keys(self) -> None:
        async def test(pair: Pair) -> None:
            client, server = await agreed(pair, *pairs.flows(40_001, ipv6=True))
            assert plain(client) == plain(server), "'families' has AF_INET6, and its two ends get different keys"

        self.run(self.folder, test)


def _shows(text: str, parts: list[bytearray]) -> bool:
    """Whether a key is in the text, in hexadecimal or as Python writes bytes; short parts are found everywhere."""
    keys = [bytes(part) for part in parts if len(part) >= 16]
    return any(form in text for key in keys for form in (key.hex(), key.hex().upper(), repr(key)[2:-1]))
