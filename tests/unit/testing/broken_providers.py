# SPDX-License-Identifier: Apache-2.0
"""Key providers that each break what one conformance test wants about keys and probes."""

from __future__ import annotations

import logging
from itertools import count
from socket import socket

from tests.unit.testing.sound import Sound
from tlshub_core.api import Cipher, Flow, FlowKeys, Isns, Level, Probe, Tuple4
from tlshub_core.testing import DeterministicProvider
from tlshub_core.testing.deterministic_keys import DeterministicPending, deterministic_keys


class TestNoRemedy(Sound):
    breaks = "test_probe_answers_before_and_after_start"

    class Provider(DeterministicProvider):
        async def probe(self) -> Probe:
            return Probe(level=Level.FAILED, message="no")


class TestProbeFailsBeforeStart(Sound):
    breaks = "test_probe_answers_before_and_after_start"

    class Provider(DeterministicProvider):
        async def probe(self) -> Probe:
            self.running()
            return await super().probe()


class TestDifferentKeys(Sound):
    breaks = "test_both_sides_get_equal_keys"
    also = ("test_prepare_can_be_cancelled", "test_ipv6_connections_get_equal_keys")

    class Provider(DeterministicProvider):
        def offer(self, tuple4: Tuple4, pending: DeterministicPending) -> None:
            super().offer(tuple4, DeterministicPending(next(self.meeting.numbers), pending._cipher))


class TestOnlyIpv4(Sound):
    breaks = "test_ipv6_connections_get_equal_keys"

    class Provider(DeterministicProvider):
        async def prepare(self, flow: Flow) -> DeterministicPending:
            pending = await super().prepare(flow)
            return (
                DeterministicPending(id(pending), Cipher.AES_GCM_128) if flow.client.address.version == 6 else pending
            )


class TestSameKeysForAReusedTuple(Sound):
    breaks = "test_no_two_flows_share_a_key"

    class Provider(DeterministicProvider):
        async def promise(self, flow: Flow) -> tuple[int, Cipher]:
            self.meeting.numbers = count(flow.client.port)
            return await super().promise(flow)


class TestOneBufferForBothEnds(Sound):
    breaks = "test_the_keys_belong_to_who_gets_them"

    class Provider(DeterministicProvider):
        shared: dict[int, FlowKeys] = {}  # noqa: RUF012 - shared is what is wrong with it

        async def prepare(self, flow: Flow) -> DeterministicPending:
            pending, shared = await super().prepare(flow), self.shared

            class Shared(DeterministicPending):
                async def keys(self, isns: Isns, sock: socket | None) -> FlowKeys:
                    number = self._number
                    made = await super().keys(isns, sock)
                    return shared.setdefault(number or 0, made)

            shared.clear()
            return Shared(pending._number or 0, pending._cipher)


class TestItsOwnCipher(Sound):
    breaks = "test_the_cipher_is_one_that_the_node_may_use"

    class Provider(DeterministicProvider):
        async def prepare(self, flow: Flow) -> DeterministicPending:
            return DeterministicPending((await super().prepare(flow))._number or 0, Cipher.AES_GCM_128)


class TestKeysInARepr(Sound):
    breaks = "test_keys_are_not_in_any_repr"

    class Provider(DeterministicProvider):
        async def prepare(self, flow: Flow) -> DeterministicPending:
            pending = await super().prepare(flow)
            return Shown(pending._number or 0, pending._cipher)


class Shown(DeterministicPending):
    """As a dataclass would have it."""

    def __repr__(self) -> str:
        return f"<{self.shown!r}>"

    @property
    def shown(self) -> bytearray:
        """What is shown, also when it was given."""
        return deterministic_keys(self._number or 0, self._cipher).server_to_client.key


class TestKeysInTheLog(Sound):
    breaks = "test_keys_are_not_in_the_log"

    class Provider(DeterministicProvider):
        async def prepare(self, flow: Flow) -> DeterministicPending:
            pending = await super().prepare(flow)
            keys = deterministic_keys(pending._number or 0, pending._cipher)
            logging.getLogger("broken").debug("derived %s", keys.client_to_server.key.hex())
            return pending
