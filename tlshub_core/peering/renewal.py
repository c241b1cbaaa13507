# SPDX-License-Identifier: Apache-2.0
"""This node's certificate as its files are now: whoever renews it writes them, and restarts nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from tlshub_core.peering.dial import EngineFactory
from tlshub_core.peering.probe import check_identity
from tlshub_core.types.errors import ConfigError, Unavailable
from tlshub_core.types.interfaces import Identity, Level, TlsEngine

EngineBuilder = Callable[[Identity], EngineFactory]
AGAIN_S = 3600.0  # how often it is looked at what has not changed: it may expire soon
Stamp = tuple[tuple[int, int, int] | None, ...]
_log = logging.getLogger("tlshub.peering")


class Renewal:
    """A factory of engines which looks at the files before each session, and reads them where they have changed.

    `build` is called in the constructor, which raises what it does. Later, files that will not do keep what was read
    before, and are logged, once for each change. Sessions that are up keep the certificate that they began with.
    """

    def __init__(self, build: EngineBuilder, identity: Identity) -> None:
        self._build, self._identity = build, identity
        self._seen = _stamp(identity)
        self._engines = build(identity)
        self._will_do()

    def __call__(self, server_side: bool) -> TlsEngine:
        """An engine with the certificate of now."""
        if (now := _stamp(self._identity)) != self._seen:
            self._seen = now
            self._renew()
        elif time.monotonic() > self._looked + AGAIN_S:
            self._will_do()
        return self._engines(server_side)

    def _renew(self) -> None:
        if not self._will_do():
            return _log.error("the files of this node's certificate have changed; what was read before stays in use")
        try:
            self._engines = self._build(self._identity)
        except (ConfigError, Unavailable) as error:
            return _log.error("this node's certificate was not read again, the old one stays in use: %s", error)
        _log.info("this node's certificate was read again: '%s'", self._identity.cert)

    def _will_do(self) -> bool:
        """What is wrong with the files is logged; the peers find it, too, and refuse the session."""
        self._looked = time.monotonic()
        found = check_identity(self._identity)
        if found.level is not Level.OK:
            _log.warning("this node's certificate: %s; %s", found.message, found.remedy)
        return found.level is not Level.FAILED


def _stamp(identity: Identity) -> Stamp:
    return tuple(map(_stamp_of, (identity.cert, identity.key, identity.ca)))


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
