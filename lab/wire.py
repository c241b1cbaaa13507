#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""wire MARKER: judges what crossed the link between the two nodes, and prints it as JSON.

Counts connections, packets, TLS application data records, occurrences of MARKER in clear (in streams put together
again, and in packets), and payload bytes that are in no such record. Exit status: 0, the capture is whole, and what it
says is for the caller to judge; 1, no connection at all, or something was lost; 2, called or set up wrongly.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from oracle.capture import CaptureError, running, settle
from oracle.drops import statistics
from oracle.report import report, whole
from oracle.verdict import Question, judge

from tlshub_core.verifying.keyring import Keyring
from tlshub_core.verifying.keys import load
from tlshub_core.verifying.pcap import PcapError, opened

PEERING = "4646"
LATE = 10


def _ports(text: str) -> frozenset[int]:
    return frozenset(int(port) for port in text.split(",") if port)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="wire", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    folder = Path(os.environ.get("LAB_NODES", "/run"))
    parser.add_argument("marker", metavar="MARKER", help="text that the applications sent")
    parser.add_argument("--pcap", type=Path, default=folder / "link.pcap", help="the capture (default: %(default)s)")
    parser.add_argument("--ports", type=_ports, default="", metavar="P,…", help="only connections with such a port")
    parser.add_argument("--exclude", type=_ports, default=PEERING, metavar="P,…", help="none with such (%(default)s)")
    parser.add_argument("--keys", type=Path, action="append", metavar="FILE", help="key log to try; may be repeated")
    parser.add_argument("--plaintext", type=Path, metavar="DIR", help="with --keys, write what they open: N.c2s, N.s2c")
    parser.add_argument("--flows", action="store_true", help="list the connections as well")
    arguments = parser.parse_args()
    if not arguments.marker or (arguments.plaintext and not arguments.keys):
        parser.error("--plaintext needs --keys" if arguments.marker else "MARKER is empty")
    return arguments


def _judged(arguments: argparse.Namespace) -> dict[str, object]:
    pcap: Path = arguments.pcap
    settle(pcap)
    keyring = Keyring([key for path in arguments.keys for key in load(path)]) if arguments.keys else None
    question = Question(marker=os.fsencode(arguments.marker), ports=arguments.ports, excluded=arguments.exclude)

    def keep(number: int, names: tuple[str, str], plain: tuple[bytearray, bytearray]) -> None:
        for way, content in zip(("c2s", "s2c"), plain, strict=True):
            (arguments.plaintext / f"{number}.{way}").write_bytes(content)

    if arguments.plaintext:
        arguments.plaintext.mkdir(exist_ok=True)
    with opened(pcap) as capture:
        verdict = judge(capture, question, keyring, keep if arguments.plaintext else None)
    return report(verdict, statistics(pcap), keyring, arguments.flows)


def main() -> int:
    """Judge and print; returns the exit status."""
    arguments = _arguments()
    try:
        body = _judged(arguments)
        for _ in range(LATE):
            if not body["holes"] or running(arguments.pcap) is None:
                break
            time.sleep(1)  # a starved tcpdump may write what crossed long after
            body = _judged(arguments)
    except (PcapError, CaptureError, ValueError, OSError) as error:
        print(f"wire: cannot judge '{arguments.pcap}': {error}", file=sys.stderr)
        return 2
    print(json.dumps(body))
    return 0 if whole(body) else 1


if __name__ == "__main__":
    sys.exit(main())
