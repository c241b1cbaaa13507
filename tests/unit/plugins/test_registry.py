# SPDX-License-Identifier: Apache-2.0
"""Loading by name: five faults with five messages, and none of them spreads."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tlshub_core.api import KeyProviderSpec, PluginError
from tlshub_core.describe import LoadError
from tlshub_core.plugins import Registry

Install = Callable[..., Path]

MISSPELT = """
from tlshub_core.api import hookimpl

@hookimpl
def tlshub_key_provider():
    return []
"""
RAISING_HOOK = """
from tlshub_core.api import hookimpl

@hookimpl
def tlshub_event_sinks():
    raise ValueError("no sinks today")
"""
TWO_KINDS_WRONG = """
from tlshub_core.api import hookimpl

@hookimpl
def tlshub_event_sinks():
    return [object()]
"""


def _fault(name: str, *, running: str = "0.1.0") -> LoadError:
    with pytest.raises(LoadError) as caught:
        Registry(running=running).key_provider(name)
    assert isinstance(caught.value, PluginError)
    return caught.value


def test_loads_by_name_without_importing_the_others(install: Install) -> None:
    install("quartz")
    install("zircon")
    spec = Registry().key_provider("quartz")
    assert isinstance(spec, KeyProviderSpec)
    assert (spec.name, spec.summary) == ("quartz", "a fake")
    assert "fake_tlshub_capture_quartz" in sys.modules
    assert "fake_tlshub_capture_zircon" not in sys.modules


def test_missing_names_the_extra_and_what_is_there(install: Install) -> None:
    install("quartz")
    fault = _fault("agate")
    assert fault.fault == "missing"
    message = str(fault)
    assert message.startswith(
        "no plugin named 'agate' is installed: install it with `pip install 'tlshub-capture[agate]'`; installed are '"
    )
    assert "'quartz'" in message


def test_broken_import(install: Install) -> None:
    install("quartz", code="import no_such_module_anywhere\n")
    fault = _fault("quartz")
    assert fault.fault == "broken"
    assert str(fault) == (
        "plugin 'quartz' of 'tlshub-capture-quartz 1.0' is broken: importing or asking 'fake_tlshub_capture_quartz' "
        "raised ModuleNotFoundError: No module named 'no_such_module_anywhere'; repair or reinstall it"
    )


@pytest.mark.parametrize("code", ["raise SystemExit(3)\n", RAISING_HOOK, TWO_KINDS_WRONG, "def (:\n", "1 / 0\n"])
def test_broken_in_other_ways(install: Install, code: str) -> None:
    install("quartz", code=code)
    install("zircon")
    assert _fault("quartz").fault == "broken"
    assert Registry().key_provider("zircon").name == "zircon"


def test_descriptor_under_another_name(install: Install) -> None:
    module = install("quartz")
    module.write_text(module.read_text().replace('name="quartz"', 'name="beryl"'))
    assert str(_fault("quartz")) == (
        "plugin 'quartz' of 'tlshub-capture-quartz 1.0' is broken: its hooks describe nothing named 'quartz'; its "
        "author has to use one name for both"
    )


def test_incompatible_is_found_before_the_import(install: Install) -> None:
    install("quartz", requires="tlshub-capture (<2,>=1)")
    fault = _fault("quartz")
    assert fault.fault == "incompatible"
    assert str(fault) == (
        "plugin 'quartz' of 'tlshub-capture-quartz 1.0' needs 'tlshub-capture<2,>=1', running is '0.1.0': install "
        "versions that fit with `pip install --upgrade tlshub-capture tlshub-capture-quartz`"
    )
    assert "fake_tlshub_capture_quartz" not in sys.modules
    assert Registry(running="1.5").key_provider("quartz").name == "quartz"


@pytest.mark.parametrize(
    ("requires", "fits"),
    [
        ("Tlshub_Capture>=0.1,<0.2", True),
        ("tlshub-capture[all]>=0.1", True),
        ("tlshub-capture>=9; extra == 'docs'", True),
        ("tlshub-capture>=9; python_version > '3'", False),
        ("tlshub-capture-bpf>=9", True),
        ("tlshub-capturex>=9", True),
        ("tlshub-capture >>> 9", False),
    ],
)
def test_requirements(install: Install, requires: str, fits: bool) -> None:
    install("quartz", requires=requires)
    if fits:
        assert Registry(running="0.1.0").key_provider("quartz").name == "quartz"
    else:
        assert _fault("quartz").fault == "incompatible"


def test_duplicate_names_both(install: Install) -> None:
    install("quartz", distribution="acme-quartz")
    install("quartz", distribution="zeta-quartz", version="2.1")
    fault = _fault("quartz")
    assert fault.fault == "duplicate"
    message = str(fault)
    assert message.startswith("plugin 'quartz' is installed more than once, by '")
    assert "'acme-quartz 1.0'" in message
    assert "'zeta-quartz 2.1'" in message
    assert "`pip uninstall acme-quartz`" in message
    assert "`pip uninstall zeta-quartz`" in message


def test_misspelt_hook(install: Install) -> None:
    install("quartz", code=MISSPELT)
    fault = _fault("quartz")
    assert fault.fault == "misspelt"
    assert str(fault) == (
        "plugin 'quartz' of 'tlshub-capture-quartz 1.0' misspells a hook: its author has to rename the hook "
        "'tlshub_key_provider', which does not exist, did you mean 'tlshub_key_providers'?"
    )


def test_wrong_kind(install: Install) -> None:
    install("quartz")
    with pytest.raises(LoadError) as caught:
        Registry().event_sink("quartz")
    assert caught.value.fault == "wrong-kind"
    assert str(caught.value) == (
        "plugin 'quartz' is of kind 'key provider', not 'event sink': name another one, see `tlshub-capture plugins`"
    )
