# SPDX-License-Identifier: Apache-2.0
"""The real agent, forked from this process, which has imported it already.

Where agents are killed again and again: started anew, Python alone takes many seconds under emulation.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import tlshub_capture_bpf.backend
import tlshub_capture_openssl.engine
import tlshub_capture_podmap_file.source

import tlshub_core.service
from tests.lab.kit.place import enter
from tests.lab.kit.slow_agent import Delays, patch
from tlshub_core.cli.main import main

PRELOADED = (
    tlshub_core.service,
    tlshub_capture_bpf.backend,
    tlshub_capture_openssl.engine,
    tlshub_capture_podmap_file.source,
)


def fork_agent(node: str, arguments: Sequence[str], log: Path, *, delayed: bool) -> int:
    """Start it in that node, with the delays of kit/slow.py if need be; its process."""
    pid = os.fork()
    return pid or _child(node, arguments, log, delayed)


def _child(node: str, arguments: Sequence[str], log: Path, delayed: bool) -> NoReturn:
    status: object = 1
    try:
        _settle(node, log)
        if delayed:
            patch(Delays())
        sys.argv = ["tlshub-capture", *arguments]
        main()
    except SystemExit as ended:
        status = ended.code
    finally:
        sys.stdout.flush()
        os._exit(status if isinstance(status, int) else 1)


def _settle(node: str, log: Path) -> None:
    """Nothing of the test is the agent's but what it has imported: no descriptor, no signal, no session."""
    os.setsid()
    enter(node)
    faulthandler.disable()
    logging.root.handlers.clear()
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, sink), (2, sink)):
        os.dup2(source, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(kind, signal.SIG_DFL)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
