# SPDX-License-Identifier: Apache-2.0
"""Real records, sealed and opened: only the flow's own keys open them, and give back what was sent."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from oracle.verdict import Question, judge

from tests.unit.oracle.wiretap import judged
from tests.unit.verifying.frames import Packet, Talk, pcap_of, sealed
from tests.unit.verifying.given import SIZES, Secrets, fresh, line
from tlshub_core.verifying.decrypt import Opener
from tlshub_core.verifying.keyring import Keyring
from tlshub_core.verifying.keys import load
from tlshub_core.verifying.pcap import opened as open_pcap


def spoken(talk: Talk, cipher: str, secrets: tuple[Secrets, Secrets], content: bytes, size: int = 1000) -> list[Packet]:
    """Content sent and sent back, in records of that size."""
    packets = talk.hello()
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    for way, (key, nonce) in enumerate(secrets):
        records = b"".join(sealed(cipher, key, nonce, seq, part, padding=seq) for seq, part in enumerate(parts))
        packets += talk.stream(records, range(700, len(records), 700), way)
    return packets


def opened(tmp_path: Path, lines: list[str], packets: list[Packet]) -> Keyring:
    (tmp_path / "keys").write_text("".join(f"{one}\n" for one in lines))
    keyring = Keyring(load(tmp_path / "keys"))
    verdict = judged(pcap_of(packet.frame for packet in packets), keyring=keyring)
    assert sum(sum(found.clear) for found in verdict.findings) == 0
    return keyring


@pytest.mark.parametrize("cipher", SIZES)
def test_what_was_sent_comes_back_bit_for_bit(tmp_path: Path, cipher: str) -> None:
    content, secrets, talk = os.urandom(5500), fresh(cipher), Talk(client=("fd00::1", 9), server=("fd00:0::2", 80))
    (tmp_path / "keys").write_text(line(talk, cipher, secrets))
    keyring = Keyring(load(tmp_path / "keys"))
    plain: list[bytes] = []
    (tmp_path / "pcap").write_bytes(pcap_of(packet.frame for packet in spoken(talk, cipher, secrets, content)))
    with open_pcap(tmp_path / "pcap") as pcap:
        judge(pcap, Question(marker=b"x" * 20), keyring, lambda number, names, both: plain.extend(map(bytes, both)))
    assert plain == [content, content]
    assert (keyring.opened, keyring.failed, keyring.foreign) == (12, 0, 0)


def test_another_flows_keys_open_nothing(tmp_path: Path) -> None:
    cipher, talk = "aes-gcm-128", Talk()
    keyring = opened(tmp_path, [line(talk, cipher, fresh(cipher))], spoken(talk, cipher, fresh(cipher), b"x" * 3000))
    assert (keyring.opened, keyring.failed, keyring.foreign) == (0, 6, 0)


def test_a_flow_without_keys_cannot_be_opened(tmp_path: Path) -> None:
    cipher, other = "aes-gcm-128", Talk(client=("10.0.0.1", 40001))
    keyring = opened(tmp_path, [line(other, cipher, fresh(cipher))], spoken(Talk(), cipher, fresh(cipher), b"x"))
    assert (keyring.opened, keyring.failed) == (0, 2)


def test_a_wrong_record_number_is_seen(tmp_path: Path) -> None:
    cipher, talk, secrets = "aes-gcm-128", Talk(), fresh("aes-gcm-128")
    records = [sealed(cipher, *secrets[0], seq, b"x") for seq in (0, 1, 1, 3)]
    packets = talk.hello() + talk.stream(b"".join(records))
    keyring = opened(tmp_path, [line(talk, cipher, secrets)], packets)
    assert (keyring.opened, keyring.failed) == (3, 1)


def test_a_key_that_was_used_twice_is_seen(tmp_path: Path) -> None:
    cipher, one, two = "aes-gcm-128", Talk(), Talk(client=("10.0.0.1", 40001))
    both = fresh(cipher)
    packets = spoken(one, cipher, both, b"x") + spoken(two, cipher, both, b"x")
    lines = [line(one, cipher, fresh(cipher)), line(two, cipher, both)]
    assert opened(tmp_path, lines, packets).foreign == 2, "the first flow's records open with the second's keys"
    lines = [line(one, cipher, both), line(two, cipher, both)]
    assert opened(tmp_path, lines, packets).foreign == 4, "both were logged, with the same keys"
    assert opened(tmp_path, [line(one, cipher, both)] * 2, spoken(one, cipher, both, b"x")).foreign == 0, "logged twice"
    same_both_ways = (both[0], both[0])
    lines = [line(one, cipher, both)]
    assert opened(tmp_path, lines, spoken(one, cipher, same_both_ways, b"x")).failed == 1


def test_flows_that_followed_each_other_have_their_own_keys(tmp_path: Path) -> None:
    cipher, one, two = "aes-gcm-256", Talk(), Talk(isns=(99_999, 88_888))
    first, second = fresh(cipher), fresh(cipher)
    packets = spoken(one, cipher, first, b"x" * 3000) + spoken(two, cipher, second, b"y" * 3000)
    lines = [line(two, cipher, second), line(one, cipher, first)]
    keyring = opened(tmp_path, lines, packets)
    assert (keyring.opened, keyring.failed, keyring.foreign) == (12, 0, 0)


def test_records_of_other_kinds_are_opened_and_no_content(tmp_path: Path) -> None:
    cipher, secrets, talk = "aes-gcm-128", fresh("aes-gcm-128"), Talk()
    (tmp_path / "keys").write_text(line(talk, cipher, secrets))
    opener = Opener(load(tmp_path / "keys")[0].directions[0])
    alert = sealed(cipher, *secrets[0], 0, b"\1\0", kind=21)
    empty = sealed(cipher, *secrets[0], 1, b"", padding=7)
    last = sealed(cipher, *secrets[0], 2, b"end\0\0", padding=3)
    assert [opener.open(one) for one in (alert, empty, last)] == [b"", b"", b"end\0\0"]
    assert (opener.opened, opener.failed) == (3, 0)


def test_a_number_to_begin_with_is_kept(tmp_path: Path) -> None:
    cipher, secrets, talk = "aes-gcm-128", fresh("aes-gcm-128"), Talk()
    body = json.loads(line(talk, cipher, secrets))
    body["c2s"]["rec_seq"] = (2**40).to_bytes(8, "big").hex()
    (tmp_path / "keys").write_text(json.dumps(body))
    opener = Opener(load(tmp_path / "keys")[0].directions[0])
    sent = sealed(cipher, *secrets[0], 2**40, b"x")
    assert opener.open(sent) == b"x"


def test_a_line_without_its_end_is_passed_over(tmp_path: Path) -> None:
    good = line(Talk(), "aes-gcm-128", fresh("aes-gcm-128"))
    for torn in (good[:-1], good[:30], "{"):
        (tmp_path / "keys").write_text(f"{good}\n{torn}\n{good}\n{torn}")
        assert len(load(tmp_path / "keys")) == 2


@pytest.mark.parametrize(
    "wrong",
    ["", "{}", "[]", "null", '{"client": "x"}', "{]}", "short", "odd", "no cipher"],
    ids=lambda text: text or "-",
)
def test_a_wrong_line_is_named_and_not_shown(tmp_path: Path, wrong: str) -> None:
    good = line(Talk(), "aes-gcm-128", fresh("aes-gcm-128"))
    body = json.loads(good)
    secret = body["c2s"]["key"]
    bad = {
        "short": json.dumps(body | {"c2s": body["c2s"] | {"key": secret[:-2]}}),
        "odd": json.dumps(body | {"c2s": body["c2s"] | {"key": secret[:-1]}}),
        "no cipher": json.dumps(body | {"cipher": "none"}),
    }.get(wrong, wrong)
    (tmp_path / "keys").write_text(f"{good}\n{bad}\n")
    with pytest.raises(ValueError, match=r"keys', line 2: no keys of a flow") as caught:
        load(tmp_path / "keys")
    assert secret[:8] not in str(caught.value)
    assert secret[:8] not in repr(load_first(tmp_path, good))


def load_first(tmp_path: Path, good: str) -> object:
    (tmp_path / "good").write_text(good)
    return load(tmp_path / "good")
