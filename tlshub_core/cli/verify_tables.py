# SPDX-License-Identifier: Apache-2.0
"""What 'verify' found, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import click

from tlshub_core.cli.common import print_rows
from tlshub_core.events.human import size
from tlshub_core.verifying.findings import Finding, Outcome, Sent
from tlshub_core.verifying.judge import Answer, Judge

COLUMNS = ("client", "server", "rule", "found", "client sent", "server sent", "why")
SHOWN, _RANGES = 50, 3
_ANSWERS = {
    Answer.ENCRYPTED: "encrypted: each payload byte was in a TLS record, from the first of each connection",
    Answer.CLEAR: "IN CLEAR: see above which bytes",
    Answer.UNKNOWN: "unknown: not all of it was seen, so that nothing is proven",
    Answer.NOTHING: "nothing was sent, so that nothing is proven: is this the interface, are these the ports?",
}


def cells(finding: Finding) -> tuple[str, ...]:
    """A finding as a row of these columns."""
    client, server = map(_sent, finding.sent)
    rule, why = finding.rule or "-", finding.why or "-"
    return finding.client, finding.server, rule, finding.outcome.value, client, server, why


def counted(judge: Judge) -> list[tuple[str, ...]]:
    """How many connections there were, by rule and outcome; those that are not over among them."""
    counts = judge.counts + Counter((one.rule, one.outcome) for one in judge.current())
    rules = sorted({rule for rule, _ in counts})
    return [(rule or "-", *(str(counts[rule, outcome]) for outcome in Outcome)) for rule in rules]


def show(judge: Judge) -> None:
    """What is not as promised, how many connections there were, and the verdict."""
    bad = [one for one in judge.findings if one.bad]
    if bad:
        print_rows(COLUMNS, [cells(one) for one in bad[:SHOWN]])
        if len(bad) > SHOWN:
            click.echo(f"{SHOWN} are shown, '--json' has more")
        click.echo()
    print_rows(("rule", *(outcome.value for outcome in Outcome)), counted(judge))
    for note in notes(judge):
        click.echo(f"note: {note}")
    click.echo(f"verdict: {_ANSWERS[judge.answer]}")


def notes(judge: Judge) -> Iterable[str]:
    """What the verdict depends on besides the connections."""
    if judge.lost:
        yield f"the capture lost {judge.lost} packets"
    if judge.unreadable:
        yield f"{judge.unreadable} packets could not be read: fragments, or cut short"
    if judge.flows.untracked:
        yield f"{judge.flows.untracked} packets were of connections that were too many at once"
    if judge.keyring:
        yield f"{judge.keyring.opened} records opened with their connection's keys, {judge.keyring.failed} did not"
        if judge.keyring.foreign:
            yield f"{judge.keyring.foreign} records opened with another connection's key: a key was used twice"


def document(judge: Judge) -> dict[str, object]:
    """All of it, sizes in bytes; of the connections at most 1000 that are not as promised, and 1000 others."""
    total, ring = judge.counts.total(), judge.keyring
    keys = {"opened": ring.opened, "failed": ring.failed, "foreign": ring.foreign} if ring else None
    return {
        "answer": judge.answer.value,
        "connections": {one.value: sum(n for (_, o), n in judge.counts.items() if o is one) for one in Outcome},
        "packets": judge.packets,
        "lost": judge.lost,
        "unreadable": judge.unreadable,
        "untracked": judge.flows.untracked,
        "keys": keys,
        "left_out": total - len(judge.findings),
        "findings": [_plain(one) for one in judge.findings],
    }


def _plain(finding: Finding) -> dict[str, object]:
    names = ("client", "server", "rule", "why", "packets", "missing", "unopened")
    body: dict[str, object] = {name: getattr(finding, name) for name in names}
    fields: Sequence[str] = ("size", "records", "clear", "again", "ranges")
    ways = ({name: getattr(sent, name) for name in fields} for sent in finding.sent)
    return {**body, "outcome": finding.outcome.value, **dict(zip(("client_sent", "server_sent"), ways, strict=True))}


def _sent(sent: Sent) -> str:
    text = size(sent.size)
    if not sent.clear:
        return text
    ranges = ", ".join(f"{count} at {at}" for at, count in sent.ranges[:_RANGES])
    more = ", ..." if len(sent.ranges) > _RANGES else ""
    again = f"{sent.again} sent again" if sent.again else ""
    return f"{text}, {sent.clear} in clear: {', '.join(filter(None, (ranges + more, again)))}"
