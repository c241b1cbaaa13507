# SPDX-License-Identifier: Apache-2.0
"""What every TLS engine must pass: peers that it must not trust."""

from __future__ import annotations

import random
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from tlshub_core.peering.authority import Authority
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.ends import Ends
from tlshub_core.testing.engine_files import Change, EngineFiles, expired, stranger
from tlshub_core.testing.plain_client import PlainClient
from tlshub_core.types.errors import Reason, Refused
from tlshub_core.types.interfaces import Identity, TlsEngine

NOISE = (
    b"GET / HTTP/1.1\r\n\r\n",
    b"SSH-2.0-x\r\n",
    bytes(5000),
    b"\x16\x03\x01\xff\xff" + bytes(70_000),
    random.Random(1).randbytes(5000),
)


class EnginePeers(EngineFiles):
    """Subclassed by `TlsEngineConformance`."""

    @pytest.mark.parametrize(
        ("change", "why", "alert"),
        [
            (stranger, "its (authority is not the one in 'ca'|signature is wrong)", "unknown ca|decrypt error"),
            (expired, "it has expired, renew it", "certificate expired"),
        ],
    )
    @pytest.mark.parametrize("bad", ["client", "server"])
    def test_a_bad_certificate_is_refused_and_the_other_end_told(
        self, tmp_path: Path, bad: str, change: Change, why: str, alert: str
    ) -> None:
        ends = self.ends(tmp_path, **{bad: change}).carry()
        ends.read(bad)
        good = "server" if bad == "client" else "client"
        assert set(ends.refused) == {"client", "server"}
        assert {error.reason for error in ends.refused.values()} == {Reason.PEER_UNVERIFIED}
        with pytest.raises(Refused, match=f"^the peer's certificate is refused: {why}$"):
            raise ends.refused[good]
        with pytest.raises(Refused, match=f"^the TLS session failed: .*({alert})"):
            raise ends.refused[bad]
        assert not (ends.server if good == "server" else ends.client).done()

    def test_a_client_without_a_certificate_is_refused(self, tmp_path: Path) -> None:
        self._turned_away(tmp_path, "return a certificate", certified=False)

    def test_an_older_version_is_refused(self, tmp_path: Path) -> None:
        self._turned_away(tmp_path, "unsupported protocol", newest=ssl.TLSVersion.TLSv1_2)

    def _turned_away(self, folder: Path, why: str, **how: object) -> None:
        who = pairs.identities(folder, 4646)
        client = PlainClient(who[0], **how)  # type: ignore[arg-type]
        ends = Ends(client=client, server=self.listening(who[1])(True)).carry()
        with pytest.raises(Refused, match=f"^the TLS session failed: .*{why}"):
            raise ends.refused["server"]
        assert not ends.server.done()

    def test_what_a_peer_sends_beside_its_certificate_is_not_taken_for_it(self, tmp_path: Path) -> None:
        def chained(who: Identity, folder: Path) -> Identity:
            other = Authority.load(folder / "ca.pem", folder / "ca-key.pem").issue("node-c", [_uri("node-c")])[0]
            own = who.cert.read_bytes()
            who.cert.write_bytes(own + other + who.ca.read_bytes())
            return who

        ends = self.ends(tmp_path, chained, chained).handshake()
        for end, node in ((ends.client, "node-b"), (ends.server, "node-a")):
            assert end.peer_certificate() == ssl.PEM_cert_to_DER_cert(_first((tmp_path / f"{node}.pem").read_text()))

    @pytest.mark.parametrize("noise", NOISE, ids=range(len(NOISE)))
    @pytest.mark.parametrize("server_side", [True, False])
    def test_noise_is_refused_and_completes_nothing(self, tmp_path: Path, noise: bytes, server_side: bool) -> None:
        ends = self.ends(tmp_path)
        end: TlsEngine = ends.server if server_side else ends.client
        with pytest.raises(Refused, match=r"^the TLS session failed: [a-z]"):
            end.feed(noise)
        assert not end.done()

    @pytest.mark.parametrize("flight", [0, 1, 2])
    def test_a_handshake_that_was_tampered_with_never_completes(self, tmp_path: Path, flight: int) -> None:
        who = pairs.identities(tmp_path, 4646)
        dial, listen, chance = self.engines(who[0]), self.listening(who[1]), random.Random(flight)
        for _ in range(20):
            ends = Ends(client=dial(False), server=listen(True))
            for number in range(flight):
                ends.server_to_client() if number % 2 else ends.client_to_server()
            sender, receiver = (ends.server, ends.client) if flight % 2 else (ends.client, ends.server)
            with suppress(Refused):
                receiver.feed(_damaged(sender.drain(), chance))
            ends.carry()
            assert not (ends.client.done() and ends.server.done())


def _damaged(data: bytes, chance: random.Random) -> bytes:
    """One bit of it flipped, in what a TLS record of a handshake or of encrypted data carries."""
    places: list[int] = []
    at = 0
    while at < len(data):
        end = at + 5 + int.from_bytes(data[at + 3 : at + 5], "big")
        places += range(at + 5, end) if data[at] in (22, 23) else ()
        at = end
    damaged = bytearray(data)
    damaged[chance.choice(places)] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _uri(node: str) -> str:
    return f"spiffe://{pairs.TRUST_DOMAIN}/node/{node}"


def _first(pem: str) -> str:
    end = "-----END CERTIFICATE-----"
    return pem.partition(end)[0] + end
