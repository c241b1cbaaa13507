# SPDX-License-Identifier: Apache-2.0
"""What is compared, and what of it this machine can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tlshub_core.benching import crew
from tlshub_core.benching.agents import Agents
from tlshub_core.benching.offer import Offer
from tlshub_core.benching.result import PLAIN
from tlshub_core.benching.way import Way
from tlshub_core.benching.work import Ready, Share
from tlshub_core.describe import KINDS
from tlshub_core.inventory import inventory
from tlshub_core.pipeline.local import NAME as LOCAL
from tlshub_core.plugins import Registry
from tlshub_core.types.errors import TlshubError, Unavailable
from tlshub_core.types.spec import KeyProviderSpec

USERSPACE, STUNNEL, KTLS = "userspace-tls", "stunnel", "ktls:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A way to the server; with `provider` it is captured. `detail` says what served, as it was found."""

    name: str
    way: Way
    provider: str = ""
    detail: str = ""


def known(registry: Registry) -> tuple[str, ...]:
    """Names of all variants that there are, plain first; a key provider that is installed is one."""
    kind = KINDS[KeyProviderSpec].label
    providers = (row.name for row in inventory(registry) if row.kind == kind)
    return (PLAIN, USERSPACE, STUNNEL, *(f"{KTLS}{name}" for name in (LOCAL, *providers)))


def ways(names: Sequence[str], offer: Offer, host: str, near: int | None) -> tuple[Variant, ...]:
    """The variants of these names; `near` is the port of this end's stunnel, None where there is none."""
    made = {
        PLAIN: Way(host=host, port=offer.plain),
        USERSPACE: Way(host=host, port=offer.tls, authority=offer.authority),
        STUNNEL: Way(host="127.0.0.1", port=near or 0),
    }
    captured = Way(host=host, port=offer.captured)
    return tuple(Variant(name=name, way=made.get(name, captured), provider=name.partition(KTLS)[2]) for name in names)


def able(
    variants: Sequence[Variant], agents: Agents, local: bool, tell: Callable[[str], None]
) -> tuple[Sequence[Variant], Mapping[str, str]]:
    """Those that a connection of each shows to work, and by name why the others do not.

    Raises Unavailable where plain TCP does not work, or is captured: there is nothing to compare with, then.
    """
    found: list[Variant] = []
    skipped: dict[str, str] = {}
    absent = agents.absent()
    for variant in variants:
        tell(variant.name)
        if why := _beforehand(variant, absent, local):
            skipped[variant.name] = why
            continue
        try:
            found.append(_tried(variant, agents, bool(absent)))
        except TlshubError as error:
            if variant.name == PLAIN:
                raise Unavailable(f"'{PLAIN}' does not work: {error}") from error
            skipped[variant.name] = str(error)
    return found, skipped


def _beforehand(variant: Variant, absent: str, local: bool) -> str:
    if variant.name == STUNNEL and not variant.way.port:
        return "'stunnel' is not installed at both ends: Debian's package is 'stunnel4'"
    if variant.provider and absent:
        return absent
    if variant.provider not in ("", LOCAL) and local:
        return "both ends are on this node, where no provider is asked: take two nodes, see 'bench serve'"
    if variant.provider == LOCAL and not local:
        return "the ends are on two nodes, where a provider is asked"
    return ""


def _tried(variant: Variant, agents: Agents, absent: bool) -> Variant:
    """One request, and what the agent has to say about its connection."""

    def check(ready: Sequence[Ready]) -> None:
        if variant.provider:
            agents.secured(ready, variant.provider)
        elif not absent and variant.name != STUNNEL:
            agents.untouched(ready)

    if variant.provider:
        agents.switch(variant.provider)
    share = Share(way=variant.way, count=1, size=1, fresh=False, warm_up=1, seed=0)
    found = crew.run([share], check)
    return replace(variant, detail=", ".join(found.suites))
