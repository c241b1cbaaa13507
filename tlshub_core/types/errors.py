# SPDX-License-Identifier: Apache-2.0
"""Errors that the core raises and understands; anything else a plugin raises is counted as its bug."""

from __future__ import annotations

from enum import Enum

from tlshub_core.events.human import printable


class Reason(Enum):
    """Why a flow was refused, released in clear, or lost; the value is what events and frames carry."""

    NO_AGENT = "no-agent"
    DEADLINE = "deadline"
    PEER_UNREACHABLE = "peer-unreachable"
    PEER_REFUSED = "peer-refused"
    PEER_UNVERIFIED = "peer-unverified"
    PEER_UNKNOWN = "peer-unknown"
    NOT_MINE = "not-mine"
    NOT_YOURS = "not-yours"
    NO_RULE = "no-rule"
    ALREADY_CLEAR = "already-clear"
    PROVIDER_NOT_ALLOWED = "provider-not-allowed"
    NO_COMMON_CIPHER = "no-common-cipher"
    UNSUPPORTED_VERSION = "unsupported-version"
    OVERLOADED = "overloaded"
    REPLAYED = "replayed"
    CLEAR_BYTES_QUEUED = "clear-bytes-queued"
    KTLS_UNAVAILABLE = "ktls-unavailable"
    ULP_PRESENT = "ulp-present"
    MPTCP = "mptcp"
    REPAIR = "repair"
    KERNEL_SOCKET = "kernel-socket"
    NOT_HELD = "not-held"
    SIMULTANEOUS_OPEN = "simultaneous-open"
    TABLE_FULL = "table-full"
    PASSTHROUGH = "passthrough"
    NOT_TLS = "not-tls"
    UNSUPPORTED = "unsupported"
    PROVIDER_FAILED = "provider-failed"
    PROVIDER_BUG = "provider-bug"
    OWNER_UNKNOWN = "owner-unknown"
    KEYS_LOST = "keys-lost"
    EVENT_LOST = "event-lost"
    SHUTDOWN = "shutdown"
    CLOSED = "closed"


# Why a client's socket can take no TLS while its other end waits; of one in repair mode that has begun long ago.
UNFIT = frozenset({Reason.MPTCP, Reason.KERNEL_SOCKET})


class TlshubError(Exception):
    """Base of every error that the core raises on purpose."""


class ConfigError(TlshubError):
    """A configuration value is wrong; the message names file, table and key."""

    def __init__(self, message: str, *, file: str, table: str = "", key: str = "") -> None:
        place = f"'{file}'"
        if table:
            place += f", table '[{table}]'"
        if key:
            place += f", key '{key}'"
        super().__init__(printable(f"{place}: {message}"))  # a key may be any text; a line says one thing
        self.file, self.table, self.key = file, table, key


class PluginError(TlshubError):
    """A plugin is missing, broken, incompatible, a duplicate or misspells a hook."""


class Unavailable(TlshubError):
    """Something outside the agent (kernel, module, peer) is not there now."""

    def __init__(self, message: str, reason: Reason = Reason.PROVIDER_FAILED) -> None:
        super().__init__(message)
        self.reason = reason


class Refused(TlshubError):
    """The peer or a rule said no to this flow; `by_peer` is true only for an explicit refusal by the other end."""

    def __init__(self, message: str, reason: Reason, *, by_peer: bool = False) -> None:
        super().__init__(message)
        self.reason, self.by_peer = reason, by_peer


class Unsupported(TlshubError):
    """This flow can never be served this way (address family, protocol, cipher)."""
