# SPDX-License-Identifier: Apache-2.0
"""'wire' as it is called: what it prints, what its exit status says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from oracle.drops import statistics

from tests.unit.oracle.test_wire_keys import spoken
from tests.unit.oracle.wiretap import MARKER
from tests.unit.verifying.frames import Packet, Talk, pcap_of, record
from tests.unit.verifying.given import fresh, line

LAB = Path(__file__).parents[3] / "lab"
WORDS = "9 packets captured\n9 packets received by filter\n{} packets dropped by kernel\n"


def run(command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(LAB / command), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120)


def wire(pcap: Path, *arguments: object) -> tuple[int, dict[str, object]]:
    done = run("wire.py", "--pcap", pcap, *arguments, MARKER.decode())
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def pcap(tmp_path: Path) -> Path:
    talk = Talk()
    packets = talk.hello() + talk.stream(record(30) + MARKER, [20]) + talk.bye(35 + len(MARKER), 0)
    return written(tmp_path / "wire.pcap", packets)


def written(path: Path, packets: list[Packet]) -> Path:
    path.write_bytes(pcap_of(packet.frame for packet in packets))
    return path


def test_it_prints_the_counts(pcap: Path) -> None:
    status, body = wire(pcap)
    assert status == 0
    assert body == {
        "flows": 1,
        "packets": 8,
        "tls_records": 1,
        "clear_marker_hits": 1,
        "clear_payload_bytes": len(MARKER),
        "capture_drops": 0,
        "holes": 0,
    }


def test_it_lists_connections_and_chooses_ports(pcap: Path) -> None:
    assert [flow["server"] for flow in wire(pcap, "--flows")[1]["flow_list"]] == ["10.0.0.2:80"]  # type: ignore[attr-defined]
    assert wire(pcap, "--ports", "80,81")[1]["flows"] == 1
    assert wire(pcap, "--ports", "81")[0] == 1, "no connection is no verdict"
    assert wire(pcap, "--exclude", "4646,80")[0] == 1


def test_peering_is_left_out_unless_asked_for(tmp_path: Path) -> None:
    talk = Talk(server=("10.0.0.2", 4646))
    path = written(tmp_path / "wire.pcap", talk.hello() + talk.stream(MARKER))
    assert wire(path)[1]["flows"] == 0
    assert wire(path, "--exclude", "")[1]["clear_marker_hits"] == 1


@pytest.mark.parametrize(("dropped", "status"), [(0, 0), (3, 1)])
def test_what_tcpdump_dropped_counts(pcap: Path, dropped: int, status: int) -> None:
    Path(f"{pcap}.log").write_text("tcpdump: listening on x\n" + WORDS.format(dropped))
    assert (wire(pcap)[0], wire(pcap)[1]["capture_drops"]) == (status, dropped)


def test_a_hole_is_no_verdict(tmp_path: Path) -> None:
    talk = Talk()
    status, body = wire(written(tmp_path / "wire.pcap", [*talk.hello(), talk.says(10, b"x")]))
    assert (status, body["holes"]) == (1, 10)


def test_keys_open_what_was_sent(tmp_path: Path) -> None:
    talk, secrets = Talk(), fresh("aes-gcm-128")
    path = written(tmp_path / "wire.pcap", spoken(talk, "aes-gcm-128", secrets, MARKER * 50))
    (tmp_path / "keys").write_text(line(talk, "aes-gcm-128", secrets))
    keys = ("--keys", tmp_path / "keys")
    status, body = wire(path, *keys, *keys, "--plaintext", tmp_path / "plain")
    assert (status, body["clear_payload_bytes"], body["clear_marker_hits"]) == (0, 0, 0)
    assert [body[f"{name}"] for name in ("decrypted_records", "undecryptable_records", "foreign_key_hits")] == [4, 0, 0]
    assert (tmp_path / "plain" / "0.c2s").read_bytes() == (tmp_path / "plain" / "0.s2c").read_bytes() == MARKER * 50


@pytest.mark.parametrize(
    "arguments",
    [
        ["--pcap", "/nonexistent/file", "m"],
        ["--pcap", __file__, "m"],
        [""],
        [],
        ["--plaintext", "x", "m"],
        ["--ports", "a", "m"],
    ],
)
def test_a_wrong_call_is_said(arguments: list[str]) -> None:
    done = run("wire.py", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "wire" in done.stderr


def test_words_of_tcpdump_are_read_in_both_forms(tmp_path: Path) -> None:
    both = "tcpdump: 4 packets captured, 5 packets received by filter, 1 packet dropped by kernel\n" + WORDS.format(2)
    (tmp_path / "a.log").write_text(
        both + "7 packets captured\n8 packets received by filter\n0 packets dropped by kernel\n"
    )
    with (tmp_path / "a.log").open("a") as words:
        words.write("1 packet dropped by interface\n")
    assert [(s.captured, s.received, s.dropped) for s in statistics(tmp_path / "a")] == [
        (4, 5, 1),
        (9, 9, 2),
        (7, 8, 1),
    ]
    assert statistics(tmp_path / "b") == []
