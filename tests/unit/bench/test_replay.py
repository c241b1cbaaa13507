# SPDX-License-Identifier: Apache-2.0
"""The replay of the pipeline: its records are those of the programs, and every connection comes to be secured."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from replay import __main__ as bench
from replay.agents import Replay

from tlshub_core.pipeline import ktls


def test_every_connection_is_secured_at_both_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        async with Replay(tmp_path) as replay:
            await replay.play(10, 4)

    monkeypatch.setattr(ktls, "install", bench.install)
    asyncio.run(asyncio.wait_for(play(), 30))
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["event"] for line in lines]
    assert kinds.count("Connecting") == kinds.count("Secured") == kinds.count("Closed") == 20
