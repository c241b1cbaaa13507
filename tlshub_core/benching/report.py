# SPDX-License-Identifier: Apache-2.0
"""A result as one HTML file that needs nothing else: no script, no font, nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

from tlshub_core.benching import table
from tlshub_core.benching.marks import sign, tag, text
from tlshub_core.benching.plots import latencies, rates, ratios, set_ups, throughputs
from tlshub_core.benching.result import Result

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_ABOUT = "docs/benchmarking.md"


def html(result: Result) -> str:
    """The file's text."""
    style = files("tlshub_core.benching").joinpath("report.css").read_text()
    head = (
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        tag("title", text(f"tlshub-capture bench, {result.environment.began}")),
        tag("style", style),
    )
    return "<!doctype html>\n" + tag("html", tag("head", *head), tag("body", *_body(result)), lang="en") + "\n"


def _body(result: Result) -> Iterator[str]:
    yield tag("h1", "tlshub-capture bench")
    if result.environment.emulated:
        yield tag("p", "Emulated: ratios mean something, times and rates do not.", class_="warn")
    yield from _facts(result)
    legend = _legend(result)
    for heading, about, charts in (
        ("Setting up a connection", _SET_UP, set_ups(result)),
        ("Beside plain", _RATIO, ratios(result)),
        ("Throughput by size", _THROUGHPUT, throughputs(result)),
        ("Requests by concurrency", _RATE, rates(result)),
        ("How long requests take", _LATENCY, latencies(result)),
    ):
        if drawn := list(charts):
            yield tag("h2", heading) + tag("p", about, class_="about") + legend + tag("div", *drawn, class_="charts")
    yield tag("h2", "All figures") + tag("p", _TABLE, class_="about") + tag("div", _table(result), class_="wide")


_WHISKERS = "Medians over the rounds; the strokes are the intervals that hold the true median."
_SET_UP = (
    "From connect() to the first answer, TLS handshakes included: the sign is the median, the stroke p95, "
    "the end of the line p99."
)
_RATIO = f"Requests per second over plain's in the same round: above 1 is faster. {_WHISKERS}"
_THROUGHPUT = f"Payload that was echoed, per second; each byte crosses twice. {_WHISKERS}"
_RATE = f"Requests that were answered, per second, by how many connections are busy at a time. {_WHISKERS}"
_LATENCY = f"How much of the requests of a trial took no longer than so much. {_WHISKERS}"
_TABLE = "Ratios are medians of the ratios to plain in the same round, with their intervals."


def _facts(result: Result) -> Iterator[str]:
    of, asked = result.environment, result.settings
    facts = {
        "measured": f"{of.began}, release {of.release}, {asked.rounds} rounds",
        "work": f"{asked.requests} requests and {asked.connections} connections in each trial, warm-up {asked.warm_up}",
        "ends": f"here and '{asked.target}'" if asked.target else "both here, on loopback",
        "machine": f"Linux {of.kernel}, {of.machine}, {of.processors} x {of.processor or 'unknown processor'}",
        "programs": f"Python {of.python}, {of.tls_library}",
        "agent": of.agent or "none",
    }
    rows = "".join(tag("dt", text(name)) + tag("dd", text(value)) for name, value in facts.items())
    notes = "".join(tag("li", text(note)) for note in table.remarks(result))
    yield tag("dl", rows)
    yield tag("ul", notes) if notes else ""


def _legend(result: Result) -> str:
    entries = (
        tag("li", tag("svg", sign(at, 7, 7), viewBox="0 0 14 14", aria_hidden="true"), text(one.name))
        for at, one in enumerate(result.variants)
    )
    return tag("ul", *entries, class_="legend")


def _table(result: Result) -> str:
    head = tag("tr", *(tag("th", text(name)) for name in table.COLUMNS))
    rows = (tag("tr", *(tag("td", text(cell)) for cell in cells)) for cells in table.cells(result))
    return tag("table", tag("thead", head), tag("tbody", *rows))
