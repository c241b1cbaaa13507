# SPDX-License-Identifier: Apache-2.0
"""'run': what it hands to the agent."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from tlshub_core.cli.main import main
from tlshub_core.config import Config
from tlshub_core.control.answers import ReportAnswer
from tlshub_core.reporting.figures import report
from tlshub_core.reporting.performance import Performance

REPORT = report(Performance(), 3, 0)


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


class _Agent(ModuleType):
    """In the place of the agent, which needs a kernel and privileges that tests do not have."""

    def __init__(self) -> None:
        super().__init__("tlshub_core.service")
        self.configs: list[Config] = []

    def run(self, config: Config, again: Callable[[], Config], show: Callable[[ReportAnswer], None]) -> int:
        self.configs += [config, again()]
        show(REPORT)
        return 7


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> _Agent:
    agent = _Agent()
    monkeypatch.setitem(sys.modules, "tlshub_core.service", agent)
    return agent


def test_run_hands_the_configuration_to_the_agent(config: Path, agent: _Agent) -> None:
    result = _run("run", config, "--rule", "443:prefer", "--rule", "22:bypass", "--provider", "x", "--backend", "y")
    assert result.exit_code == 7
    assert "3 connections in " in result.stdout and "3 go on" in result.stdout
    given, again = agent.configs
    assert again == given
    assert [rule.name for rule in given.rules] == ["443:prefer", "22:bypass", "web", "rest"]
    assert (given.keys.provider, given.capture.backend) == ("x", "y")


def test_run_refuses_a_wrong_rule(config: Path, agent: _Agent) -> None:
    result = _run("run", config, "--rule", "443:perhaps")
    assert result.exit_code == 2
    assert "error: '--rule': 'perhaps' is no mode" in result.stderr
    assert agent.configs == []
