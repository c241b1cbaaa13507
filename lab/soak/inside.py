# SPDX-License-Identifier: Apache-2.0
"""python -m soak.inside FILE: everything at once, window by window, for TEST_SOAK_MINUTES; writes what it found."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.cpu import resident

from soak.apps import PORTS, Count, clients, repeat, servers
from soak.windows import Window, grown, save, show
from tests.lab.kit.chat import Flag
from tests.lab.kit.control import tell
from tests.lab.kit.node import Node
from tests.lab.kit.node import both as all_nodes
from tests.lab.kit.ports import IPV4
from tests.lab.kit.talk import converse, payload, receives_first, sends_first
from tests.lab.kit.wire import captured

FOLDER, WINDOW_S, CONTROL = Path("/run/tlshub-soak"), 45.0, 7081
PATIENCE_S = 240.0
ALLOWED = {"keys.providers_allowed": '["boringssl", "openssl"]'}  # whichever the other node has as its default


def switched(both: Mapping[str, Node], node: str) -> None:
    """The default provider of new connections becomes the other one."""
    providers = tell(both[node], "provider")["providers"]
    default = next(one["name"] for one in providers if one["default"])
    tell(both[node], "provider", "openssl" if default == "boringssl" else "boringssl")


def reloaded(both: Mapping[str, Node]) -> None:
    """Both read rules and mapping in again, while connections begin."""
    for node in both.values():
        tell(node, "reload")


def away(both: Mapping[str, Node], node: str, end: Callable[[Node], None]) -> None:
    """That agent ends, is away for a moment, and comes again."""
    end(both[node])
    time.sleep(1)
    both[node].agent.start(ALLOWED)
    both[node].agent.ready()


def killed(node: Node) -> None:
    """`kill -9`."""
    node.agent.kill()


def stopped(node: Node) -> None:
    """SIGTERM."""
    node.agent.stop()


ACTIONS: tuple[tuple[str, bool, Callable[[Mapping[str, Node]], None]], ...] = (
    ("quiet", False, lambda _: None),
    ("node-a: kill -9", True, partial(away, node="node-a", end=killed)),
    ("node-a: other provider", False, partial(switched, node="node-a")),
    ("node-b: kill -9", True, partial(away, node="node-b", end=killed)),
    ("both reload", False, reloaded),
    ("node-b: other provider", False, partial(switched, node="node-b")),
    ("node-a: stop, start", True, partial(away, node="node-a", end=stopped)),
    ("node-b: stop, start", True, partial(away, node="node-b", end=stopped)),
)


def busy(both: Mapping[str, Node], content: bytes, act: Callable[[Mapping[str, Node]], None]) -> Count:
    """What the clients found while that was done."""
    began, enough = time.monotonic(), Flag()
    jobs = [both["node-a"].start(partial(repeat, attempt=one, enough=enough)) for one in clients(content)]
    time.sleep(WINDOW_S / 4)
    act(both)
    time.sleep(max(WINDOW_S / 4, began + WINDOW_S - time.monotonic()))
    enough.set()
    return sum((job.result(PATIENCE_S) for job in jobs), Count())


def control(both: Mapping[str, Node], marker: bytes, content: bytes) -> None:
    """A capture of that interface shows what is in clear."""
    with captured("node-a") as wire:
        converse(both["node-a"], both["node-b"], IPV4, CONTROL, sends_first, receives_first, content).check()
        wire.clear(marker, CONTROL)


def window(earlier: Sequence[Window], both: Mapping[str, Node], marker: bytes, content: bytes) -> Window:
    """One window: the clients begin and end in it, so that its own capture shows all of each connection."""
    what, without, act = ACTIONS[len(earlier) % len(ACTIONS)]
    for node in both.values():
        node.begin()
    with captured("node-a") as wire:
        count = busy(both, content, act)
        verdict, _ = wire.judge(marker, *PORTS)
    said = [event for node in both.values() for event in node.events("Secured", "Refused", "ReleasedClear")]
    kinds = Counter(event["event"] for event in said)
    memory = {name: round(resident(node.agent.pid), 1) for name, node in both.items()}
    descriptors = {name: node.agent.descriptors() for name, node in both.items()}
    return Window(
        what=what,
        away=without,
        good=count.good,
        failed=count.failed,
        wrong=count.wrong,
        secured=kinds["Secured"],
        refused=dict(Counter(str(event["reason"]) for event in said if event["event"] == "Refused")),
        released=kinds["ReleasedClear"],
        flows_on_the_wire=len(verdict.findings),
        marker_hits=verdict.marker_hits,
        clear_bytes=sum(sum(found.clear) for found in verdict.findings),
        holes=verdict.holes,
        memory=memory,
        descriptors=descriptors,
        grown=grown(earlier, memory, descriptors),
        complaints=tuple(line for node in both.values() for line in node.agent.complaints()),
    )


def main() -> int:
    """Until the time is over; returns the exit status."""
    minutes, out, both = float(os.environ["TEST_SOAK_MINUTES"]), Path(sys.argv[1]), all_nodes()
    marker = uuid.uuid4().hex.encode()
    content, found = payload(marker, 20_000), list[Window]()
    began = time.monotonic()
    subprocess.run(["wire-capture", "stop"], check=True)  # of all the time: it would fill the disk
    for node in both.values():
        node.agent.configure(ALLOWED)
    reloaded(both)
    control(both, marker, content)
    with servers(both["node-b"], FOLDER, content):
        while time.monotonic() - began < 60 * minutes:
            last = window(found, both, marker, content)
            found.append(last)
            save(found, (time.monotonic() - began) / 60, out)
            print(f"soak: {last.what}: {last.good} good, {last.faults or 'as it has to be'}", file=sys.stderr)
    show(found)
    return int(any(one.faults for one in found))


if __name__ == "__main__":
    sys.exit(main())
