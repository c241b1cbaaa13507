# SPDX-License-Identifier: Apache-2.0
"""What every TLS engine under the peering must pass: subclass `TlsEngineConformance`, name it `Test…`.

Override `engines`; and `listening` too, to have the other end made of another library.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from tlshub_core.peering import exporter, identity
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.ends import ALL, Ends
from tlshub_core.testing.engine_peers import EnginePeers
from tlshub_core.testing.plain_client import PlainClient
from tlshub_core.types.errors import Refused

SIZES = (1, 1000, 16_384, 16_385, 300_000)
CONTEXTS = (b"", b"context", bytes(300))


class TlsEngineConformance(EnginePeers):
    """Engines complete a handshake however it is cut, agree on secrets, carry data, and fail for a stated reason."""

    @pytest.mark.parametrize("chunk", [1, 7, 100, 1500, ALL])
    def test_handshake_in_any_fragmentation(self, tmp_path: Path, chunk: int) -> None:
        ends = self.ends(tmp_path).handshake(chunk)
        assert identity.check(ends.client.peer_certificate(), pairs.TRUST_DOMAIN) == "node-b"
        assert identity.check(ends.server.peer_certificate(), pairs.TRUST_DOMAIN) == "node-a"

    def test_the_server_is_not_done_before_the_client_has_shown_who_it_is(self, tmp_path: Path) -> None:
        ends = self.ends(tmp_path)
        ends.server.feed(ends.client.drain())
        assert not ends.server.done()
        ends.client.feed(ends.server.drain())
        assert ends.client.done() and not ends.server.done()

    def test_exporter_is_equal_on_both_ends(self, tmp_path: Path) -> None:
        ends, seen = self.ends(tmp_path).handshake(), set()
        for label in (exporter.LABEL, b"EXPORTER-other"):
            for context in CONTEXTS:
                for size in (16, 64, 96):
                    one, two = (end.export(label, context, size) for end in (ends.client, ends.server))
                    assert one == two
                    assert isinstance(one, bytearray) and len(one) == size
                    seen.add(bytes(one))
        assert len(seen) == 18

    def test_interleaved_sessions_have_secrets_of_their_own(self, tmp_path: Path) -> None:
        who = pairs.identities(tmp_path, 4646)
        dial, listen = self.engines(who[0]), self.listening(who[1])
        many = [Ends(client=dial(False), server=listen(True)) for _ in range(3)]
        for step in (Ends.client_to_server, Ends.server_to_client, Ends.client_to_server):
            for ends in many:
                step(ends)
        secrets = [[bytes(end.export(b"x", b"", 32)) for end in (ends.client, ends.server)] for ends in many]
        assert all(one == two for one, two in secrets)
        assert len({one for one, _ in secrets}) == 3

    @pytest.mark.parametrize("size", SIZES)
    def test_data_arrives_both_ways_in_any_fragmentation(self, tmp_path: Path, size: int) -> None:
        for chunk in (997, ALL):
            ends, data = self.ends(tmp_path).handshake(), bytes(at % 251 for at in range(size))
            ends.client.write(data)
            ends.server.write(data[::-1])
            ends.carry(chunk)
            assert ends.read("server") == data
            assert ends.read("client") == data[::-1]
            assert ends.read("client") == b""

    def test_data_right_behind_the_handshake_is_not_lost(self, tmp_path: Path) -> None:
        ends = self.ends(tmp_path)
        ends.client_to_server()
        ends.server_to_client()
        ends.client.write(b"early")
        ends.client_to_server()
        assert ends.server.done()
        assert ends.read("server") == b"early"

    def test_what_is_sent_is_not_in_clear(self, tmp_path: Path) -> None:
        ends = self.ends(tmp_path).handshake()
        ends.client.write(b"marker" * 10)
        assert b"marker" not in ends.client.drain()

    def test_a_damaged_record_ends_the_session(self, tmp_path: Path) -> None:
        ends = self.ends(tmp_path).handshake()
        ends.client.write(b"data")
        record = bytearray(ends.client.drain())
        record[-1] ^= 1
        ends.server.feed(bytes(record))
        assert ends.read("server") == b""
        assert "server" in ends.refused
        ends.carry()
        ends.read("client")
        assert "client" in ends.refused, "the other end was sent no alert"
        for end in (ends.client, ends.server):
            with suppress(Refused):  # some libraries go on to send; nothing else may come of it
                end.write(b"more")

    def test_sessions_are_not_resumed(self, tmp_path: Path) -> None:
        who, earlier = pairs.identities(tmp_path, 4646), None
        listen = self.listening(who[1])
        for _ in range(2):
            client = PlainClient(who[0], earlier=earlier)
            ends = Ends(client=client, server=listen(True)).handshake()
            ends.server.write(b"data")
            ends.carry()
            assert ends.read("client") == b"data"
            assert not client.tls.session_reused
            assert identity.check(ends.server.peer_certificate(), pairs.TRUST_DOMAIN) == "node-a"
            earlier = client

    def test_an_orderly_end_is_no_error(self, tmp_path: Path) -> None:
        who = pairs.identities(tmp_path, 4646)
        client = PlainClient(who[0])
        ends = Ends(client=client, server=self.listening(who[1])(True)).handshake()
        client.write(b"last")
        client.close()
        ends.carry()
        assert [ends.read("server"), ends.read("server")] == [b"last", b""]
        assert not ends.refused

    def test_the_library_has_a_name_and_a_version(self, tmp_path: Path) -> None:
        ends = self.ends(tmp_path)
        for end in (ends.client, ends.server):
            assert any(char.isdigit() for char in end.library())
