# SPDX-License-Identifier: Apache-2.0
"""Descriptors that a plugin registers: a name, one line about it, its options, how to make one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from socket import AF_INET, AF_INET6, AddressFamily
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tlshub_core.types.interfaces import CaptureBackend, EventSink, KeyProvider, MappingSource

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec(Generic[T]):
    """What all descriptors share; `config` checks the plugin's table, `factory` gets the checked model."""

    name: str
    """As in the configuration, and as the entry point; lower case."""
    summary: str
    """One line for the list of plugins."""
    config: type[BaseModel]
    """Checks the table '[plugin.NAME]'; `extra="forbid"`, so that a misspelt option is an error."""
    factory: Callable[[Any], T]
    """Makes the plugin of its checked options; without side effects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyProviderSpec(Spec[KeyProvider]):
    """A key provider."""

    needs_socket: bool = False
    """`Pending.keys` gets the connection's own socket."""
    families: frozenset[AddressFamily] = field(default=frozenset({AF_INET, AF_INET6}))
    """The address families of connections that it can serve."""
    passthrough: bool = False
    """It is a LeavingProvider, which rules with `passthrough` need."""
    library: Callable[[], str] | None = None
    """Names what makes the keys, with its version, for people; it may import it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingSourceSpec(Spec[MappingSource]):
    """A source of the pod-to-node mapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSinkSpec(Spec[EventSink]):
    """A consumer of events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureBackendSpec(Spec[CaptureBackend]):
    """A way to see and hold connections."""

    rank: int = 100
    """With `backend = "auto"` the lowest is tried first."""
