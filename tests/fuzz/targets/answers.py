# SPDX-License-Identifier: Apache-2.0
"""Answers at the control socket, as 'ctl' reads and prints them; the first byte says to which command they are."""

from __future__ import annotations

import io
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.fuzz.kit.target import Target
from tests.fuzz.kit.words import both_ways, text_of
from tlshub_core.cli import ctl_tables, report_table
from tlshub_core.control import answers, client, requests, rows, wire
from tlshub_core.control.client import CommandError
from tlshub_core.control.requests import Request
from tlshub_core.events.human import printable
from tlshub_core.top import once
from tlshub_core.top.controls import Controls
from tlshub_core.top.sample import Sample
from tlshub_core.top.screen import View, screen

PATIENCE_S = 10  # for a caller who does not come
_PROVIDER = rows.ProviderRow(name="openssl", summary="sessions by OpenSSL", default=True, allowed=False)
_ON, _OFF = answers.BypassAnswer(on=True, left_s=60), answers.BypassAnswer(on=False, left_s=None)
_STATUS = answers.StatusAnswer(
    release="0.1.0", pid=7, uptime_s=60, node="node-a", configuration="capture.toml", backend="libbpf",
    programs=("gate", "wall"), providers=(_PROVIDER,), rules=1, rows=2, mapping=None,
    sessions=(rows.SessionRow(node="node-b", address="10.0.0.2", dialler=True, age_s=1, flows=2),),
    flows={"open": 2}, bypass=_ON, notices=("a notice",),
    totals=rows.Totals(
        secured=1, released_clear=2, refused=3, unattended_clear=4, unattended_refused=5, lost_in_kernel=6,
        lost_in_sinks=7,
    ),
)  # fmt: skip
FLOW = rows.FlowRow(
    id="00000000-0000-0000-0000-000000000007", side="client", client="10.1.0.1:40000", server="[fd00::1]:80",
    peer="node-b", pid=7, comm="curl", state="open", reason="", rule="web", mode="require",
    provider="openssl", cipher="aes-gcm-128", age_ms=100, hold_ms=2,
)  # fmt: skip
_RULE = rows.RuleRow(
    rule="web", mode="require", direction="both", ports="80", peer="", process="", passthrough="", provider="openssl"
)
_FIGURES = answers.Figures(count=3, min=0.5, mean=1.0, p50=1.0, p95=2.0, p99=2.0, max=2.5)
_GROUP = answers.ReportRow(
    outcome="secured", provider="openssl", side="client", connections=3, bytes=9, metrics={"throughput_mbps": _FIGURES}
)
_REPORT = answers.ReportAnswer(
    uptime_s=60, total_connections=4, successful_connections=3, failed_connections=1, active_connections=0,
    total_bytes_transferred=9, all={"throughput_mbps": _FIGURES}, groups=(_GROUP,), agent={},
)  # fmt: skip
TOP = answers.TopAnswer(
    status=_STATUS, sessions=3, uptime_ms=60_000, connections=9, refused={"deadline": 3},
    released_clear={"no-agent": 2}, cpu_ms=1500, resident_bytes=50_000_000, total=2, flows=(),
    rules=(rows.RuleCount(rule="web", mode="require", flows={"open": 2}),),
)  # fmt: skip


def _top(answer: answers.TopAnswer) -> None:
    """Either way of showing it."""
    once.show(answer)
    view = View(sample=Sample(answer=answer, carried={}, time_ns=0), rates=None, controls=Controls())
    Console(width=80, height=24).print(screen(view, 80, 24))


