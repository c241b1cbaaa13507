# SPDX-License-Identifier: Apache-2.0
"""python -m bench.inside FILE: the bench's part inside the lab; writes what it found for bench.report.

BENCH_ROUNDS paired rounds (15), BENCH_SECONDS that each piece of work is to take (1.5), BENCH_FLOWS connections after
which the agents' memory is read (1000). Progress goes to standard error.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

from bench.agents import Agents, detach
from bench.judge import gcm, judge
from bench.load import LoadError
from bench.measurement import Findings, Measurement, Memory, Start, Wait, save
from bench.memory import memory
from bench.patience import growing
from bench.progress import say
from bench.rounds import Rounds
from bench.servers import CAPTURED, Servers
from bench.starting import starts
from bench.variants import BCC_BOTH, NO_AGENT, PHASES, Variant, variants
from bench.waiting import wait
from tests.lab.kit.job import Failed
from tests.lab.kit.node import Node
from tests.lab.kit.node import both as all_nodes

FOLDER = Path("/run/tlshub-bench")
RULE = f"{CAPTURED}:require"


def waits(all_nodes: dict[str, Node]) -> list[Wait]:
    """Of a client that finds no session between the agents, and of one that finds one."""
    pair = all_nodes["node-a"], all_nodes["node-b"]
    return [one for found in ("no session", "a session") for one in wait(*pair, port=CAPTURED, found=found)]


def main() -> int:
    """Measure, in one boot; returns the exit status."""
    count, both = int(os.environ.get("BENCH_ROUNDS", 15)), all_nodes()
    subprocess.run(["modprobe", "-qa", "aesni_intel"], check=False)  # as udev does; not every processor has them
    marker = uuid.uuid4().hex
    servers = Servers(FOLDER, both, marker)
    try:
        held, grown = first(both, variants(both["node-b"].ipv4, bcc=False), marker)
        rounds = turns(both, servers)
        started = bcc(rounds, both, marker) if os.environ.get("LAB_BCC") else []
        rounds.trial()
        for measured, dropped in growing(rounds.one, count):
            save(_findings(both, measured, dropped, held, grown, started), Path(sys.argv[1]))
        rounds.agents.want(PHASES[NO_AGENT])
    except LoadError as error:
        say(f"it went wrong, and only whole rounds count: {error}")
        return 1
    return 0


def first(both: dict[str, Node], ways: tuple[Variant, ...], marker: str) -> tuple[list[Wait], list[Memory]]:
    """What is measured once, with the agents that the lab started, which end here. Raises LoadError."""
    flows = int(os.environ.get("BENCH_FLOWS", 1000))
    held = waits(both)
    say(f"{len(held)} long waits are measured")
    judge(both["node-a"], ways, marker)
    say("the wire confirms what each variant is")
    grown = memory(both, ways[-1].base, flows)
    say(f"the agents' memory is measured, after {flows} connections")
    for node in both.values():
        node.agent.stop()
        detach(node)
    return held, grown


def turns(both: dict[str, Node], servers: Servers) -> Rounds:
    """What is measured in turns, without the backend 'bcc'; it begins without any agent."""
    return Rounds(
        client=both["node-a"],
        servers=servers,
        agents=Agents(both, FOLDER, RULE),
        variants=variants(both["node-b"].ipv4, bcc=False),
        target=float(os.environ.get("BENCH_SECONDS", 1.5)),
    )


def bcc(rounds: Rounds, both: dict[str, Node], marker: str) -> list[Start]:
    """Has the rounds measure the backend 'bcc', too, if its agents start and the wire confirms what they do."""
    client = both["node-a"]
    ways = variants(both["node-b"].ipv4, bcc=True)
    try:
        started = starts(both["node-b"], FOLDER, RULE)
        say(f"{len(started)} starts of an agent are measured")
        rounds.agents.want(PHASES[BCC_BOTH])
        subprocess.run(["on", client.name, "wire-capture", "start", client.name], check=True)
        judge(client, [way for way in ways if way.backend == "bcc"], marker)
    except (LoadError, Failed, OSError, RuntimeError, subprocess.SubprocessError) as error:
        say(f"goes on without the backend 'bcc': {error}")
        return []
    say("the wire confirms those of the backend 'bcc', too")
    rounds.variants = ways
    return started


def _findings(
    both: dict[str, Node],
    measured: list[Measurement],
    dropped: list[int],
    held: list[Wait],
    grown: list[Memory],
    started: list[Start],
) -> Findings:
    events = [event for node in both.values() for event in node.events(everything=True)]
    secured = [event for event in events if event["event"] == "Secured"]
    sides = {side: tuple(int(str(e["hold_ns"])) for e in secured if e["side"] == side) for side in ("client", "server")}
    return Findings(
        rounds=len({one.round for one in measured}),
        dropped=tuple(dropped),
        clock="instructions" if os.environ.get("LAB_ICOUNT") and not os.environ.get("LAB_NATIVE") else "real",
        processors=os.cpu_count() or 1,
        gcm=gcm(),
        measurements=tuple(measured),
        waits=tuple(held),
        memory=tuple(grown),
        starts=tuple(started),
        holds_ns=sides,
        restarts=tuple(int(str(e["restarts"])) for e in events if e["event"] == "Closed" and e["secured"]),
    )


if __name__ == "__main__":
    sys.exit(main())
