# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus that fetches from some addresses, and the events that it sees the effects of."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlshub_capture_prometheus import tlshub_event_sinks

from plugins.prometheus.tests.scrapes import everything
from tests.unit.events.sinks_for_tests import settled, wait_until
from tlshub_core.events.sinks import Sinks
from tlshub_core.testing.pair import free_port

SECONDS = 120  # under load, on a machine with little
_CONFIG = """
global: {{scrape_interval: {every_s}s, scrape_timeout: {every_s}s}}
scrape_configs:
  - job_name: tlshub-capture
    static_configs: [{{targets: {targets}}}]
"""


class QueryFailed(Exception):
    """Prometheus does not take the query."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Its HTTP API."""

    port: int

    def query(self, expression: str) -> list[Mapping[str, Any]]:
        """The series of that expression, now; raises QueryFailed with what Prometheus says."""
        words = urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?{words}", timeout=30) as answer:
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            raise QueryFailed(f"{expression}: {json.load(error)['error']}") from error
        assert body["status"] == "success" and "warnings" not in body, body
        return list(body["data"]["result"])

    def value(self, expression: str) -> float:
        """The one value of that expression; -1 where there is none yet."""
        found = [float(one["value"][1]) for one in self.query(expression)]
        return found[0] if found else -1.0

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=30) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def running(binary: str, folder: Path, targets: Sequence[str], every_s: int = 1) -> Iterator[Prometheus]:
    """It fetches from these addresses meanwhile; its data and its log are in that folder."""
    config, own = folder / "prometheus.yml", Prometheus(free_port())
    config.write_text(_CONFIG.format(targets=json.dumps(targets), every_s=every_s))
    command = [binary, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{own.port}", "--log.level=warn"]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log, cwd=folder) as process:
        try:
            wait_until(own.ready, SECONDS)
            yield own
        finally:
            process.terminate()


@contextmanager
def fed(port: int) -> Iterator[Sinks]:
    """The sink serves at that port meanwhile, in its process, and every metric has a series."""
    (spec,) = tlshub_event_sinks()
    sinks = Sinks()
    sinks.start([(spec, spec.config(port=port))])
    try:
        feed(sinks)
        yield sinks
    finally:
        sinks.close(timeout=30)


def feed(sinks: Sinks) -> None:
    """Hand the sink events of every sort."""
    for event in everything():
        sinks.emit(event)
    wait_until(lambda: settled(sinks, 0))
