# SPDX-License-Identifier: Apache-2.0
"""One target's run: its process, what the fuzzer says meanwhile, and what came of it."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.kit.target import ROOT

_MEMORY = "/dev/shm"  # several targets write a file for each input
_LATEST = re.compile(rb"#(\d+)\s")
_FOUND = re.compile(rb"Test unit written to (\S+)")
_EXECUTED = re.compile(rb"stat::number_of_executed_units: *(\d+)")
_LAST_WORDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it: `failure` is empty, or what is to be said; `lines` (reached, all) are None where it failed."""

    name: str
    executions: int
    inputs: int
    lines: tuple[int, int] | None
    failure: str


class Run:
    """Fuzzes one target for so many seconds; below `folder` is what it finds, see `worker`."""

    def __init__(self, name: str, folder: Path, seconds: int) -> None:
        self.name, self.executions, self.inputs = name, 0, 0
        self._folder, self._seconds = folder / name, seconds
        self._said: list[str] = []
        self._found = ""

    async def outcome(self) -> Outcome:
        """Run it to its end."""
        self._folder.mkdir(parents=True, exist_ok=True)
        status = await self._fuzzed()
        failure = self._failure(status) if status else ""
        lines = None if failure else await self._lines()
        return Outcome(name=self.name, executions=self.executions, inputs=self.inputs, lines=lines, failure=failure)

    async def _fuzzed(self) -> int:
        command = ("tests.fuzz.kit.worker", self.name, str(self._folder), str(self._seconds))
        scratch = tempfile.TemporaryDirectory(dir=_MEMORY if os.path.isdir(_MEMORY) else None)
        with scratch as folder, (self._folder / "log").open("wb") as log:
            process = await _started(command, {**os.environ, "TMPDIR": folder})
            assert process.stdout
            try:
                while line := await process.stdout.readline():
                    log.write(line)
                    self._hear(line)
                return await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()

    def _hear(self, line: bytes) -> None:
        if counted := _LATEST.match(line) or _EXECUTED.match(line):
            self.executions = int(counted[1])
            self.inputs += b"\tNEW " in line
        if found := _FOUND.search(line):
            self._found = found[1].decode()
        elif not (counted or line.startswith((b"INFO", b"WARNING", b"==", b"stat::", b"MS:", b"0x", b"\\", b"Base64"))):
            self._said = [*self._said, line.decode(errors="replace").rstrip()][-_LAST_WORDS:]

    def _failure(self, status: int) -> str:
        words = "\n".join(f"  | {line}" for line in self._said if line)
        if not self._found:
            return f"'{self.name}' could not be fuzzed (exit status {status}), see '{self._folder}/log':\n{words}"
        again = f"{os.path.relpath(sys.executable)} -m tests.fuzz.kit.replay {self.name} {self._found}"
        return f"'{self.name}' has a finding:\n{words}\n  input: {self._found}\n  again: {again}"

    async def _lines(self) -> tuple[int, int]:
        process = await _started(("tests.fuzz.kit.replay", "--lines", self.name, str(self._folder / "corpus")), None)
        out, _ = await process.communicate()
        reached, every = out.split()[-2:]
        return int(reached), int(every)


async def _started(module: tuple[str, ...], environment: dict[str, str] | None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", *module, cwd=ROOT, env=environment, limit=1 << 20,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
