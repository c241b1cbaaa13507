# SPDX-License-Identifier: Apache-2.0
"""'verify' of a capture: its verdict, its words, its exit status."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.unit.verifying.frames import Packet, Talk, pcap_of, record
from tests.unit.verifying.given import HELLO, own_tls, secured, spoken
from tlshub_core.cli.main import main


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["verify", *map(str, words)])


def written(path: Path, packets: Iterable[Packet]) -> Path:
    path.write_bytes(pcap_of(packet.frame for packet in packets))
    return path


def judged(tmp_path: Path, packets: Iterable[Packet], *words: object) -> tuple[int, dict[str, Any]]:
    """The exit status, and the document."""
    result = run("--read", written(tmp_path / "wire.pcap", packets), "--json", *words)
    assert result.exit_code in (0, 1), result.output
    return result.exit_code, json.loads(result.stdout)


def only(document: dict[str, Any]) -> dict[str, Any]:
    (found,) = document["findings"]
    return dict(found)


def test_records_from_the_first_byte_are_encrypted(tmp_path: Path) -> None:
    status, document = judged(tmp_path, secured(Talk()))
    assert (status, document["answer"], document["connections"]["encrypted"]) == (0, "encrypted", 1)
    assert only(document)["client_sent"] == {"size": 75, "records": 3, "clear": 0, "again": 0, "ranges": []}
    shown = run("--read", tmp_path / "wire.pcap")
    assert (shown.exit_code, shown.stdout.splitlines()[-1].partition(":")[0]) == (0, "verdict")
    assert "each payload byte was in a TLS record" in shown.stdout


def test_what_was_in_clear_is_named_by_direction_and_offset(tmp_path: Path) -> None:
    talk = Talk()
    packets = spoken(talk, b"GET /" + 2 * record(30) + b"x", record(9) + b"HTTP/1.1 200")
    status, document = judged(tmp_path, packets)
    assert (status, document["answer"], only(document)["outcome"]) == (1, "clear", "clear")
    assert only(document)["client_sent"]["ranges"] == [[0, 5], [75, 1]]
    assert only(document)["server_sent"]["ranges"] == [[14, 12]]
    shown = run("--read", tmp_path / "wire.pcap")
    assert (shown.exit_code, "6 in clear: 5 at 0, 1 at 75" in shown.stdout) == (1, True)
    assert "12 in clear: 12 at 14" in shown.stdout


def test_a_connection_whose_start_was_not_seen_is_unknown(tmp_path: Path) -> None:
    whole = secured(Talk())
    for packets in (whole[3:], whole[1:], [whole[0], *whole[2:]]):
        status, document = judged(tmp_path, packets)
        assert (status, document["answer"], only(document)["outcome"]) == (1, "unknown", "unknown")
        assert only(document)["why"] == "not seen from its start"


def test_what_the_capture_lacks_is_unknown_and_never_encrypted(tmp_path: Path) -> None:
    whole = secured(Talk())
    for lost in range(3, 6):
        status, document = judged(tmp_path, whole[:lost] + whole[lost + 1 :])
        assert (status, only(document)["outcome"]) == (1, "unknown")
        assert "bytes were not captured" in only(document)["why"]
    cut = pcap_of(packet.frame for packet in whole)[:-1]
    (tmp_path / "cut").write_bytes(cut)
    assert run("--read", tmp_path / "cut").exit_code == 1
    assert "the capture lost 1 packets" in run("--read", tmp_path / "cut").stdout


def test_clear_bytes_are_clear_whatever_else_is_missing(tmp_path: Path) -> None:
    talk = Talk()
    packets = [*talk.hello(), talk.says(0, b"GET / HTTP/1.1"), talk.says(100, record(5))]
    assert judged(tmp_path, packets)[1]["answer"] == "clear"


def test_bytes_that_were_sent_again_differently_are_clear(tmp_path: Path) -> None:
    talk = Talk()
    packets = spoken(talk, record(40), record(40))
    packets.insert(5, talk.says(5, b"secret"))
    finding = only(judged(tmp_path, packets)[1])
    assert (finding["outcome"], finding["client_sent"]["again"], finding["client_sent"]["ranges"]) == ("clear", 6, [])


def test_no_payload_proves_nothing(tmp_path: Path) -> None:
    status, document = judged(tmp_path, Talk().hello())
    assert (status, document["answer"], document["connections"]["silent"]) == (1, "nothing", 1)
    assert judged(tmp_path, [])[1]["answer"] == "nothing"


def test_a_record_that_was_never_whole_proves_nothing(tmp_path: Path) -> None:
    talk = Talk()
    assert only(judged(tmp_path, [*talk.hello(), talk.says(0, record(50)[:20])])[1])["outcome"] == "unknown"


def test_rules_say_what_is_judged(tmp_path: Path, config: Path) -> None:
    ports = {80: "web", 81: "prefers", 82: None, 83: None, 4646: None, 9: None}
    talks = [Talk(client=("10.0.0.1", 40000 + port), server=("10.9.0.2", port)) for port in ports]
    packets = [packet for talk in talks for packet in secured(talk)]
    _, document = judged(tmp_path, packets, config)
    assert {one["server"]: one["rule"] for one in document["findings"]} == {
        f"10.9.0.2:{port}": rule for port, rule in ports.items() if rule
    }
    _, document = judged(tmp_path, packets, config, "--rule", "watched")
    assert [one["server"] for one in document["findings"]] == ["10.9.0.2:82"]
    _, document = judged(tmp_path, packets, config, "--ports", "81-82")
    assert [one["server"] for one in document["findings"]] == ["10.9.0.2:81"]


def test_a_rules_addresses_count_for_either_end(tmp_path: Path, config: Path) -> None:
    inside, outside = Talk(server=("10.9.0.2", 84)), Talk(client=("10.0.0.1", 40001), server=("10.8.0.2", 84))
    coming = Talk(client=("10.9.0.7", 40001), server=("10.0.0.1", 84))
    _, document = judged(tmp_path, [p for talk in (inside, outside, coming) for p in secured(talk)], config)
    assert {one["server"] for one in document["findings"]} == {"10.9.0.2:84", "10.0.0.1:84"}


def test_tls_of_the_applications_own_is_what_its_rule_makes_of_it(tmp_path: Path, config: Path) -> None:
    allowed, other = Talk(server=("10.9.0.2", 85)), Talk(server=("10.9.0.2", 80))
    status, document = judged(tmp_path, own_tls(allowed), config)
    assert (status, only(document)["outcome"], document["answer"]) == (0, "own-tls", "encrypted")
    status, document = judged(tmp_path, own_tls(other), config)
    assert (status, only(document)["outcome"]) == (1, "clear")
    assert only(document)["why"] == "the handshake of the application's own TLS"
    assert judged(tmp_path, spoken(allowed, HELLO + b"and then in clear", record(5)), config)[1]["answer"] == "clear"
    assert judged(tmp_path, spoken(allowed, HELLO + record(5), b"220 welcome"), config)[1]["answer"] == "clear"


def test_an_event_says_why_a_connection_is_in_clear(tmp_path: Path, config: Path) -> None:
    talk = Talk(server=("10.9.0.2", 81))
    flow = "00000000-0000-0000-0000-000000000007"
    begun = {"event": "Connecting", "flow": flow, "client": "10.0.0.1:40000", "server": "10.9.0.2:81"}
    ended = {"event": "ReleasedClear", "flow": flow, "reason": "no-agent", "detail": "nobody listens there"}
    lines = [
        json.dumps(begun),
        'no JSON "Connecting"',
        json.dumps(ended),
        '{"event":"ReleasedClear","flow":[]}',
        '{"ev',
    ]
    (tmp_path / "events").write_text("\n".join(lines))
    clear = spoken(talk, b"GET /", b"200 OK")
    _, document = judged(tmp_path, clear, config, "--events", tmp_path / "events")
    assert only(document)["why"] == "the agent released it in clear: no-agent, nobody listens there"
    _, document = judged(tmp_path, clear, config)
    assert "lets it go in clear where the other node's agent does not agree" in only(document)["why"]


def test_a_port_that_is_used_again_is_another_connection(tmp_path: Path) -> None:
    one, two = Talk(), Talk(isns=(77_777, 88_888))
    _, document = judged(tmp_path, secured(one) + spoken(two, b"clear", b""))
    assert [finding["outcome"] for finding in document["findings"]] == ["clear", "encrypted"]


def test_fragments_make_it_unknown(tmp_path: Path) -> None:
    frame = bytearray(Talk().hello()[0].frame)
    frame[20] = 0x20
    path = written(tmp_path / "wire.pcap", secured(Talk()))
    path.write_bytes(path.read_bytes() + pcap_of([bytes(frame)])[24:])
    result = run("--read", path)
    assert (result.exit_code, "1 packets could not be read" in result.stdout) == (1, True)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--interface", "lo", "--read", "FILE"],
        ["--read", "FILE", "--seconds", "3"],
        ["--read", "FILE", "--clear", "x"],
        ["--read", "FILE", "--ports", "x"],
        ["--read", "FILE", "--ports", "9-8"],
        ["--read", "FILE", "--ports", "70000"],
        ["--read", "/no/such/file"],
        ["CONFIG", "--read", "FILE", "--rule", "none"],
        ["/no/such/config", "--read", "FILE"],
    ],
)
def test_wrong_calls_are_status_2(tmp_path: Path, config: Path, words: list[str]) -> None:
    path = written(tmp_path / "wire.pcap", secured(Talk()))
    assert run(*({"FILE": path, "CONFIG": config}.get(word, word) for word in words)).exit_code == 2


def test_what_cannot_be_judged_is_status_1(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no capture")
    result = run("--read", tmp_path / "text")
    assert (result.exit_code, "neither pcap nor pcapng" in result.stderr) == (1, True)
    path = written(tmp_path / "wire.pcap", secured(Talk()))
    path.write_bytes(replace_link(path.read_bytes(), 127))
    assert "link type 127 is not read here" in run("--read", path).stderr


def replace_link(file: bytes, link: int) -> bytes:
    return file[:20] + link.to_bytes(4, "little") + file[24:]


def test_a_name_that_a_stranger_chose_does_not_move_the_cursor(tmp_path: Path) -> None:
    talk = replace(Talk(), server=("10.9.0.2", 81))
    flow = {"flow": "f", "client": "10.0.0.1:40000", "server": "10.9.0.2:81", "reason": "x", "detail": "\x1b[2J\n"}
    events = [json.dumps({"event": event, **flow}) for event in ("Connecting", "Refused")]
    (tmp_path / "events").write_text("\n".join(events))
    path = written(tmp_path / "wire.pcap", spoken(talk, b"GET /", b""))
    shown = run("--read", path, "--events", tmp_path / "events").stdout
    assert "\x1b" not in shown and "refused it: x, \\x1b[2J\\n" in shown
