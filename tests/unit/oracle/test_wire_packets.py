# SPDX-License-Identifier: Apache-2.0
"""Files, frames and headers: what is TCP is found in all of them, and what cannot be judged is said."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.oracle.wiretap import MARKER, judged
from tests.unit.verifying.frames import Packet, Talk, pcap_of, record
from tlshub_core.verifying.packets import SYN, Unreadable, reader
from tlshub_core.verifying.pcap import PcapError, opened

FOUR = Packet(source=("10.0.0.1", 4000), destination=("10.0.0.2", 80), seq=7, ack=8, flags=SYN, payload=b"payload")
SIX = Packet(source=("fd00::1", 4000), destination=("fd00::2", 80), seq=7, ack=8, flags=SYN, payload=b"payload")
BOTH = pytest.mark.parametrize("packet", [FOUR, SIX], ids=["ipv4", "ipv6"])


def ethernet(ip: bytes, kind: int = 0x86DD) -> bytes:
    return b"\2" * 12 + struct.pack(">H", kind) + ip


def payload(frame: bytes, link: int = 1) -> bytes | None:
    segment = reader(link)(frame, 0, len(frame))
    return frame[segment.start : segment.end] if segment else None


@BOTH
def test_every_field_is_read(packet: Packet) -> None:
    frame = packet.frame
    segment = reader(1)(b"xx" + frame + b"yy", 2, 2 + len(frame))
    assert segment is not None
    assert segment[2:7] == (4000, 80, 7, 8, SYN)
    assert len(segment.source) == len(segment.destination) == (16 if packet is SIX else 4)
    assert segment.source[-1] == 1
    assert segment.destination[-1] == 2


@BOTH
def test_every_kind_of_link_is_read(packet: Packet) -> None:
    kind = struct.pack(">H", 0x86DD if packet is SIX else 0x0800)
    assert payload(packet.frame) == b"payload"
    assert payload(b"\2" * 12 + b"\x81\0\0\5" + kind + packet.ip) == b"payload"
    assert payload(b"\2" * 12 + b"\x88\xa8\0\5\x81\0\0\5" + kind + packet.ip) == b"payload"
    assert payload(kind + b"\0" * 18 + packet.ip, 276) == b"payload"
    assert payload(b"\0" * 14 + kind + packet.ip, 113) == b"payload"
    assert payload(packet.ip, 101) == b"payload"
    with pytest.raises(ValueError, match="link type 127 is not read here"):
        reader(127)


def test_padding_is_no_payload() -> None:
    assert payload(FOUR.frame + b"\xff" * 30) == b"payload"
    assert payload(SIX.frame + b"\xff" * 30) == b"payload"


def test_a_packet_longer_than_its_length_field_can_say_is_read_to_its_end() -> None:
    four, six = bytearray(FOUR.ip), bytearray(SIX.ip)
    four[2:4] = six[4:6] = b"\0\0"
    assert payload(ethernet(bytes(four), 0x0800)) == b"payload"
    assert payload(ethernet(bytes(six))) == b"payload"


@pytest.mark.parametrize(
    ("kind", "header"),
    [(0, b"\6\0" + b"\0" * 6), (43, b"\6\1" + b"\0" * 14), (60, b"\6\2" + b"\0" * 22), (44, b"\6\0" + b"\0" * 6),
     (51, b"\6\4" + b"\0" * 22)],
)  # fmt: skip
def test_headers_between_ipv6_and_tcp_are_skipped(kind: int, header: bytes) -> None:
    ip = bytearray(SIX.ip)
    ip[6] = kind
    ip[4:6] = struct.pack(">H", len(ip) - 40 + len(header))
    assert payload(ethernet(bytes(ip[:40]) + header + bytes(ip[40:]))) == b"payload"


def test_what_is_not_tcp_is_nothing() -> None:
    udp = bytearray(FOUR.ip)
    udp[9] = 17
    assert payload(ethernet(bytes(udp), 0x0800)) is None
    assert payload(ethernet(b"\0" * 40, 0x0806)) is None
    assert payload(b"\0" * 5) is None


@BOTH
def test_what_is_cut_or_a_fragment_cannot_be_judged(packet: Packet) -> None:
    frame = packet.frame.rstrip(b"\0")
    for size in range(15, len(frame)):
        with pytest.raises(Unreadable):
            reader(1)(frame[:size], 0, size)
    ip = bytearray(FOUR.ip)
    ip[6] = 0x20
    with pytest.raises(Unreadable):
        payload(ethernet(bytes(ip), 0x0800))
    assert judged(pcap_of([ethernet(bytes(ip), 0x0800)])).holes == 1


@given(st.binary(max_size=120), st.sampled_from([1, 101, 113, 276]), st.sampled_from([b"", b"\2" * 12 + b"\x08\0\x45"]))
def test_any_bytes_are_read_or_cannot_be_judged(noise: bytes, link: int, begin: bytes) -> None:
    frame = begin + noise
    try:
        segment = reader(link)(frame, 0, len(frame))
    except Unreadable:
        return
    assert segment is None or 0 <= segment.start <= segment.end <= len(frame)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D])
def test_every_form_of_the_file_is_read(order: str, magic: int) -> None:
    talk = Talk()
    frames = [packet.frame for packet in talk.hello() + talk.stream(record(30))]
    verdict = judged(pcap_of(frames, order=order, magic=magic))
    assert (verdict.findings[0].records, verdict.holes) == ((1, 0), 0)


def test_a_file_cut_in_a_packet_has_a_hole() -> None:
    talk = Talk()
    file = pcap_of(packet.frame for packet in [*talk.hello(), talk.says(0, b"x" * 50)])
    assert judged(file).holes == 0
    assert judged(file[:-1]).holes == 1
    assert judged(file + b"\0" * 15).holes == 1


def test_a_packet_that_was_longer_on_the_wire_is_a_hole() -> None:
    frame = Talk().hello()[0].frame
    file = bytearray(pcap_of([frame]))
    struct.pack_into("<I", file, 24 + 12, len(frame) + 1)
    assert judged(bytes(file)).holes == 1


@pytest.mark.parametrize("content", [b"", b"\n\r\r\n" + b"\0" * 30, b"\xd4\xc3\xb2\xa1", os.urandom(8) + b"\0" * 40])
def test_another_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(PcapError), opened(tmp_path / "file"):
        pass


def test_a_marker_outside_of_tcp_counts() -> None:
    udp = bytearray(Packet(source=("10.0.0.1", 5), destination=("10.0.0.2", 6), seq=0, payload=MARKER * 2).ip)
    udp[9] = 17
    frames = [ethernet(bytes(udp), 0x0800), *(packet.frame for packet in Talk().hello())]
    assert judged(pcap_of(frames)).marker_hits == 2
