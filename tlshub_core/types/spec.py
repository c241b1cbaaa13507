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
    summary: str
    config: type[BaseModel]
    factory: Callable[[Any], T]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyProviderSpec(Spec[KeyProvider]):
    """A key provider; `needs_socket` for handshakes on the connection itself, `families` it can serve.

    `passthrough`: it is a LeavingProvider, which rules with that option need. `library` names what makes the keys,
    with its version, for people; it may import it.
    """

    needs_socket: bool = False
    families: frozenset[AddressFamily] = field(default=frozenset({AF_INET, AF_INET6}))
    passthrough: bool = False
    library: Callable[[], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingSourceSpec(Spec[MappingSource]):
    """A source of the pod-to-node mapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSinkSpec(Spec[EventSink]):
    """A consumer of events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureBackendSpec(Spec[CaptureBackend]):
    """A way to see and hold connections; 'auto' tries the lowest `rank` first."""

    rank: int = 100
