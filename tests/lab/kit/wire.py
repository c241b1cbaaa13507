# SPDX-License-Identifier: Apache-2.0
"""The wire as the oracle: what crossed an interface since a test began, judged by what was put in at both ends."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oracle import capture
from oracle.verdict import Finding, Question, Verdict, judge

from tests.lab.kit.reports import final
from tlshub_core.verifying.flows import Flow, Flows
from tlshub_core.verifying.keyring import Keyring
from tlshub_core.verifying.keys import load
from tlshub_core.verifying.packets import reader
from tlshub_core.verifying.pcap import opened

HEADER = 24  # of a pcap file
_PACKET = struct.Struct("=IIII")  # before each packet; the third is its length, as captured
LATE_S = 10.0  # a starved tcpdump may write what crossed long after; what is still missing then is missing


@contextmanager
def captured(interface: str) -> Iterator[Wire]:
    """What crosses that interface of node-a, for as long as the block runs."""
    pcap = Path(os.environ["LAB_NODES"]) / f"tests-{interface}.pcap"
    program = Path(__file__).parents[3] / "lab/wire_capture.py"
    command = ["on", "node-a", sys.executable, str(program), "--pcap", str(pcap)]
    subprocess.run([*command, "start", interface], check=True)
    try:
        yield Wire(pcap=pcap)
    finally:
        subprocess.run([*command, "stop"], check=True, stdout=subprocess.DEVNULL)


@dataclass(slots=True, kw_only=True)
class Wire:
    """One capture, cut to the running test; two markers in clear on a control port prove that it sees something."""

    pcap: Path
    _from: int = HEADER

    def begin(self) -> None:
        """A test begins: what crossed before is not its."""
        self._settle()
        self._from = self._whole()

    def _whole(self) -> int:
        """Behind the last packet that is whole: what crosses late may stand there in part, since a buffer was full."""
        at = self._from
        with self.pcap.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            while (behind := at + _PACKET.size) <= len(data) and behind + _PACKET.unpack_from(data, at)[2] <= len(data):
                at = behind + _PACKET.unpack_from(data, at)[2]
        return at

    def _settle(self) -> None:
        said = capture.settle(self.pcap)
        assert said is not None and not said.dropped, f"the capture lost packets or ended: {said}"

    def _cut(self) -> Path:
        self._settle()
        cut = self.pcap.with_suffix(".cut")
        with self.pcap.open("rb") as file, cut.open("wb") as out:
            out.write(file.read(HEADER))
            file.seek(self._from)
            out.write(file.read())
        return cut

    def judge(self, marker: bytes, *ports: int, keys: Path | None = None) -> tuple[Verdict, Keyring | None]:
        """What is known of the connections with such a port."""
        deadline = time.monotonic() + LATE_S
        while True:
            keyring = Keyring(load(keys)) if keys else None
            with opened(self._cut()) as pcap:
                verdict = judge(pcap, Question(marker=marker, ports=frozenset(ports)), keyring)
            if not verdict.holes or time.monotonic() > deadline:
                return verdict, keyring
            time.sleep(0.5)

    def secret(self, marker: bytes, *ports: int) -> list[Finding]:
        """Assert that these connections carry TLS records and nothing else; all of them."""
        verdict, _ = self.judge(marker, *ports)
        clear = any(found.clear != (0, 0) for found in verdict.findings)
        if verdict.marker_hits or (clear and not verdict.holes):
            final(f"in clear: {verdict}")
        assert not clear and not verdict.holes, verdict
        return verdict.findings

    def secured(self, marker: bytes, *ports: int, flows: int = 0) -> None:
        """Assert that on each port there are connections, secret, with records in both directions."""
        found = self.secret(marker, *ports)
        seen = {int(one.server.rpartition(":")[2]) for one in found}
        assert seen == set(ports) and (not flows or len(found) == flows), found
        assert all(min(one.records) > 0 for one in found), found

    def opened(self, marker: bytes, *ports: int, keys: Path) -> None:
        """Assert that this key log opens all records of these connections, each with its own connection's keys only."""
        verdict, keyring = self.judge(marker, *ports, keys=keys)
        assert keyring is not None and keyring.failed == keyring.foreign == 0, (keys, verdict)
        assert keyring.opened == sum(sum(found.records) for found in verdict.findings) > 0, (keys, verdict)

    def silent(self, marker: bytes, *ports: int) -> None:
        """Assert that these connections carried no byte of payload, whether or not they came to be."""
        assert all(one.sizes == (0, 0) for one in self.secret(marker, *ports)), "payload of a refused connection"

    def clear(self, marker: bytes, *ports: int) -> None:
        """Assert that the marker is in clear on every one of these ports: the control."""
        for port in ports:
            verdict, _ = self.judge(marker, port)
            assert verdict.marker_hits > 0, f"the control on port {port} shows no marker: {verdict}"

    def streams(self, port: int) -> list[tuple[bytes, bytes]]:
        """Of each connection with that port, what the client sent and what the server sent, as it was on the wire."""
        over = list[Flow[_Bytes]]()
        flows = Flows(lambda client, server: (_Bytes(), _Bytes()), over.append)
        with opened(self._cut()) as pcap:
            for packet in pcap.packets():
                segment = reader(packet.link)(packet.data, 0, len(packet.data))
                if segment is not None and port in (segment.source_port, segment.destination_port):
                    flows.add(segment, packet.data[segment.start : segment.end])
        flows.finish()
        over.sort(key=lambda flow: flow.number)
        return [(bytes(client.content), bytes(server.content)) for client, server in (flow.sinks for flow in over)]


class _Bytes:
    """All of a stream that was captured."""

    def __init__(self) -> None:
        self.content = bytearray()

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        self.content += chunk

    def skip(self, count: int) -> None:
        """A hole, which a test that looks at bytes finds by what is missing."""

    def finish(self, ended: bool) -> None:
        """No more come."""
