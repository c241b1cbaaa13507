# SPDX-License-Identifier: Apache-2.0
"""What an agent can be asked over its control socket: one JSON object on one line, all of its fields there.

    {"version": 1, "command": "flows", "state": "held", "limit": 100}

Strict, since the agent that reads it is root: anything else is refused, with a message for whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tlshub_core.control.shape import build, dumps, fields_of, loads
from tlshub_core.types.capture import State
from tlshub_core.wording import quoted, suggestion

VERSION = 1
LIMIT = 4096  # bytes of a request, its newline included
MAX_MINUTES = 7 * 24 * 60
MAX_FLOWS = 1_000_000
MAX_TOP = 200
MAX_TEXT = 100
HELD = "held"
STATES = tuple(state.name.lower() for state in State)
ORDERS = ("newest", "oldest", "held", "state", "process", "peer", "rule")


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How the agent is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """The connections of now, the latest first: at most `limit`, in `state` ('held': not decided yet; '': any)."""

    state: str
    limit: int

    def __post_init__(self) -> None:
        if self.state not in ("", HELD, *STATES):
            raise ValueError(f"unknown state '{self.state[:40]}', expected one of {quoted((HELD, *STATES))}")
        if not 1 <= self.limit <= MAX_FLOWS:
            raise ValueError(f"the limit is out of range: 1 to {MAX_FLOWS}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Top:
    """What a live view shows: of the connections that contain `text` ('': all) the first `limit` in that `order`."""

    limit: int
    order: str
    text: str

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_TOP:
            raise ValueError(f"the limit is out of range: 1 to {MAX_TOP}")
        if self.order not in ORDERS:
            raise ValueError(f"unknown order '{self.order[:40]}', expected one of {quoted(ORDERS)}")
        if len(self.text) > MAX_TEXT or not self.text.isprintable():
            raise ValueError(f"a text to look for is at most {MAX_TEXT} printable characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules as compiled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """Read the configuration again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bypass:
    """Leave new connections alone, for `minutes` (0: until told otherwise); or go by the rules again."""

    on: bool
    minutes: int

    def __post_init__(self) -> None:
        if not 0 <= self.minutes <= MAX_MINUTES:
            raise ValueError(f"the minutes are out of range: 1 to {MAX_MINUTES}, or 0 for no end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """The key providers that run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Make that key provider the one of new connections."""

    name: str

    def __post_init__(self) -> None:
        if not (self.name.isprintable() and 0 < len(self.name) <= 100):
            raise ValueError("a provider's name is 1 to 100 printable characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How the agent has performed."""


Request = Status | Flows | Top | Rules | Reload | Bypass | Providers | Provider | Report
_KINDS: tuple[type[Request], ...] = (Status, Flows, Top, Rules, Reload, Bypass, Providers, Provider, Report)
COMMANDS: Mapping[str, type[Request]] = MappingProxyType({kind.__name__.lower(): kind for kind in _KINDS})


def encode(request: Request) -> bytes:
    """The request as a line."""
    head = {"version": VERSION, "command": type(request).__name__.lower()}
    return dumps({**head, **fields_of(request)}).encode() + b"\n"


def decode(line: bytes) -> Request:
    """The request on that line; raises ValueError for anything but one."""
    plain = loads(line)
    if not isinstance(plain, dict):
        raise ValueError("not a JSON object")
    version, command = plain.pop("version", None), plain.pop("command", None)
    if type(version) is not int or version != VERSION:
        shown = str(version)[:40]
        raise ValueError(f"'version' is {shown}, this agent knows {VERSION}: use the 'tlshub-capture' of its release")
    if not isinstance(command, str) or command not in COMMANDS:
        raise ValueError(f"unknown command '{str(command)[:40]}'{suggestion(str(command)[:40], COMMANDS)}")
    return build(COMMANDS[command], plain)
