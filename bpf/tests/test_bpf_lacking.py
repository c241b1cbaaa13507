# SPDX-License-Identifier: Apache-2.0
"""What bcc needs and does not find, each with what to install: bcc itself, headers, the whole of either, and memory."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tlshub_capture_bpf import compiling, headers, node_backend, sources
from tlshub_capture_bpf.node_loader import NodeLoader

from tlshub_core.api import Level, Unavailable


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch) -> str:
    """The release of the running kernel, which is one of Debian's from now on."""
    here = os.uname()
    version = f"#1 SMP PREEMPT_DYNAMIC Debian {here.release}-1 (2025-05-22)"
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*here[:3], version, here[4])))
    return here.release


def _headers_of(release: str, folder: Path) -> None:
    generated = folder / "include/generated"
    generated.mkdir(parents=True)
    (generated / "utsrelease.h").write_text(f'#define UTS_RELEASE "{release}"\n')
    (generated / "autoconf.h").write_text("")
    (folder / "include/linux").mkdir()


def test_what_is_missing_is_named_with_the_package(
    tmp_path: Path, debian: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = node_backend.probe(NodeLoader(str(tmp_path), tmp_path))
    assert (absent.level, absent.remedy) == (Level.FAILED, f"apt-get install linux-headers-{debian}")
    _headers_of(debian, tmp_path)
    monkeypatch.setattr(compiling, "interpreter", lambda: None)
    without = node_backend.probe(NodeLoader(str(tmp_path), tmp_path))
    assert (without.level, without.message, without.remedy) == (
        Level.FAILED, "bcc is not installed", "apt-get install python3-bpfcc"
    )  # fmt: skip
    monkeypatch.setattr(compiling, "interpreter", lambda: Path("/usr/bin/python3"))
    assert "compiled at the first start" in node_backend.probe(NodeLoader(str(tmp_path), tmp_path)).message


def test_headers_of_another_kernel_are_refused(tmp_path: Path) -> None:
    _headers_of("4.19.0-other", tmp_path)
    found = node_backend.probe(NodeLoader(str(tmp_path), tmp_path))
    assert found.level is Level.FAILED
    assert f"those of '4.19.0-other', running is '{os.uname().release}'" in found.message


def test_headers_of_a_kernel_that_debian_does_not_have_are_its_builders(tmp_path: Path) -> None:
    if "Debian" in os.uname().version:
        pytest.skip("this kernel is Debian's")
    found = node_backend.probe(NodeLoader(str(tmp_path), tmp_path))
    assert found.level is Level.FAILED and "apt-get" not in found.remedy, found
    assert "name their folder as 'headers' in '[plugin.bcc]'" in found.remedy


def test_headers_whose_common_part_is_missing_are_told(tmp_path: Path, debian: str) -> None:
    _headers_of(debian, tmp_path)
    (tmp_path / "Makefile").write_text(f"include {tmp_path}/common/Makefile\n")
    found = node_backend.probe(NodeLoader(str(tmp_path), tmp_path))
    assert found.message.endswith(f"lack those in '{tmp_path}/common'")
    assert found.remedy == f"apt-get install --reinstall linux-headers-{debian}"


def _said_by(python: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where that interpreter is to compile, and cannot."""
    _headers_of("6.1.0-1-amd64", folder)
    monkeypatch.setattr(compiling, "interpreter", lambda: python)
    with pytest.raises(Unavailable) as raised:
        asyncio.run(compiling.programs(sources.read(), headers.read(folder), folder / "cache"))
    return str(raised.value)


def test_a_bcc_that_cannot_be_imported_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    python = tmp_path / "bare/bin/python"
    said = _said_by(python, tmp_path, monkeypatch)
    assert said == f"bcc cannot be used by '{python}': No module named 'bcc': {compiling.REINSTALL}"


def test_a_compiler_that_was_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\ncat >/dev/null\nkill -KILL $$\n")
    python.chmod(0o700)
    said = _said_by(python, tmp_path, monkeypatch)
    assert said.startswith("bcc was ended by SIGKILL while it compiled: it needs some 200 MB of memory")


def test_headers_that_are_not_whole_are_told_as_the_compiler_does_and_named(tmp_path: Path, debian: str) -> None:
    if compiling.interpreter() is None:
        pytest.skip("bcc is not installed")
    _headers_of(debian, tmp_path)
    with pytest.raises(Unavailable) as raised:
        asyncio.run(compiling.programs(sources.read(), headers.read(tmp_path), tmp_path / "cache"))
    said = str(raised.value)
    assert f"bcc could not compile the programs for '{debian}': " in said and "file not found" in said, said
    assert said.endswith(f"apt-get install --reinstall linux-headers-{debian}")
