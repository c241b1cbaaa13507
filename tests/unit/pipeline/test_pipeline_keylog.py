# SPDX-License-Identifier: Apache-2.0
"""The key log's file, and the rehearsal of kernel TLS at start."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.events.sinks_for_tests import small_files
from tlshub_core.pipeline.keylog import KeyLog
from tlshub_core.pipeline.local import random_keys
from tlshub_core.pipeline.rehearsal import rehearse
from tlshub_core.testing import pair
from tlshub_core.types.errors import Unavailable
from tlshub_core.types.keys import Cipher
from tlshub_core.verifying.keys import load

ULPS = Path("/proc/sys/net/ipv4/tcp_available_ulp")


def test_a_line_per_flow_in_a_file_of_the_agents_own(tmp_path: Path) -> None:
    path, keys = tmp_path / "keys", random_keys(Cipher.AES_GCM_256)
    path.write_text("")
    path.chmod(0o644)
    log = KeyLog(path)
    assert path.stat().st_mode & 0o777 == 0o600
    flow = pair.flows(40_001)[0]
    for each in (flow, replace(flow, cookie=2)):
        log.write(each, keys)
    one, two = map(json.loads, path.read_text().splitlines())
    assert one == two
    assert (one["client"], one["server"], one["cipher"]) == (str(flow.client), str(flow.server), "aes-gcm-256")
    for name, way in (("c2s", keys.client_to_server), ("s2c", keys.server_to_client)):
        assert one[name] == {part: getattr(way, part).hex() for part in ("key", "salt", "iv", "rec_seq")}


def test_half_a_line_of_an_agent_that_was_killed_spoils_no_other(tmp_path: Path) -> None:
    path, flow, keys = tmp_path / "keys", pair.flows(40_001)[0], random_keys(Cipher.AES_GCM_128)
    KeyLog(path).write(flow, keys)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:100])
    log = KeyLog(path)
    log.write(flow, keys)
    log.write(flow, keys)
    assert path.read_bytes() == whole + whole[:100] + b"\n" + whole + whole
    assert len(load(path)) == 3


def test_a_full_disk_is_said_and_the_next_line_begins_anew(tmp_path: Path) -> None:
    path, flow, keys = tmp_path / "keys", pair.flows(40_001)[0], random_keys(Cipher.AES_GCM_128)
    log = KeyLog(path)
    log.write(flow, keys)
    size = path.stat().st_size
    with small_files(size + 100):
        for _ in range(2):
            with pytest.raises(Unavailable, match="key log cannot be written"):
                log.write(flow, keys)
    log.write(flow, keys)
    assert [len(line) for line in path.read_bytes().splitlines(keepends=True)] == [size, 101, size]
    assert len(load(path)) == 2


def test_no_link_is_followed_and_the_path_is_named(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for path in (tmp_path / "link", tmp_path / "absent" / "keys"):
        with pytest.raises(Unavailable, match=str(path)):
            KeyLog(path)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("cipher", Cipher)
def test_the_rehearsal_tells_what_this_kernel_does(cipher: Cipher) -> None:
    if "tls" in ULPS.read_text().split():
        rehearse([cipher])
        return
    with pytest.raises(Unavailable, match=f"'{cipher.label}' does not work here.*see 'doctor'"):
        rehearse([cipher])
