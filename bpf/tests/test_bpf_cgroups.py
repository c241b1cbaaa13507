# SPDX-License-Identifier: Apache-2.0
"""A connection is of the cgroup in which its socket was made, wherever its process is when it begins."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Set
from pathlib import Path

import pytest
from tlshub_capture_bpf import tlshub_capture_backends

from tlshub_core.api import FlowClosed, FlowSeen, Side
from tlshub_core.testing.backend_harness import BackendHarness, Witness

# Where the listener and the client's socket are made, and where the process is when they connect.
PROGRAM = """
import os, socket, sys
cgroup, (listens, connects, now) = sys.argv[1], sys.argv[2:]
where = {'inside': cgroup, 'outside': os.path.dirname(cgroup), 'below': cgroup + '/below'}
def move(name):
    if name == 'below':
        os.mkdir(where[name])
    with open(where[name] + '/cgroup.procs', 'w') as file:
        file.write('0')
def made(name):
    move(name)
    sock = socket.socket()
    move(now)
    if name == 'below':
        os.rmdir(where[name])
    return sock
listener, client = made(listens), made(connects)
listener.bind(('127.0.0.1', 0))
listener.listen()
client.connect(listener.getsockname())
server, _ = listener.accept()
client.close()
server.close()
"""
BOTH = frozenset(Side)


@pytest.mark.usefixtures("compiled")
class TestCgroups(BackendHarness):
    spec = next(iter(tlshub_capture_backends()))

    @pytest.mark.parametrize(
        ("listens", "connects", "now", "wanted"),
        [
            ("inside", "inside", "outside", BOTH),
            ("below", "below", "inside", BOTH),
            ("below", "below", "outside", BOTH),
            ("outside", "inside", "inside", {Side.CLIENT}),
            ("inside", "outside", "inside", {Side.SERVER}),
            ("inside", "outside", "outside", {Side.SERVER}),
        ],
    )
    def test_a_process_that_moves(self, cgroup: Path, listens: str, connects: str, now: str, wanted: Set[Side]) -> None:
        async def test(witness: Witness) -> None:
            words = [sys.executable, "-S", "-c", PROGRAM, str(cgroup), listens, connects, now]
            await asyncio.to_thread(subprocess.run, words, check=True, timeout=60)
            await witness.until(FlowClosed, len(wanted))
            assert {flow.side for flow in witness.of(FlowSeen)} == wanted

        self.run(cgroup, test)
