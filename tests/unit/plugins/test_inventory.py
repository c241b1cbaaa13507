# SPDX-License-Identifier: Apache-2.0
"""All installed plugins at once: faulty ones are told, and leave the others alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tlshub_core.inventory import inventory
from tlshub_core.plugins import Registry

Install = Callable[..., Path]

MISSPELT = """
from tlshub_core.api import hookimpl

@hookimpl
def tlshub_key_provider():
    return []
"""


def test_inventory_lists_faulty_ones_beside_good_ones(install: Install) -> None:
    install("quartz")
    install("agate", code="1 / 0\n")
    install("beryl", code=MISSPELT)
    install("onyx", distribution="acme-onyx")
    install("onyx", distribution="zeta-onyx")
    rows = [row for row in inventory(Registry()) if row.name in {"quartz", "agate", "beryl", "onyx"}]
    states = sorted((row.name, row.state) for row in rows)
    assert states == [
        ("agate", "broken"), ("beryl", "misspelt"), ("onyx", "duplicate"), ("onyx", "duplicate"), ("quartz", "ok")
    ]  # fmt: skip
    good = next(row for row in rows if row.name == "quartz")
    assert (good.kind, good.summary, good.distribution, good.version, good.message) == (
        "key provider", "a fake", "tlshub-capture-quartz", "1.0", ""
    )  # fmt: skip
    assert all(row.message and row.distribution for row in rows if row.state != "ok")


def test_the_library_of_a_provider_is_told_and_one_that_does_not_load_is_a_fault(install: Install) -> None:
    for name, library in (("quartz", "'Stone 1.2'"), ("agate", "1 / 0")):
        install(name, code=PROVIDER.format(name=name, library=library))
    rows = {row.name: row for row in inventory(Registry())}
    assert (rows["quartz"].library, rows["quartz"].state) == ("Stone 1.2", "ok")
    assert (rows["agate"].library, rows["agate"].state) == ("", "broken")
    assert "the library of plugin 'agate' cannot be used: ZeroDivisionError" in rows["agate"].message


PROVIDER = """
from pydantic import BaseModel
from tlshub_core.api import KeyProviderSpec, hookimpl

@hookimpl
def tlshub_key_providers():
    return [
        KeyProviderSpec(name="{name}", summary="s", config=BaseModel, factory=print, library=lambda: {library})
    ]
"""


def test_backends_for_auto_leave_faulty_plugins_out(install: Install) -> None:
    install("agate", code="1 / 0\n")
    install("quartz", code=BACKEND)
    assert "quartz" in [spec.name for spec in Registry().capture_backends()]


BACKEND = """
from pydantic import BaseModel
from tlshub_core.api import CaptureBackendSpec, hookimpl

@hookimpl
def tlshub_capture_backends():
    return [CaptureBackendSpec(name="quartz", summary="", config=BaseModel, factory=lambda options: None)]
"""
