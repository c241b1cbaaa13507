# SPDX-License-Identifier: Apache-2.0
"""What the bench asks agents, over a real control socket, and what it makes of their answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.control.serving import serving
from tlshub_core.benching import agents, server
from tlshub_core.benching.agents import Agents
from tlshub_core.benching.environment import environment, model
from tlshub_core.benching.variants import KTLS, PLAIN, STUNNEL, Variant, able, known, ways
from tlshub_core.benching.work import Ready
from tlshub_core.control import requests
from tlshub_core.control.answers import Answer, FlowsAnswer, ProvidersAnswer
from tlshub_core.control.binding import Caller
from tlshub_core.control.conversation import Send
from tlshub_core.control.rows import FlowRow, ProviderRow
from tlshub_core.plugins import Registry
from tlshub_core.types.errors import Unavailable

NAMES = ("openssl", "boringssl")
END, OTHER = Ready(address="10.0.0.1", port=4000, suite=""), Ready(address="fd00::1", port=4001, suite="")
FLOW = FlowRow(
    id="7", side="client", client="10.0.0.1:4000", server="10.0.0.2:7801", peer="node-b", pid=1, comm="python",
    state="open", reason="", rule="bench", mode="require", provider="openssl",
    cipher="aes-gcm-128", age_ms=1, hold_ms=1,
)  # fmt: skip


class Told:
    """An agent that answers as it is told, and switches as it is asked."""

    def __init__(self, *flows: FlowRow) -> None:
        self.flows: Sequence[FlowRow] = flows
        self.default, self.asked = NAMES[0], list[str]()

    async def answer(self, request: requests.Request, _caller: Caller, send: Send) -> Answer:
        if isinstance(request, requests.Flows):
            await send(self.flows)
            return FlowsAnswer(total=len(self.flows), flows=())
        if isinstance(request, requests.Provider):
            self.asked.append(request.name)
            self.default = request.name
        rows = (ProviderRow(name=name, summary="", default=name == self.default, allowed=True) for name in NAMES)
        return ProvidersAnswer(providers=tuple(rows))


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Agents, Told, Told]]:
    monkeypatch.setattr(agents, "_PATIENCE_S", 0.2)
    own, other = Told(FLOW, replace(FLOW, client="[fd00::1]:4001")), Told()
    with ExitStack() as stack:
        for name, told in (("own", own), ("other", other)):
            stack.enter_context(serving(tmp_path / name, told.answer))
        yield Agents(own=tmp_path / "own", others=(tmp_path / "other",)), own, other


def test_all_are_switched_once_and_get_their_own_back(two: tuple[Agents, Told, Told]) -> None:
    found, own, other = two
    other.default = "boringssl"
    with found.restored():
        for _ in range(2):
            found.switch("boringssl")
        assert (own.asked, other.asked) == (["boringssl"], [])
        found.switch("openssl")
    assert (own.asked, other.asked) == (["boringssl", "openssl"], ["openssl", "boringssl"])


def test_they_get_it_back_after_a_failure_too(two: tuple[Agents, Told, Told]) -> None:
    found, own, _ = two
    own.flows = []
    with pytest.raises(Unavailable), found.restored():
        _switched_in_vain(found)
    assert own.default == "openssl"


def _switched_in_vain(found: Agents) -> None:
    found.switch("boringssl")
    found.secured([END], "boringssl")


def test_what_is_secured_by_whom_is_not_taken_on_trust(two: tuple[Agents, Told, Told]) -> None:
    found, own, _ = two
    found.secured([END, OTHER], "openssl")
    with pytest.raises(Unavailable, match="rule 'bench' made it 'open', by provider 'openssl'"):
        found.secured([END], "boringssl")
    with pytest.raises(Unavailable, match="the agent knows nothing of it: rules for the captured port are needed"):
        found.secured([replace(END, port=1)], "openssl")
    own.flows = [replace(FLOW, state="clear", reason="no-agent")]
    with pytest.raises(Unavailable, match=r"rule 'bench' made it 'clear' \(no-agent\), by provider 'openssl'"):
        found.secured([END], "openssl")
    for row in (replace(FLOW, state="clear"), replace(FLOW, state="refused"), replace(FLOW, side="server")):
        own.flows = [row]
        with pytest.raises(Unavailable):
            found.secured([END], "openssl")


def test_what_is_captured_is_no_baseline(two: tuple[Agents, Told, Told]) -> None:
    found, own, _ = two
    with pytest.raises(Unavailable, match="rule 'bench' captures it: choose ports that no rule names"):
        found.untouched([END])
    own.flows = [replace(FLOW, state="clear"), replace(FLOW, client="10.0.0.1:1")]
    found.untouched([END, OTHER])


def test_variants_are_tried_and_those_that_fail_are_named(two: tuple[Agents, Told, Told]) -> None:
    """Nothing is captured here: whatever is to be is found not to be."""
    found, own, _ = two
    own.flows = []
    with server.serving("127.0.0.1", 0, 1) as offer:
        asked = ways(known(Registry()), offer, "127.0.0.1", None)
        chosen, skipped = able(asked, found, False, str)
    assert [one.name for one in chosen] == [PLAIN, "userspace-tls"]
    assert "'stunnel' is not installed" in skipped[STUNNEL]
    assert "knows nothing of it" in skipped[f"{KTLS}openssl"]
    assert skipped[f"{KTLS}local"] == "the ends are on two nodes, where a provider is asked"
    assert own.asked == ["boringssl", "openssl", "tlshub"]


def test_on_one_node_no_provider_is_asked(two: tuple[Agents, Told, Told]) -> None:
    found, own, _ = two
    own.flows = []
    with server.serving("127.0.0.1", 0, 1) as offer:
        asked = ways((PLAIN, f"{KTLS}openssl"), offer, "127.0.0.1", None)
        chosen, skipped = able(asked, found, True, str)
    assert [one.name for one in chosen] == [PLAIN]
    assert "both ends are on this node, where no provider is asked" in skipped[f"{KTLS}openssl"]


def test_plain_that_does_not_work_ends_it(tmp_path: Path) -> None:
    with server.serving("127.0.0.1", 0, 1) as offer:
        gone: Sequence[Variant] = ways((PLAIN,), offer, "127.0.0.1", None)
    with pytest.raises(Unavailable, match=r"'plain' does not work: .*refused"):
        able(gone, Agents(own=tmp_path / "none"), True, str)


def test_the_machine_is_described(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: QEMU TCG CPU version 2.5+\n\nmodel name\t: other\n")
    assert model(file) == "QEMU TCG CPU version 2.5+"
    assert model(tmp_path / "none") == ""
    assert (environment("", True).emulated, environment("", False).emulated) == (True, False)
