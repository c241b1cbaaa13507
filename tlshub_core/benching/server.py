# SPDX-License-Identifier: Apache-2.0
"""The echo server: a process for each connection that it serves at a time, on a port for each way."""

from __future__ import annotations

import multiprocessing
import os
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from tlshub_core.benching import certificate, child, stunnel
from tlshub_core.benching.offer import VERSION, Offer, encode
from tlshub_core.benching.serving import serve, wrapper
from tlshub_core.types.errors import Unavailable
from tlshub_core.wording import lowered

WAYS = ("plain", "captured", "tls", "stunnel")
# Processes are forked, and so nothing that starts a thread may be in this one: a bar of progress is drawn by hand.
_FORK = multiprocessing.get_context("fork")
_BACKLOG = 256


@contextmanager
def serving(address: str, port: int, workers: int) -> Iterator[Offer]:
    """Listen on four ports from `port` on, or on any free ones where it is 0, for as long as the block runs.

    `workers` are the processes of each way. Raises Unavailable where a port is taken, or the address is not this
    machine's.
    """
    with TemporaryDirectory(prefix="tlshub-bench-") as name:
        folder = Path(name)
        certificate.make(folder)
        listeners = {way: _listener(address, port + at if port else 0) for at, way in enumerate(WAYS[:3])}
        ports = {way: one.getsockname()[1] for way, one in listeners.items()}
        offer = Offer(version=VERSION, **ports, stunnel=None, authority=certificate.authority(folder), workers=workers)
        far = stunnel.far(folder, address, port + 3 if port else 0, ports["plain"])
        with far as found, _processes(listeners, certificate.context(folder), replace(offer, stunnel=found)):
            yield replace(offer, stunnel=found)


def _listener(address: str, port: int) -> socket.socket:
    try:
        return socket.create_server((address, port), family=family(address), backlog=_BACKLOG)
    except OSError as error:
        why = lowered((error.strerror or str(error)).partition(" (while")[0])
        raise Unavailable(f"cannot listen on '{address}', port {port}: {why}: choose others with '--port'") from error


def family(address: str) -> socket.AddressFamily:
    """That of an address as it is written."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@contextmanager
def _processes(listeners: dict[str, socket.socket], context: ssl.SSLContext, offer: Offer) -> Iterator[None]:
    wraps = {"plain": wrapper(None), "captured": wrapper(None), "tls": wrapper(context)}
    # One more for plain: it is asked for the offer, also while all others are busy.
    processes: Sequence[BaseProcess] = [
        _FORK.Process(target=serve, args=(os.getpid(), listener, wraps[way], encode(offer)), daemon=True)
        for way, listener in listeners.items()
        for _ in range(offer.workers + (way == "plain"))
    ]
    try:
        with child.undisturbed():
            for process in processes:
                process.start()
        for listener in listeners.values():
            listener.close()
        yield
    finally:
        _end(processes)


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in [process for process in processes if process.pid]:
        process.kill()
    for process in [process for process in processes if process.pid]:
        process.join()
