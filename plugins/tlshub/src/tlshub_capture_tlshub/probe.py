# SPDX-License-Identifier: Apache-2.0
"""Whether a kernel module listens on a netlink protocol: read, not tried, since a socket may load a module."""

from __future__ import annotations

from pathlib import Path

from tlshub_capture_tlshub.client import LOAD
from tlshub_core.api import Level, Probe

SOCKETS = Path("/proc/net/netlink")  # of this network namespace; a kernel socket has port id 0


def check_module(protocol: int, sockets: Path = SOCKETS) -> Probe:
    """OK where that protocol has a kernel socket."""
    try:
        rows = [line.split() for line in sockets.read_text(encoding="ascii").splitlines()[1:]]
        listening = {int(row[1]) for row in rows if row[2] == "0"}
    except (OSError, ValueError, IndexError) as error:
        return Probe(level=Level.WARNING, message=f"cannot tell whether TLSHub's module is loaded: {error}")
    if protocol in listening:
        return Probe(level=Level.OK, message=f"a kernel module listens on netlink protocol {protocol}")
    message = f"no kernel module listens on netlink protocol {protocol} in this network namespace"
    return Probe(level=Level.FAILED, message=message, remedy=LOAD)
