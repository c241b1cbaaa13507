# SPDX-License-Identifier: Apache-2.0
"""Certificates that we make, and certificates that we refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tlshub_core.peering import identity, pki
from tlshub_core.peering.authority import Authority
from tlshub_core.peering.probe import check_identity
from tlshub_core.types.errors import ConfigError, Reason, Refused
from tlshub_core.types.interfaces import Identity, Level

DOMAIN = "example.org"
GOOD = "spiffe://example.org/node/node-a"


def der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def who(folder: Path, node: str = "node-a") -> Identity:
    cert, key = folder / f"{node}.pem", folder / f"{node}-key.pem"
    return Identity(node=node, trust_domain=DOMAIN, port=4646, cert=cert, key=key, ca=folder / "ca.pem")


def test_init_makes_files_that_pass(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    written = pki.init(folder, DOMAIN, ["node-a", "node-b"])
    names = {"ca.pem", "ca-key.pem", "node-a.pem", "node-a-key.pem", "node-b.pem", "node-b-key.pem"}
    assert {path.name for path in written} == names == {path.name for path in folder.iterdir()}
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*-key.pem")} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    for node in ("node-a", "node-b"):
        assert identity.check(der((folder / f"{node}.pem").read_bytes()), DOMAIN) == node
        assert check_identity(who(folder, node)).level is Level.OK


def test_nodes_can_be_added_and_nothing_is_overwritten(tmp_path: Path) -> None:
    pki.init(tmp_path, DOMAIN, ["node-a"])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    written = pki.init(tmp_path, DOMAIN, ["node-a", "node-b"])
    assert {path.name for path in written} == {"node-b.pem", "node-b-key.pem"}
    assert all((tmp_path / name).read_bytes() == data for name, data in before.items())
    assert check_identity(who(tmp_path, "node-b")).level is Level.OK


def test_a_new_authority_only_when_asked(tmp_path: Path) -> None:
    pki.init(tmp_path, DOMAIN, ["node-a"])
    before = (tmp_path / "ca.pem").read_bytes()
    pki.init(tmp_path, DOMAIN, ["node-a"], new_ca=True)
    assert (tmp_path / "ca.pem").read_bytes() != before
    assert check_identity(who(tmp_path)).level is Level.OK


def test_init_refuses_what_is_in_the_way(tmp_path: Path) -> None:
    pki.init(tmp_path, DOMAIN, ["node-a"])
    with pytest.raises(ConfigError, match=r"ca\.pem': this authority is not of the trust domain 'other\.org'"):
        pki.init(tmp_path, "other.org", ["node-b"])
    (tmp_path / "node-a-key.pem").unlink()
    with pytest.raises(ConfigError, match="one of certificate and key is missing"):
        pki.init(tmp_path, DOMAIN, ["node-a"])
    (tmp_path / "ca-key.pem").unlink()
    with pytest.raises(ConfigError, match="the authority cannot be read"):
        pki.init(tmp_path, DOMAIN, ["node-c"])


@pytest.mark.parametrize("node", ["", "a/b", "..", "a b", "ca", "n\n", "x" * 254])
def test_bad_node_names(tmp_path: Path, node: str) -> None:
    with pytest.raises(ConfigError):
        pki.init(tmp_path / "none", DOMAIN, [node])
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("uris", "days", "message"),
    [
        ([], 1, "the certificate has 0 URI names, exactly one is needed"),
        ([GOOD, "spiffe://example.org/node/node-b"], 1, "the certificate has 2 URI names"),
        (["spiffe://example.com/node/node-a"], 1, "of the trust domain 'example.com', not of 'example.org'"),
        (["https://example.org/node/node-a"], 1, "does not begin with 'spiffe://'"),
        (["spiffe://example.org/pod/node-a"], 1, "is not 'spiffe://example.org/node/'"),
        (["spiffe://example.org/node/"], 1, "is not 'spiffe://example.org/node/'"),
        (["spiffe://example.org/node/a/b"], 1, "is not 'spiffe://example.org/node/'"),
        (["spiffe://example.org/node/.."], 1, "is not 'spiffe://example.org/node/'"),
        (["spiffe://example.org/node/a?x"], 1, "is not 'spiffe://example.org/node/'"),
        (["spiffe://example.org/node/%61"], 1, "is not 'spiffe://example.org/node/'"),
        (["spiffe://example.org"], 1, "is not 'spiffe://example.org/node/'"),
        (["spiffe://u@example.org/node/a"], 1, "of the trust domain 'u@example.org'"),
        (["spiffe://example.org:1/node/a"], 1, "of the trust domain 'example.org:1'"),
        (["SPIFFE://example.org/node/a"], 1, "does not begin with 'spiffe://'"),
        ([GOOD], -1, "the certificate expired at"),
    ],
)
def test_certificates_that_are_refused(uris: list[str], days: int, message: str) -> None:
    pem, _ = Authority.create(DOMAIN).issue("node", uris, days)
    with pytest.raises(Refused) as caught:
        identity.check(der(pem), DOMAIN)
    assert message in str(caught.value)
    assert caught.value.reason is Reason.PEER_UNVERIFIED
    assert not caught.value.by_peer


def test_noise_is_refused() -> None:
    for noise in (b"", b"\x30", bytes(100)):
        with pytest.raises(Refused, match="cannot be read"):
            identity.check(noise, DOMAIN)


def test_a_certificate_of_the_future_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    import tlshub_core.peering.authority as made

    monkeypatch.setattr(made, "CLOCK_SKEW", timedelta(days=-1))
    pem, _ = Authority.create(DOMAIN).issue("node", [GOOD], 7)
    with pytest.raises(Refused, match="not yet; see the clocks"):
        identity.check(der(pem), DOMAIN)


def test_probe_tells_what_is_wrong(tmp_path: Path) -> None:
    pki.init(tmp_path, DOMAIN, ["node-a", "node-b"])
    pki.init(tmp_path / "other", DOMAIN, ["node-a"])
    mine, other = who(tmp_path), who(tmp_path / "other")
    cases = {
        "is of the node 'node-b', this node is 'node-a'": replace(
            mine, cert=who(tmp_path, "node-b").cert, key=who(tmp_path, "node-b").key
        ),
        "is not signed by the authority": replace(mine, ca=other.ca),
        "is not this certificate's": replace(mine, key=other.key),
        "No such file": replace(mine, key=tmp_path / "none"),
        "has no PEM certificate": replace(mine, cert=mine.key),
        "of the trust domain 'example.org', not of 'else.org'": replace(mine, trust_domain="else.org"),
    }
    for message, case in cases.items():
        probe = check_identity(case)
        assert probe.level is Level.FAILED
        assert message in probe.message
        assert probe.remedy


def test_probe_warns(tmp_path: Path) -> None:
    pki.init(tmp_path, DOMAIN, [])
    cert, key = Authority.load(tmp_path / "ca.pem", tmp_path / "ca-key.pem").issue("node-a", [GOOD], 6)
    (tmp_path / "node-a.pem").write_bytes(cert)
    (tmp_path / "node-a-key.pem").write_bytes(key)
    assert "expires at" in check_identity(who(tmp_path)).message
    pki.init(tmp_path, DOMAIN, ["node-a"], new_ca=True)
    (tmp_path / "node-a-key.pem").chmod(0o644)
    probe = check_identity(who(tmp_path))
    assert (probe.level, probe.remedy[:9]) == (Level.WARNING, "chmod 600")
