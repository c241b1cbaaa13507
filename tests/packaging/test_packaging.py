# SPDX-License-Identifier: Apache-2.0
"""What the files of the packages say, without installing anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import tlshub_core
from tests.packaging.members import CORE, MEMBERS, ROOT, Member


@pytest.mark.parametrize("one", MEMBERS.values(), ids=MEMBERS)
def test_versions_agree(one: Member) -> None:
    assert one.version == CORE.version == tlshub_core.__version__


@pytest.mark.parametrize("one", MEMBERS.values(), ids=MEMBERS)
def test_what_members_require_of_each_other_is_what_there_is(one: Member) -> None:
    """uv passes over version ranges between members of its workspace."""
    requirements = [*one.requires, *(each for extra in one.extras.values() for each in extra)]
    among = [each for each in requirements if each.name in MEMBERS and each.specifier]
    assert all(each.specifier.contains(MEMBERS[each.name].version) for each in among)
    assert one is CORE or any(each.name == CORE.name for each in among), "a plugin says which core it fits"


def test_every_plugin_has_an_extra_of_its_name_and_all_has_every_extra() -> None:
    by_extra = {extra: {each.name for each in requires} for extra, requires in CORE.extras.items() if extra != "all"}
    plugins = {name for name, one in MEMBERS.items() if one is not CORE and one.plugins}
    always = {each.name for each in CORE.requires}
    assert set().union(*by_extra.values()) == plugins - always
    (every,) = CORE.extras["all"]
    assert (every.name, every.extras) == (CORE.name, set(by_extra))
    for extra, names in by_extra.items():
        assert extra.replace("-", "_") in {plugin for name in names for plugin in MEMBERS[name].plugins}


def test_the_requirements_of_a_checkout_are_its_members() -> None:
    lines = (ROOT / "requirements-checkout.txt").read_text().splitlines()
    assert {(ROOT / line.removeprefix("-e ")).resolve() for line in lines} == {one.folder for one in MEMBERS.values()}


def test_no_folder_but_those_of_packages_is_a_package() -> None:
    files = subprocess.run(
        ["git", "ls-files", "*/__init__.py"], cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True
    )
    packages = [Path(line) for line in files.stdout.splitlines()]
    assert [path for path in packages if path.parts[0] in ("plugins", "bpf", "tests") and "src" not in path.parts] == []
