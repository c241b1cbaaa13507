# SPDX-License-Identifier: Apache-2.0
"""The conformance tests over the deterministic provider, and over what is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from tlshub_core.testing import DeterministicProvider, KeyProviderConformance, Meeting, Pair, agent, deterministic_spec
from tlshub_core.testing.pair import CLIENT_NODE, SERVER_NODE, identity


class Sound(KeyProviderConformance):
    """The deterministic provider; `breaks` is the test that fails, `also` those that cannot but fail with it."""

    Provider: ClassVar[type[DeterministicProvider]] = DeterministicProvider
    breaks: ClassVar[str] = ""
    also: ClassVar[tuple[str, ...]] = ()
    spec = deterministic_spec(Meeting())
    supports = ("promises",)
    limit_s = 10.0

    def make_pair(self, folder: Path) -> Pair:
        meeting = Meeting()
        agents = [agent(identity(folder, node.name, 4646), self.spec.name) for node in (CLIENT_NODE, SERVER_NODE)]
        return Pair(
            client=self.Provider(meeting), server=self.Provider(meeting), client_agent=agents[0], server_agent=agents[1]
        )
