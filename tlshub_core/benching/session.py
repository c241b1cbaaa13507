# SPDX-License-Identifier: Apache-2.0
"""A session of the bench from its begin to its result: servers, variants, rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tlshub_core.benching import offer, server, stunnel
from tlshub_core.benching.agents import Agents
from tlshub_core.benching.environment import environment
from tlshub_core.benching.offer import Offer
from tlshub_core.benching.result import FORMAT, SHARES, VERSION, Measured, Result, Settings, Trial
from tlshub_core.benching.rounds import measure, pieces
from tlshub_core.benching.summary import rows
from tlshub_core.benching.variants import STUNNEL, Variant, able, ways
from tlshub_core.types.errors import Unavailable

LOOPBACK = "127.0.0.1"
Tell = Callable[[str, int, int], None]  # what is done now, how many pieces are, of how many


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be measured, and with whose help; `port` is the first one of a server's, 0 any on loopback."""

    names: tuple[str, ...]
    settings: Settings
    agents: Agents
    port: int
    emulated: bool | None


def measured(plan: Plan, tell: Tell) -> Result:
    """All of it. Raises Unavailable where something fails, CommandError where an agent does."""
    settings = plan.settings
    with ExitStack() as stack:
        found = stack.enter_context(_offer(plan))
        near = stack.enter_context(_near(plan, found))
        asked = ways(plan.names, found, settings.target or LOOPBACK, near)
        absent = plan.agents.absent()
        stack.enter_context(nullcontext() if absent else plan.agents.restored())
        chosen, skipped = able(asked, plan.agents, not settings.target, lambda name: tell(f"trying: {name}", 0, 1))
        where = environment("" if absent else plan.agents.described(), plan.emulated)
        trials = _measured(chosen, plan, tell)
    return Result(
        format=FORMAT,
        version=VERSION,
        environment=where,
        settings=settings,
        shares=SHARES,
        variants=tuple(Measured(name=one.name, detail=one.detail) for one in chosen),
        skipped=skipped,
        trials=trials,
        rows=rows(trials),
    )


def _measured(chosen: Sequence[Variant], plan: Plan, tell: Tell) -> tuple[Trial, ...]:
    trials: list[Trial] = []
    total = pieces(plan.settings, len(chosen))
    for trial in measure(chosen, plan.settings, plan.agents):
        trials.append(trial)
        tell(f"round {trial.round} of {plan.settings.rounds}: {trial.variant}", len(trials), total)
    return tuple(trials)


@contextmanager
def _offer(plan: Plan) -> Iterator[Offer]:
    """That of the server at the target; without one, of a server here, for as long as the block runs."""
    most = max(plan.settings.concurrency)
    if not plan.settings.target:
        with server.serving(LOOPBACK, plan.port, most) as found:
            yield found
        return
    found = offer.ask(plan.settings.target, plan.port)
    if found.workers < most:
        raise Unavailable(
            f"the server serves {found.workers} connections at a time, {most} are wanted: start it with '--workers'"
        )
    yield found


@contextmanager
def _near(plan: Plan, found: Offer) -> Iterator[int | None]:
    """This end's stunnel, where it is wanted and both ends have one; its port."""
    if STUNNEL not in plan.names or found.stunnel is None or stunnel.program() is None:
        yield None
        return
    with TemporaryDirectory(prefix="tlshub-bench-") as name:
        Path(name, "ca.pem").write_text(found.authority)
        with stunnel.near(Path(name), plan.settings.target or LOOPBACK, found.stunnel) as port:
            yield port
