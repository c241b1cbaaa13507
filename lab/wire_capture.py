#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""wire-capture start INTERFACE | settle | stop: records what crosses an interface of this network namespace.

'start' returns when the capture runs, 'settle' when all that has crossed is in the file, 'stop' when the file is
complete; the latter two print tcpdump's counts as JSON. Exit status 1 where packets were dropped or it went wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from oracle import capture


def main() -> int:
    """Do it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="wire-capture", description=__doc__)
    default = Path(os.environ.get("LAB_NODES", "/run")) / "link.pcap"
    parser.add_argument("--pcap", type=Path, default=default, help="the capture (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("start").add_argument("interface")
    commands.add_parser("settle")
    commands.add_parser("stop")
    arguments = parser.parse_args()
    try:
        if arguments.command == "start":
            capture.start(arguments.interface, arguments.pcap)
            return 0
        said = (capture.settle if arguments.command == "settle" else capture.stop)(arguments.pcap)
    except (capture.CaptureError, OSError) as error:
        print(f"wire-capture: {error}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(said) if said else None))
    return 1 if said is None or said.dropped else 0


if __name__ == "__main__":
    sys.exit(main())
