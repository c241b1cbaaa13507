# SPDX-License-Identifier: Apache-2.0
"""Programs for one kernel: those that were compiled for it before, or compiled now by bcc, which takes a while."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path

from tlshub_capture_bpf import built, headers, sources
from tlshub_capture_bpf.built import Built
from tlshub_capture_bpf.compiler import NO_BCC
from tlshub_capture_bpf.headers import Headers
from tlshub_capture_bpf.sources import Sources
from tlshub_core.api import Unavailable

COMPILER = Path(__file__).with_name("compiler.py")
DEBIAN, DEBIANS_BCC = Path("/usr/bin/python3"), Path("/usr/lib/python3/dist-packages/bcc/__init__.py")
INSTALL = "apt-get install python3-bpfcc"
REINSTALL = "apt-get install --reinstall python3-bpfcc libbpfcc"
AGAIN_S = 10.0
_SAID = 8  # lines of the compiler, in a message
_log = logging.getLogger("tlshub.capture")


def interpreter() -> Path | None:
    """A Python that has bcc: this one, or Debian's; None where neither has."""
    if importlib.util.find_spec("bcc") is not None:
        return Path(sys.executable)
    return DEBIAN if DEBIAN.exists() and DEBIANS_BCC.exists() else None


async def programs(text: Sources, kernel: Headers, cache: Path) -> Built:
    """Kept in the folder `cache` or compiled and kept there; raises Unavailable."""
    path = cache / built.name_of(text, kernel)
    found = built.kept(path, text)
    if found is not None:
        return found
    functions = await _compiled(text, kernel)
    try:
        made = Built.of(text, functions)
    except ValueError as error:
        raise Unavailable(f"bcc compiled the programs to something else: {error}") from error
    try:
        built.keep(path, functions)
    except OSError as error:
        _log.warning("what bcc compiled is not kept, and will be compiled at every start: %s", error)
    return made


async def _compiled(text: Sources, kernel: Headers) -> dict[str, bytes]:
    python = interpreter()
    if python is None:
        raise Unavailable(f"bcc is not installed: {INSTALL}")
    _log.info("compiling the programs for the kernel '%s' with bcc, once", kernel.release)
    process = await asyncio.create_subprocess_exec(
        *(str(python), "-I", str(COMPILER)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "BCC_KERNEL_SOURCE": str(kernel.source)},
    )
    try:
        asked = json.dumps({"text": text.text(), "flags": kernel.flags}).encode()
        out, said = await _patiently(process, asked)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise Unavailable(_failure(process.returncode, said, python, kernel))
    return {name: bytes.fromhex(code) for name, code in json.loads(out)["functions"].items()}


def _failure(status: int, said: bytes, python: Path, kernel: Headers) -> str:
    """What went wrong, and what to do."""
    if status == NO_BCC:
        return f"bcc cannot be used by '{python}': {_essence(said)}: {REINSTALL}"
    if status < 0:
        name = signal.Signals(-status).name
        return (
            f"bcc was ended by {name} while it compiled: it needs some 200 MB of memory, in the agent's control group"
        )
    remedy = f"the headers may not be whole or not this kernel's: {headers.again(kernel.release)}"
    return f"bcc could not compile the programs for '{kernel.release}': {_essence(said)}: {remedy}"


async def _patiently(process: asyncio.subprocess.Process, asked: bytes) -> tuple[bytes, bytes]:
    """What it answers; now and then it is said that it is still at work."""
    began, talk = time.monotonic(), asyncio.create_task(process.communicate(asked))
    try:
        while not (await asyncio.wait({talk}, timeout=AGAIN_S))[0]:
            _log.info("bcc is still compiling, after %.0f s", time.monotonic() - began)
        return await talk
    finally:
        talk.cancel()


def _essence(said: bytes) -> str:
    """The lines of a compiler that name errors, or its last ones."""
    lines = said.decode(errors="replace").strip().splitlines()
    errors = [line.strip() for line in lines if "error:" in line or "Error:" in line]
    return "; ".join(errors[:_SAID] or lines[-_SAID:])


def main() -> None:
    """HEADERS CACHE: compile for the kernel of these headers, running or not, once for each kind of buffer."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    build, cache = map(Path, sys.argv[1:])
    try:
        for perf in (False, True):
            asyncio.run(programs(sources.read(perf=perf), headers.read(build), cache))
    except Unavailable as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
