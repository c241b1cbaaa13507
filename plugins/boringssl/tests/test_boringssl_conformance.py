# SPDX-License-Identifier: Apache-2.0
"""Provider and engine pass what every one of them must pass; so does either end beside one of OpenSSL."""

from __future__ import annotations

from pathlib import Path

import tlshub_capture_boringssl
import tlshub_capture_openssl

from tlshub_core.api import Identity, events
from tlshub_core.peering.dial import EngineFactory
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.engine import TlsEngineConformance
from tlshub_core.testing.exchanges import agreed
from tlshub_core.testing.pair import Pair
from tlshub_core.testing.provider import KeyProviderConformance


class TestBoringSsl(KeyProviderConformance):
    spec = next(iter(tlshub_capture_boringssl.tlshub_key_providers()))
    supports = ("installed", "promises")

    def test_name(self) -> None:
        assert self.spec.name == "boringssl"


class TestWithOpenSslsNode(TestBoringSsl):
    """The other node has the other library, and answers for this one's name."""

    other = next(iter(tlshub_capture_openssl.tlshub_key_providers()))

    def make_pair(self, folder: Path) -> Pair:
        pair = super().make_pair(folder)
        pair.server = self.other.factory(self.other.config(**self.options(str(pairs.SERVER_NODE.address))))
        return pair


class TestWithOpenSslsNodeAsking(TestWithOpenSslsNode):
    spec, other = TestWithOpenSslsNode.other, TestWithOpenSslsNode.spec

    def test_name(self) -> None:
        assert self.spec.name == "openssl"

    def test_each_node_tells_its_own_library(self, tmp_path: Path) -> None:
        async def test(pair: Pair) -> None:
            await agreed(pair, *pairs.flows(40_001))
            for agent, spec in ((pair.client_agent, self.spec), (pair.server_agent, self.other)):
                assert spec.library is not None
                assert [up.library for up in agent.said(events.SessionUp)] == [spec.library()]

        self.run(tmp_path, test)


class TestEngine(TlsEngineConformance):
    def engines(self, who: Identity) -> EngineFactory:
        return tlshub_capture_boringssl.engines(who)


class TestDialsOpenSsl(TestEngine):
    def listening(self, who: Identity) -> EngineFactory:
        return tlshub_capture_openssl.engines(who)


class TestIsDialledByOpenSsl(TestEngine):
    def engines(self, who: Identity) -> EngineFactory:
        return tlshub_capture_openssl.engines(who)

    def listening(self, who: Identity) -> EngineFactory:
        return tlshub_capture_boringssl.engines(who)
