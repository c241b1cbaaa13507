# SPDX-License-Identifier: Apache-2.0
"""What the lab's oracle says of captures made by hand."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from oracle.verdict import Finding, Question, Verdict, judge

from tests.unit.verifying.frames import Packet, pcap_of
from tlshub_core.verifying.keyring import Keyring
from tlshub_core.verifying.pcap import opened

MARKER = b"the-marker-of-this-test"


def judged(file: bytes, question: Question | None = None, keyring: Keyring | None = None) -> Verdict:
    """The verdict on a file with that content."""
    handle, name = tempfile.mkstemp()
    try:
        os.write(handle, file)
        with opened(Path(name)) as pcap:
            return judge(pcap, question or Question(marker=MARKER), keyring)
    finally:
        os.close(handle)
        os.unlink(name)


def verdict_on(packets: Sequence[Packet], question: Question | None = None) -> Verdict:
    """The verdict on segments, over Ethernet."""
    return judged(pcap_of(packet.frame for packet in packets), question)


def finding_on(packets: Sequence[Packet]) -> Finding:
    """What is found about the one connection of the segments."""
    (finding,) = verdict_on(packets).findings
    return finding
