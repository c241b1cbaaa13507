# SPDX-License-Identifier: Apache-2.0
"""A real connection, and what stands in for the kernel's KTLS where a test needs to know its outcome."""

from __future__ import annotations

import time
from collections.abc import Iterator
from socket import socket

import pytest

from tlshub_core.pipeline import descriptor, ktls
from tlshub_core.testing.node import Link
from tlshub_core.testing.scripted import wiped
from tlshub_core.types.errors import Reason, Unavailable
from tlshub_core.types.flow import Side
from tlshub_core.types.keys import FlowKeys


@pytest.fixture
def link() -> Iterator[Link]:
    link = Link.make()
    yield link
    link.close()


@pytest.fixture
def no_ktls(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(sock: object, keys: FlowKeys, side: Side) -> None:
        raise Unavailable("the kernel refused KTLS", Reason.KTLS_UNAVAILABLE)

    monkeypatch.setattr(ktls, "install", refuse)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Side, bool]]:
    """Cookie, side, and whether there were keys, of every install."""
    found: list[tuple[int, Side, bool]] = []

    def install(sock: object, keys: FlowKeys, side: Side) -> tuple[int, int]:
        assert isinstance(sock, socket)
        found.append((descriptor.cookie_of(sock), side, not wiped(keys)))
        return time.monotonic_ns(), time.monotonic_ns()

    monkeypatch.setattr(ktls, "install", install)
    return found
