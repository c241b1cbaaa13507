# SPDX-License-Identifier: Apache-2.0
"""pcapng as wireshark's tools write it, and any bytes in place of a capture: read, or refused, and never held whole."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.verifying.frames import Talk, pcap_of, record
from tlshub_core.verifying.pcap import Packet, PcapError, capture_of, opened

FRAMES = [packet.frame for packet in Talk().hello() + Talk().stream(record(30), [7])]


def block(kind: int, body: bytes, order: str) -> bytes:
    size = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + size + body + size


def options(order: str, *pairs: tuple[int, bytes]) -> bytes:
    written = [struct.pack(order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4) for code, value in pairs]
    return b"".join(written) + b"\0" * 4


def section(order: str, *interfaces: tuple[int, bytes]) -> bytes:
    """A section's first block, and its interfaces as (link, resolution)."""
    first = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    each = (struct.pack(order + "HHI", link, 0, 0) + options(order, (9, unit)) for link, unit in interfaces)
    return first + b"".join(block(1, body, order) for body in each)


def enhanced(order: str, frame: bytes, interface: int = 0, time: int = 2**32 + 5) -> bytes:
    head = struct.pack(order + "IIIII", interface, time >> 32, time & 0xFFFFFFFF, len(frame), len(frame))
    return block(6, head + frame + b"\0" * (-len(frame) % 4), order)


def read(content: bytes) -> list[Packet]:
    return list(capture_of(io.BytesIO(content)).packets())


@pytest.mark.parametrize("order", ["<", ">"])
def test_packets_of_several_interfaces_and_sections_are_read(order: str) -> None:
    other = "<>"[order == "<"]
    file = section(order, (1, b"\6"), (101, b"\x09")) + enhanced(order, FRAMES[0]) + enhanced(order, b"raw", 1)
    file += (
        block(0xBAD, b"of another kind!", order) + section(other, (113, b"\x8a")) + enhanced(other, b"cooked", 0, 1024)
    )
    assert [(p.link, p.time_ns, p.data) for p in read(file)] == [
        (1, (2**32 + 5) * 1000, FRAMES[0]),
        (101, 2**32 + 5, b"raw"),
        (113, 1_000_000_000, b"cooked"),
    ]


def test_simple_packets_and_statistics_are_read() -> None:
    simple = block(3, struct.pack("<I", 90) + b"12345678", "<")
    lost = block(5, struct.pack("<III", 0, 0, 0) + options("<", (5, struct.pack("<Q", 3)), (7, b"\4" + b"\0" * 7)), "<")
    capture = capture_of(io.BytesIO(section("<", (1, b"\6")) + simple + lost + lost))
    assert [(p.data, p.original) for p in capture.packets()] == [(b"12345678", 90)]
    assert (capture.dropped, capture.truncated) == (7, False), "statistics are totals, not one more each time"


def test_a_file_that_is_cut_off_says_so() -> None:
    file = section("<", (1, b"\6")) + enhanced("<", FRAMES[0])
    for size in range(len(file) - len(enhanced("<", FRAMES[0])) + 1, len(file)):
        capture = capture_of(io.BytesIO(file[:size]))
        assert (list(capture.packets()), capture.truncated) == ([], True), size


@pytest.mark.parametrize(
    "wrong",
    [
        enhanced("<", FRAMES[0], interface=7),
        block(6, b"short", "<")[:-4].ljust(20, b"\0"),
        block(6, struct.pack("<IIIII", 0, 0, 0, 500, 500), "<"),
        struct.pack("<II", 6, 2**31),
        struct.pack("<II", 6, 13),
        block(1, b"", "<"),
        block(6, FRAMES[0].ljust(80), "<")[:-4] + b"\1\0\0\0",
    ],
    ids=["interface", "short", "beyond", "huge", "odd", "empty", "lengths"],
)
def test_damage_is_an_error(wrong: bytes) -> None:
    with pytest.raises(PcapError, match="damaged"):
        read(section("<", (1, b"\6")) + wrong)


def test_a_packet_of_more_than_there_is_takes_no_memory() -> None:
    huge = bytearray(pcap_of([FRAMES[0]]))
    huge[32:36] = struct.pack("<I", 2**31)
    with pytest.raises(PcapError, match="damaged"):
        read(bytes(huge))


@given(st.binary(max_size=200), st.sampled_from([b"", section("<", (1, b"\6")), section(">", (1, b"\6")), pcap_of([])]))
def test_any_bytes_are_read_or_refused(noise: bytes, begin: bytes) -> None:
    try:
        found = read(begin + noise)
    except PcapError:
        return
    assert sum(len(packet.data) for packet in found) <= len(noise)


@given(st.data())
def test_a_byte_that_flips_is_no_other_error(data: st.DataObject) -> None:
    file = bytearray(section("<", (1, b"\6")) + b"".join(enhanced("<", frame) for frame in FRAMES))
    file[data.draw(st.integers(0, len(file) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        assert len(read(bytes(file))) <= len(FRAMES)
    except PcapError:
        return


@pytest.mark.parametrize("form", ["pcapng", "pcap", "nsecpcap"])
def test_what_wiresharks_tools_write_is_read(tmp_path: Path, form: str) -> None:
    if shutil.which("editcap") is None:
        pytest.skip("no 'editcap' (Debian's wireshark-common): lab/setup tests installs it")
    (tmp_path / "in").write_bytes(pcap_of(FRAMES, magic=0xA1B2C3D4))
    subprocess.run(["editcap", "-F", form, tmp_path / "in", tmp_path / "out"], check=True, stdin=subprocess.DEVNULL)
    with opened(tmp_path / "out") as capture:
        assert [(p.link, p.time_ns, p.data) for p in capture.packets()] == [(1, 1_000_002_000, f) for f in FRAMES]
