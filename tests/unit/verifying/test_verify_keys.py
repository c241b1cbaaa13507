# SPDX-License-Identifier: Apache-2.0
"""'verify --keys': each record opens with its own connection's keys, and what opened is a capture that tools read."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.unit.verifying.frames import Packet, Talk, pcap_of, record, sealed
from tests.unit.verifying.given import SIZES, Secrets, fresh, line, spoken
from tlshub_core.cli.main import main
from tlshub_core.verifying.keys import KeyFile
from tlshub_core.verifying.packets import reader
from tlshub_core.verifying.pcap import opened

CIPHER = "aes-gcm-128"
REQUEST = b"GET /the/page HTTP/1.1\r\nHost: example.org\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n" + b"x" * 40_000
FOUR, SIX = Talk(), Talk(client=("fd00::1", 40001), server=("fd00::2", 80))


def stream(secret: Secrets, content: bytes, cipher: str = CIPHER, size: int = 16_000) -> bytes:
    """The content in records, an alert behind them."""
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    records = [sealed(cipher, *secret, number, part) for number, part in enumerate(parts)]
    return b"".join(records) + sealed(cipher, *secret, len(parts), b"\1\0", kind=21)


def talked(talk: Talk, secrets: tuple[Secrets, Secrets], cipher: str = CIPHER) -> list[Packet]:
    return spoken(talk, stream(secrets[0], REQUEST, cipher), stream(secrets[1], ANSWER, cipher))


def run(folder: Path, packets: Sequence[Packet], lines: Sequence[str], *words: object) -> Result:
    (folder / "wire.pcap").write_bytes(pcap_of(packet.frame for packet in packets))
    (folder / "keys").write_text("".join(f"{one}\n" for one in lines))
    files = ["--read", folder / "wire.pcap", "--keys", folder / "keys"]
    return CliRunner().invoke(main, ["verify", *map(str, [*files, *words])])


def document(result: Result) -> dict[str, Any]:
    return dict(json.loads(result.stdout))


@pytest.mark.parametrize("cipher", SIZES)
def test_every_record_opens_with_its_own_keys(tmp_path: Path, cipher: str) -> None:
    one, two = fresh(cipher), fresh(cipher)
    lines = [line(FOUR, cipher, one), line(SIX, cipher, two)]
    result = run(tmp_path, talked(FOUR, one, cipher) + talked(SIX, two, cipher), lines, "--json")
    assert (result.exit_code, document(result)["answer"]) == (0, "encrypted")
    assert document(result)["keys"] == {"opened": 12, "failed": 0, "foreign": 0}


def test_records_that_do_not_open_are_not_called_encrypted(tmp_path: Path) -> None:
    secrets = fresh(CIPHER)
    result = run(tmp_path, talked(FOUR, secrets), [line(FOUR, CIPHER, fresh(CIPHER))], "--json")
    assert (result.exit_code, document(result)["answer"]) == (1, "unknown")
    assert document(result)["findings"][0]["why"] == "6 records do not open with its keys"
    fake = spoken(FOUR, record(40), record(50))
    assert run(tmp_path, fake, [line(FOUR, CIPHER, secrets)]).exit_code == 1, "what looks like a record is none"
    assert run(tmp_path, talked(FOUR, secrets), []).exit_code == 1


def test_a_key_that_was_used_twice_is_said(tmp_path: Path) -> None:
    both, lines = fresh(CIPHER), []
    lines = [line(FOUR, CIPHER, both), line(SIX, CIPHER, both)]
    result = run(tmp_path, talked(FOUR, both) + talked(SIX, both), lines)
    assert (result.exit_code, "a key was used twice" in result.stdout) == (1, True)


def test_a_file_that_is_no_key_log_is_named(tmp_path: Path) -> None:
    result = run(tmp_path, talked(FOUR, fresh(CIPHER)), ["{}"])
    assert (result.exit_code, "keys', line 1: no keys of a flow" in result.stderr) == (1, True)


def test_keys_that_are_logged_meanwhile_are_found(tmp_path: Path) -> None:
    log = KeyFile(tmp_path / "keys")
    whole = line(FOUR, CIPHER, fresh(CIPHER))
    (tmp_path / "keys").write_text(whole + "\n" + whole[:30])
    assert (len(log.read()), log.read()) == (1, [])
    (tmp_path / "keys").write_text(whole + "\n" + whole + "\n{}\n")
    with pytest.raises(ValueError, match="line 3"):
        log.read()


def cleared(folder: Path, packets: Sequence[Packet], lines: Sequence[str]) -> Path:
    result = run(folder, packets, lines, "--clear", folder / "clear.pcap")
    assert result.exit_code == 0, result.output
    assert "in clear: keep it safe" in result.stderr
    return folder / "clear.pcap"


def test_what_opened_is_written_for_its_owner_alone_and_into_no_file_that_is_there(tmp_path: Path) -> None:
    secrets = fresh(CIPHER)
    path = cleared(tmp_path, talked(FOUR, secrets), [line(FOUR, CIPHER, secrets)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    again = run(tmp_path, talked(FOUR, secrets), [line(FOUR, CIPHER, secrets)], "--clear", path)
    assert (again.exit_code, "is there already" in again.stderr, path.read_bytes()) == (1, True, before)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert run(tmp_path, [], [], "--clear", tmp_path / "link").exit_code == 1
    assert not (tmp_path / "elsewhere").exists()


def test_what_opened_is_what_was_sent(tmp_path: Path) -> None:
    one, two = fresh(CIPHER), fresh(CIPHER)
    lines = [line(FOUR, CIPHER, one), line(SIX, CIPHER, two)]
    said: dict[tuple[int, int], bytes] = {}
    with opened(cleared(tmp_path, talked(FOUR, one) + talked(SIX, two), lines)) as capture:
        for packet in capture.packets():
            segment = reader(packet.link)(packet.data, 0, len(packet.data))
            assert segment is not None
            ports = segment.source_port, segment.destination_port
            said[ports] = said.get(ports, b"") + packet.data[segment.start : segment.end]
    assert said == {(40000, 80): REQUEST, (80, 40000): ANSWER, (40001, 80): REQUEST, (80, 40001): ANSWER}


def test_tshark_reads_requests_and_finds_nothing_wrong(tmp_path: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("no 'tshark' (Debian's tshark): lab/setup tests installs it")
    one, two = fresh(CIPHER), fresh(CIPHER)
    lines = [line(FOUR, CIPHER, one), line(SIX, CIPHER, two)]
    path = cleared(tmp_path, talked(FOUR, one) + talked(SIX, two), lines)
    checked = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    shown = ("http.request.full_uri", "http.response.code", "http.content_length")
    assert tshark(path, *checked, "-Y", "http", *(word for name in shown for word in ("-e", name))) == [
        "http://example.org/the/page", "200\t40000", "http://example.org/the/page", "200\t40000"
    ]  # fmt: skip
    wrong = "tcp.checksum.status == Bad || ip.checksum.status == Bad || tcp.analysis.flags || _ws.malformed"
    assert tshark(path, *checked, "-Y", wrong, "-e", "frame.number") == []
    assert len(tshark(path, *checked, "-Y", "tcp.checksum.status == Good", "-e", "frame.number")) == 2 * 10


def tshark(path: Path, *words: str) -> list[str]:
    command = ["tshark", "-r", str(path), "-T", "fields", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, timeout=120)
    return [row.strip() for row in done.stdout.splitlines()]
