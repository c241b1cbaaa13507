# SPDX-License-Identifier: Apache-2.0
"""`make bench-native`: flows per second and core of the agent's pipeline, on this machine, and where the time goes.

Replays ring buffer records of connections between two agents in one process. Real are the decoders, the pipeline, the
peering session with the provider 'openssl', sockets of another process and their duplicates, the sink 'jsonl'. Left out
is what this kernel may not have: the flow table is in memory, and of KTLS only the struct is filled.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import pstats
import resource
import statistics
import sys
import tempfile
import time
from fcntl import ioctl
from pathlib import Path
from socket import IPPROTO_TCP, TCP_INFO, socket

from replay.agents import Replay
from tlshub_core import process
from tlshub_core.pipeline import ktls
from tlshub_core.types.flow import Side
from tlshub_core.types.keys import FlowKeys

ROUNDS, FLOWS, AT_ONCE = 7, 300, 16
TOP = 40


def install(sock: socket, keys: FlowKeys, side: Side) -> tuple[int, int]:
    """`ktls.install` without the three calls that need the kernel's TLS."""
    assert sock.getsockopt(IPPROTO_TCP, TCP_INFO, 1)[0] == ktls.TCP_ESTABLISHED
    ioctl(sock, ktls.SIOCOUTQ, bytes(4))
    for one in (keys.client_to_server, keys.server_to_client):
        info = ktls._crypto_info(keys, one)
        info[:] = bytes(len(info))
    return time.monotonic_ns(), time.monotonic_ns()


def _seconds() -> float:
    """CPU time of this process, without that of the sinks."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _rounds(folder: Path, profile: cProfile.Profile) -> tuple[list[float], float]:
    costs = []
    async with Replay(folder) as replay:
        await replay.play(AT_ONCE, AT_ONCE)  # the session comes up
        for number in range(ROUNDS):
            began = _seconds()
            await replay.play(FLOWS, AT_ONCE)
            costs.append((_seconds() - began) / (2 * FLOWS))
            print(f"round {number + 1} of {ROUNDS}", end="\r", file=sys.stderr)
        profile.enable()
        await replay.play(FLOWS, AT_ONCE)
        profile.disable()
    sinks = resource.getrusage(resource.RUSAGE_CHILDREN)
    return costs, (sinks.ru_utime + sinks.ru_stime) / (2 * (FLOWS * (ROUNDS + 1) + AT_ONCE))


def main() -> int:
    """Print the table, write build/bench-native.json."""
    ktls.install = install
    process.settle_memory()
    profile = cProfile.Profile()
    with tempfile.TemporaryDirectory() as folder:
        costs, sinks = asyncio.run(_rounds(Path(folder), profile))
    cost = statistics.median(costs)
    found = {
        "flow_ends_per_second_and_core": round(1 / cost),
        "low": round(1 / max(costs)),
        "high": round(1 / min(costs)),
        "microseconds_per_flow_end": round(cost * 1e6),
        "microseconds_in_sinks": round(sinks * 1e6),
        "rounds": ROUNDS,
    }
    out = Path(__file__).parents[2] / "build" / "bench-native.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(found, indent=2) + "\n")
    pstats.Stats(profile).sort_stats("tottime").print_stats(TOP)
    for name, value in found.items():
        print(f"{name.replace('_', ' '):32} {value}")
    print(f"finished at {time.strftime('%H:%M:%S')}, summary in '{out}'")
    return 0


if __name__ == "__main__":
    sys.exit(main())
