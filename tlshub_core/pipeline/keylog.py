# SPDX-License-Identifier: Apache-2.0
"""The one way for keys to leave the agent: '[debug] keylog_file', for finding faults, with throw-away traffic only."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tlshub_core.types.errors import Unavailable
from tlshub_core.types.flow import Flow
from tlshub_core.types.keys import DirectionKeys, FlowKeys
from tlshub_core.unfinished import unfinished


class KeyLog:
    """Appends a JSON line per secured flow to a file of mode 0600; raises Unavailable where that cannot be had."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd = os.open(path, flags, 0o600)
            os.fchmod(self._fd, 0o600)
            self._torn = unfinished(self._fd)
        except OSError as error:
            raise Unavailable(f"key log '{path}' cannot be written: {error.strerror}") from error

    def write(self, flow: Flow, keys: FlowKeys) -> None:
        """One line: both ends, the cipher's label, and each direction's fields in hex."""
        line = {
            "client": str(flow.client),
            "server": str(flow.server),
            "cipher": keys.cipher.label,
            "c2s": _hex(keys.client_to_server),
            "s2c": _hex(keys.server_to_client),
        }
        self._append(json.dumps(line).encode() + b"\n")

    def _append(self, line: bytes) -> None:
        """On a line of its own: an agent that is killed, or a disk that is full, may leave half of one."""
        text = b"\n" * self._torn + line
        try:
            written = os.write(self._fd, text)
        except OSError as error:
            raise Unavailable(f"the key log cannot be written: {error.strerror}") from error
        self._torn = 0 < written < len(text)
        if self._torn:
            raise Unavailable("the key log cannot be written: no space is left for the whole line")


def _hex(keys: DirectionKeys) -> dict[str, str]:
    return {"key": keys.key.hex(), "salt": keys.salt.hex(), "iv": keys.iv.hex(), "rec_seq": keys.rec_seq.hex()}
