# SPDX-License-Identifier: Apache-2.0
"""Which hold a kernel gets, and what is said of it: what it fails is put together, but for the last tests."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tlshub_capture_bpf import attaching, holding, probes, probing, signals
from tlshub_capture_bpf.backend import LibbpfBackend
from tlshub_capture_bpf.options import BccConfig, LibbpfConfig
from tlshub_capture_bpf.probing import probe
from tlshub_capture_bpf.programs import CGROUP, Hold, Programs

from bpf.tests.pinning import here
from tlshub_core.api import CaptureSettings, Holds, Level, Mode, Unavailable, Unsupported
from tlshub_core.testing.backend_harness import settings_for
from tlshub_core.testing.matching import row, rule_set

__all__ = ("here",)
LOADED: tuple[Any, Any, str] = (None, None, "libbpf 1")
NO_TRAMPOLINES, NO_PAIR = OSError(524, "no trampolines"), Unsupported("a held thread is stopped")
NEVER = [{Hold.GATE: NO_TRAMPOLINES}, {Hold.GATE: NO_PAIR}, {Hold.GATE: OSError(errno.EINVAL, "of no use")}]
OTHERS = "the map 'flows' is that of another release"
NOT_NOW = [OSError(errno.ENOMEM, "no memory"), OSError(errno.E2BIG, "too many programs"), Unavailable(OTHERS)]


@dataclass(frozen=True)
class Kernel:
    """Takes all programs when they are loaded; fails the ones of a hold when they are tried, or does not."""

    failures: Mapping[Hold, Exception]

    def load(self, hold: Hold) -> Programs:
        found = Programs.__new__(Programs)
        found.hold = hold
        vars(found)["close"] = lambda: None
        return found

    def try_one(self, _programs: Programs, hold: Hold) -> None:
        if failure := self.failures.get(hold):
            raise failure


@pytest.fixture
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Its parameter is what fails."""
    found = Kernel(request.param)
    monkeypatch.setattr(holding, "try_one", found.try_one)
    monkeypatch.setattr(probing, "try_one", found.try_one)
    for module in (attaching, probing):
        monkeypatch.setattr(module, "Programs", lambda *_, hold, **__: found.load(hold))
    return found


@pytest.mark.parametrize("kernel", NEVER, indirect=True)
def test_the_better_hold_that_the_kernel_takes_is_taken_and_said(
    kernel: Kernel, caplog: pytest.LogCaptureFixture
) -> None:
    why = kernel.failures[Hold.GATE]
    assert holding.brought(kernel.load, None, gated=False).hold is Hold.STOP
    assert "whole processes are stopped" in caplog.text and str(why) in caplog.text
    with pytest.raises(type(why), match=re.escape(str(why))):
        holding.brought(kernel.load, Hold.GATE, gated=False)
    assert holding.brought(kernel.load, Hold.STOP, gated=False).hold is Hold.STOP


@pytest.mark.parametrize("kernel", [{}], indirect=True)
def test_a_kernel_that_fails_nothing_gets_the_gate(kernel: Kernel) -> None:
    assert holding.brought(kernel.load, None, gated=False).hold is Hold.GATE
    assert probing.loads(*LOADED, None).level is Level.OK


@pytest.mark.parametrize(
    ("kernel", "links", "hold"),
    [
        ({Hold.GATE: NO_PAIR}, {*CGROUP, "has_begun_4"}, Hold.STOP),
        ({Hold.GATE: NO_PAIR}, {*CGROUP, "gate_send", "has_begun_4"}, Hold.STOP),
        ({Hold.GATE: NO_PAIR}, {*CGROUP, "gate_send"}, Hold.GATE),
        ({}, {*CGROUP, "has_begun_4"}, Hold.GATE),
    ],
    indirect=["kernel"],
)
@pytest.mark.usefixtures("kernel")
def test_the_next_agent_asks_the_kernel_again_unless_the_gate_is_pinned(links: set[str], hold: Hold) -> None:
    backend = LibbpfBackend()
    backend._gate, backend._pins = True, cast(Any, SimpleNamespace(names=lambda _part: sorted(links)))
    assert backend._brought(cast(Any, None), settings_for(Path("/"))).hold is hold


