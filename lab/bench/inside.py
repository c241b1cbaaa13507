# SPDX-License-Identifier: Apache-2.0
"""python -m bench.inside FILE: the bench's part inside the lab; writes what it found for bench.report.

BENCH_ROUNDS paired rounds (15), BENCH_SECONDS that each piece of work is to take (1.5), BENCH_FLOWS connections after
which the agents' memory is read (1000). Progress goes to standard error.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

from bench.agents import Agents
from bench.load import LoadError
from bench.measurement import Findings, Measurement, Memory, Wait, save
from bench.memory import memory
from bench.rounds import Rounds
from bench.servers import CAPTURED, Servers
from bench.variants import Variant, variants
from bench.waiting import wait
from tests.lab.kit.node import Node

FOLDER = Path("/run/tlshub-bench")


def say(text: str) -> None:
    """Progress."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def nodes() -> dict[str, Node]:
    """Both, with the agents that the lab started."""
    folder = Path(os.environ["LAB_NODES"])
    return {
        "node-a": Node("node-a", folder / "node-a", "10.77.0.1", "fd77::1"),
        "node-b": Node("node-b", folder / "node-b", "10.77.0.2", "fd77::2"),
    }


def judge(client: Node, ways: tuple[Variant, ...], marker: str) -> None:
    """Fetch the marker in each way, and ask the wire whether it is what its name says; then end the capture."""
    for way in ways:
        if client.run(["curl", "-skS", f"{way.base}/marker"]) != marker:
            raise LoadError(f"'{way.name}' did not bring the marker")
    for way in ways:
        shown = subprocess.run(["wire", "--ports", str(way.port), marker], check=True, stdout=subprocess.PIPE).stdout
        if (json.loads(shown)["clear_marker_hits"] == 0) != way.secret:
            raise LoadError(f"the wire says of '{way.name}': {shown.decode()}")
    subprocess.run(["wire-capture", "stop"], check=False, stdout=subprocess.DEVNULL)


def waits(all_nodes: dict[str, Node]) -> list[Wait]:
    """Of a client that finds no session between the agents, and of one that finds one."""
    pair = all_nodes["node-a"], all_nodes["node-b"]
    return [one for _ in range(2) for one in wait(*pair, port=CAPTURED)]


def gcm() -> str:
    """The kernel's implementation of AES-GCM: without the processor's instructions, KTLS would be another thing."""
    entries = [dict(_pair(line) for line in e.splitlines()) for e in Path("/proc/crypto").read_text().split("\n\n")]
    named = [entry for entry in entries if entry.get("name") == "gcm(aes)"]
    return max(named, key=lambda entry: int(entry["priority"]))["driver"] if named else ""


def _pair(line: str) -> tuple[str, str]:
    key, _, value = line.partition(":")
    return key.strip(), value.strip()


def main() -> int:
    """Measure, in one boot; returns the exit status."""
    count, flows = int(os.environ.get("BENCH_ROUNDS", 15)), int(os.environ.get("BENCH_FLOWS", 1000))
    marker = uuid.uuid4().hex
    both = nodes()
    ways = variants(both["node-b"].ipv4)
    subprocess.run(["modprobe", "-qa", "aesni_intel"], check=False)  # as udev does; not every processor has them
    servers = Servers(FOLDER, both, marker)
    held = waits(both)
    say(f"{len(held)} long waits measured")
    judge(both["node-a"], ways, marker)
    say("the wire confirms what each variant is")
    grown = memory(both, ways[-1].base, flows)
    say(f"agents' memory measured after {flows} connections")
    for node in both.values():
        node.agent.stop()
    rounds = Rounds(
        client=both["node-a"],
        servers=servers,
        agents=Agents(both, FOLDER, f"{CAPTURED}:require"),
        variants=ways,
        target=float(os.environ.get("BENCH_SECONDS", 1.5)),
    )
    rounds.trial()
    measured, failed = _measured(rounds, count)
    rounds.agents.want(())
    save(_findings(both, measured, held, grown), Path(sys.argv[1]))
    return failed


def _measured(rounds: Rounds, count: int) -> tuple[list[Measurement], bool]:
    """The whole rounds up to the first that failed, and whether one did."""
    whole: list[Measurement] = []
    for number in range(1, count + 1):
        try:
            whole += rounds.one(number)
        except LoadError as error:
            say(f"round {number} failed, only those before it count: {error}")
            return whole, True
        say(f"round {number} of {count} is done")
    return whole, False


def _findings(both: dict[str, Node], measured: list[Measurement], held: list[Wait], grown: list[Memory]) -> Findings:
    events = [event for node in both.values() for event in node.events(everything=True)]
    secured = [event for event in events if event["event"] == "Secured"]
    sides = {side: tuple(int(str(e["hold_ns"])) for e in secured if e["side"] == side) for side in ("client", "server")}
    return Findings(
        rounds=max((one.round for one in measured), default=0),
        gcm=gcm(),
        measurements=tuple(measured),
        waits=tuple(held),
        memory=tuple(grown),
        holds_ns=sides,
        restarts=tuple(int(str(e["restarts"])) for e in events if e["event"] == "Closed" and e["secured"]),
    )


if __name__ == "__main__":
    sys.exit(main())
