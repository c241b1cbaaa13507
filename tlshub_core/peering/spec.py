# SPDX-License-Identifier: Apache-2.0
"""The descriptor and the options of a key provider that is a TLS engine under the peering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress

from tlshub_core.types.interfaces import KeyProvider
from tlshub_core.types.spec import KeyProviderSpec

if TYPE_CHECKING:
    from tlshub_core.peering.renewal import EngineBuilder
    from tlshub_core.peering.settings import Settings


class PeeringOptions(BaseModel):
    """The table '[plugin.NAME]': all options have defaults; times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: IPvAnyAddress | None = None
    """One address instead of all."""
    session_max_age_s: float = Field(default=3600.0, gt=0, le=86_400)
    """A session between agents is replaced by a fresh one after so long."""
    session_max_flows: int = Field(default=10_000, ge=1)
    """Or after so many connections."""
    handshake_timeout_s: float = Field(default=5.0, gt=0, le=60)
    """How long the handshake of a session may take."""

    def settings(self) -> Settings:
        """The same, as the peering wants it."""
        from tlshub_core.peering.settings import Settings

        return Settings(
            listen="" if self.listen is None else str(self.listen),
            session_max_age_s=self.session_max_age_s,
            session_max_flows=self.session_max_flows,
            handshake_timeout_s=self.handshake_timeout_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PeeringFactory:
    """Makes the provider; the same for the same arguments, so that descriptors can be compared."""

    name: str
    engines: EngineBuilder

    def __call__(self, options: PeeringOptions) -> KeyProvider:
        """A provider with these options; the certificate is read when it is started."""
        from tlshub_core.peering.provider import PeeringProvider

        return PeeringProvider(self.name, self.engines, options.settings())


def peering_spec(name: str, summary: str, engines: EngineBuilder, library: Callable[[], str]) -> KeyProviderSpec:
    """A descriptor for the hook 'tlshub_key_providers'.

    `engines` gives the factory of engines with a node's certificate (argument: whether server side), or raises
    ConfigError; `library` names the TLS library. Neither is called before the provider is used, so a plugin imports
    its library inside them.
    """
    return KeyProviderSpec(
        name=name,
        summary=summary,
        config=PeeringOptions,
        factory=PeeringFactory(name=name, engines=engines),
        passthrough=True,
        library=library,
    )