@pytest.mark.parametrize("kernel", [{Hold.GATE: one} for one in NOT_NOW], indirect=True)
def test_no_process_is_stopped_for_what_is_no_lack_of_the_kernels(kernel: Kernel) -> None:
    why = kernel.failures[Hold.GATE]
    with pytest.raises(type(why)) as raised:
        holding.brought(kernel.load, None, gated=False)
    assert raised.value is why
    found = probing.loads(*LOADED, None)
    assert "cannot be told" in found.message and "stopped" not in found.message and found.holds is Holds.WEAKLY


@pytest.mark.parametrize("kernel", [{Hold.GATE: NO_PAIR, Hold.STOP: one} for one in NOT_NOW], indirect=True)
def test_what_fails_the_weaker_hold_for_now_is_told_as_it_is(kernel: Kernel) -> None:
    with pytest.raises(type(kernel.failures[Hold.STOP])) as raised:
        holding.brought(kernel.load, None, gated=False)
    assert raised.value is kernel.failures[Hold.STOP]


@pytest.mark.parametrize(
    ("kernel", "hold", "holds", "remedy"),
    [
        ({Hold.GATE: NO_PAIR}, None, Holds.WEAKLY, probing.GATE_NEEDS),
        ({Hold.GATE: NO_PAIR}, Hold.STOP, Holds.WELL, probing.GATE_NEEDS),
        ({Hold.GATE: NO_PAIR}, Hold.GATE, Holds.NOT, probing.GATE_NEEDS),
        ({Hold.STOP: NO_PAIR}, Hold.STOP, Holds.NOT, probing.STOP_NEEDS),
        ({Hold.GATE: PermissionError(errno.EPERM, "not you")}, None, Holds.WEAKLY, probing.RIGHTS),
    ],
    indirect=["kernel"],
)
@pytest.mark.usefixtures("kernel")
def test_the_probe_tells_what_start_up_would_find(hold: Hold | None, holds: Holds, remedy: str) -> None:
    found = probing.loads(*LOADED, hold)
    assert (found.level, found.holds, found.remedy) == (Level.WARNING, holds, remedy)


def test_the_gate_is_tried_by_what_it_holds_with(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[Programs]()
    monkeypatch.setattr(signals, "check", asked.append)
    found = Programs.__new__(Programs)
    holding.try_one(found, Hold.GATE)
    assert asked == [found] and probing.try_one is holding.try_one


def test_a_child_that_got_no_time_says_nothing_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "PATIENCE_S", 0.05)
    child = subprocess.Popen(["sleep", "60"])
    with pytest.raises(Unavailable, match=r"did not go on within .+ or set 'hold' to 'stop'"):
        signals._await(child.pid)
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
    child.returncode = -signal.SIGKILL


def test_a_kernel_that_can_neither_is_refused_with_both_reasons(here: CaptureSettings, compiled: Path) -> None:
    if "only mode 'observe'" not in probe(compiled).message:
        pytest.skip("this kernel can hold connections, or does not tell")
    rules, backend = rule_set([row(Mode.REQUIRE, ports=(1, 1))]), LibbpfBackend()

    async def attach() -> None:
        try:
            await backend.attach(rules, replace(here, table_size=16))
        finally:
            await backend.detach(unpin=True)

    with pytest.raises(Unavailable, match=r"can neither keep calls back \(.+\) nor stop processes \(.+\)"):
        asyncio.run(attach())


def test_the_probe_names_what_is_missing_of_the_hold_that_is_configured(compiled: Path) -> None:
    if probes._SOURCE.exists():
        pytest.skip("this kernel has kprobes")
    found = probe(compiled, Hold.STOP)
    assert found.level is Level.WARNING and "it lets no process be stopped" in found.message
    assert "CONFIG_KPROBE_EVENTS" in found.message and "the gate" not in found.message


@pytest.mark.parametrize("config", [LibbpfConfig, BccConfig])
def test_other_holds_are_refused(config: type[LibbpfConfig] | type[BccConfig]) -> None:
    assert config(hold="stop").hold == "stop" and config().hold == ""
    with pytest.raises(ValueError, match="'gate' or 'stop'"):
        config.model_validate({"hold": "wait"})