_Row = tuple[Request, Any, str, Callable[[Any], None]]
_COMMANDS: tuple[_Row, ...] = (
    (requests.Status(), _STATUS, "", ctl_tables.status),
    (requests.Flows(state="", limit=1), answers.FlowsAnswer(total=1, flows=()), "flows", ctl_tables.flows),
    (requests.Top(limit=1, order="newest", text=""), TOP, "flows", _top),
    (requests.Rules(), answers.RulesAnswer(rules=(_RULE,), implied=True, bypass=_OFF), "", ctl_tables.rules),
    (requests.Reload(), answers.ReloadAnswer(rules=1, rows=1, mapping=3, bypass=_ON), "", ctl_tables.reloaded),
    (requests.Bypass(on=True, minutes=1), _ON, "", ctl_tables.bypass),
    (requests.Providers(), answers.ProvidersAnswer(providers=(_PROVIDER,)), "", ctl_tables.providers),
    (requests.Report(), _REPORT, "", report_table.show),
)
_ROWS = (
    _STATUS, TOP, *TOP.rules, _STATUS.totals, *_STATUS.sessions, FLOW, _RULE, _PROVIDER, _ON, _REPORT, _GROUP, _FIGURES,
)  # fmt: skip
_FIELDS = {key for row in _ROWS for key in asdict(row)}
_KEYS = sorted(_FIELDS | {"answer", "rows", "error", "total", "implied", "message", "file"})
WORDS = (
    *(b'"%s":' % key.encode() for key in _KEYS), b"{", b"}", b"[", b"]", b",", b"0", b"1", b"-1", b"9" * 64, b"true",
    b"false", b"null", b'"x"', b'"\\u001b[31m"', b"\n",
)  # fmt: skip


class _Agent:
    """Who connects meanwhile is answered with these bytes, by a thread that is no more when the call has ended."""

    def __init__(self) -> None:
        self.path = Path(f"\0fuzzed-{os.getpid()}")  # not in the file system
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_S)
        self._socket.bind(os.fspath(self.path))
        self._socket.listen()

    @contextmanager
    def answering(self, answer: bytes) -> Iterator[None]:
        """For one caller."""
        thread = threading.Thread(target=self._serve, args=(answer,))
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def _serve(self, answer: bytes) -> None:
        caller, _ = self._socket.accept()
        with caller, suppress(OSError):  # a caller who has heard enough hangs up
            caller.recv(requests.LIMIT)
            caller.sendall(answer)


@cache
def _agent() -> _Agent:
    return _Agent()


def _seeds() -> Iterable[bytes]:
    no = wire.line("error", wire.Failure(message="no", file="capture.toml", table="keys", key="provider"))
    for number, (_, answer, table, _) in enumerate(_COMMANDS):
        lines = wire.line("rows", (FLOW,)) if table else b""
        last = asdict(answer)
        last.pop(table, None)
        for text in both_ways((lines + wire.line("answer", last), no, b"", b"{}\n"), WORDS):
            yield bytes((number,)) + text


def _one(data: bytes) -> Iterable[str]:
    request, like, table, show = _COMMANDS[data[0] % len(_COMMANDS)] if data else _COMMANDS[0]
    agent = _agent()
    try:
        with agent.answering(text_of(data[1:], WORDS)):
            answer = client.ask(agent.path, request, type(like), table)
    except CommandError as error:
        return ["an error of the agent" if error.failure.file else "refused"]
    _shown(show, answer)
    return [type(answer).__name__]


def _shown(show: Callable[[Any], None], answer: object) -> None:
    """It can be printed, and nothing in it moves the reader's cursor."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        show(answer)
    assert all(printable(line) == line for line in out.getvalue().split("\n")), out.getvalue()


TARGET = Target(
    one=_one,
    seeds=_seeds,
    kinds=frozenset({"refused", "an error of the agent", *(type(row[1]).__name__ for row in _COMMANDS)}),
    refusals=(),
    modules=(
        "tlshub_core.control.client",
        "tlshub_core.control.shape",
        "tlshub_core.cli.ctl_tables",
        "tlshub_core.top.columns",
        "tlshub_core.top.head",
        "tlshub_core.top.screen",
    ),
    words=WORDS,
)
