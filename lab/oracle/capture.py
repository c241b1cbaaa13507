# SPDX-License-Identifier: Apache-2.0
"""Starts, settles and stops the capture; tcpdump does it, since a slow machine loses packets to anything slower."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from oracle.drops import Statistics, statistics, words_of

_COMMAND = ("tcpdump", "-n", "-U", "-s", "0", "-B", "65536", "-Z", "root", "--time-stamp-precision=nano")
_POLL_S = 0.05
# The kernel keeps a block of packets for a second, if it does not fill up, before tcpdump sees them.
_BLOCK_S = 1.5


class CaptureError(Exception):
    """The capture could not be started, or does not answer."""


def start(interface: str, pcap: Path, timeout: float = 30.0) -> int:
    """Capture everything on an interface of this network namespace; returns tcpdump's pid once it listens.

    What tcpdump says is kept in '<pcap>.log', its pid in '<pcap>.pid'. Raises CaptureError.
    """
    if running(pcap):
        raise CaptureError(f"a capture writes '{pcap}' already; stop it first")
    with words_of(pcap).open("wb") as words:
        process = subprocess.Popen(
            [*_COMMAND, "-i", interface, "-w", str(pcap)],
            stdin=subprocess.DEVNULL,
            stderr=words,
            start_new_session=True,
        )
    _pid_file(pcap).write_text(str(process.pid))
    for _ in _until(timeout):
        said = words_of(pcap).read_text()
        if "listening on" in said:
            return process.pid
        if process.poll() is not None:
            raise CaptureError(f"tcpdump on '{interface}' ended: {said.strip()}; is the interface there, are you root?")
    process.kill()
    raise CaptureError(f"tcpdump on '{interface}' does not listen after {timeout:g} s")


def running(pcap: Path) -> int | None:
    """The pid of the tcpdump that writes this file; None where it is not running (any more)."""
    try:
        pid = int(_pid_file(pcap).read_text())
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return pid if name == "tcpdump" and rest.split()[0] != "Z" else None


def settle(pcap: Path, timeout: float = 30.0) -> Statistics | None:
    """Wait until all that has crossed the interface is in the file; None where nothing is capturing.

    That is when tcpdump wrote as many packets as the kernel gave it, or has found no more for a second and a half.
    Raises CaptureError where traffic goes on for all of the time, or its file system is full: tcpdump does not say so.
    """
    pid, last, since = running(pcap), None, time.monotonic()
    if pid is None:
        return None
    for _ in _until(timeout):
        if not os.statvfs(pcap).f_bavail:
            raise CaptureError(f"no space is left for capture '{pcap}': what crosses now is not in it")
        now = _ask(pid, pcap)
        if now != last:
            last, since = now, time.monotonic()
        if now and (now.captured + now.dropped == now.received or time.monotonic() - since > _BLOCK_S):
            return now
    raise CaptureError(f"capture '{pcap}' does not settle in {timeout:g} s; end the traffic first")


def stop(pcap: Path, timeout: float = 30.0) -> Statistics:
    """End the capture with nothing left behind; its last words. Raises CaptureError where none is running."""
    settle(pcap, timeout)
    pid = running(pcap)
    if pid is None:
        raise CaptureError(f"no capture writes '{pcap}'; what it said is in '{words_of(pcap)}'")
    os.kill(pid, signal.SIGINT)
    for _ in _until(timeout):
        if running(pcap) is None:
            return statistics(pcap)[-1]
    raise CaptureError(f"tcpdump (pid {pid}) does not end on SIGINT; kill it, and do not trust '{pcap}'")


def _ask(pid: int, pcap: Path) -> Statistics | None:
    """Have tcpdump say its numbers; None where it did not answer at once.

    It writes out each packet (-U) before it answers. Its signal to write out, SIGUSR2, damages the file: the handler
    does so in the middle of another write.
    """
    before = len(statistics(pcap))
    os.kill(pid, signal.SIGUSR1)
    time.sleep(_POLL_S)
    said = statistics(pcap)
    return said[-1] if len(said) > before else None


def _until(timeout: float) -> Iterator[None]:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        yield
        time.sleep(_POLL_S)


def _pid_file(pcap: Path) -> Path:
    return pcap.with_name(pcap.name + ".pid")
