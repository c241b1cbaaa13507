# SPDX-License-Identifier: Apache-2.0
"""The tables of 'capture.toml' with their defaults; durations are in milliseconds, as their names say."""

from __future__ import annotations

from pathlib import Path
from socket import gethostname
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator

from tlshub_core.config import values
from tlshub_core.types.capture import Network as AnyNetwork
from tlshub_core.types.flow import Mode as AnyMode
from tlshub_core.types.keys import Cipher

Text = Annotated[str, Strict(), AfterValidator(values.printable)]
Flag = Annotated[bool, Strict()]
File = Annotated[Path, BeforeValidator(values.printable_path)]
NodeName = Annotated[str, Strict(), AfterValidator(values.node_name)]
TrustDomain = Annotated[str, Strict(), AfterValidator(values.trust_domain)]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
Milliseconds = Annotated[int, Strict(), Field(ge=1, le=600_000)]
Ports = Annotated[tuple[values.PortRange, ...], BeforeValidator(values.ports)]
Networks = Annotated[tuple[AnyNetwork, ...], BeforeValidator(values.networks)]
Names = Annotated[tuple[Text, ...], BeforeValidator(values.names)]
Ciphers = Annotated[tuple[Cipher, ...], BeforeValidator(values.ciphers)]
Mode = Annotated[AnyMode, BeforeValidator(values.mode)]

MOST_RECORDS = 23_726_566  # 2^24.5, what RFC 8446 allows a key of AES-GCM in its section 5.5


class Table(BaseModel):
    """What all tables share: unknown keys are errors, defaults are checked, nothing changes later."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Capture(Table):
    """How connections are seen and held; `backend` 'auto' takes the best installed one.

    `warm_ms`: for so long after an answer of a peer's agent, connections to that address begin without waiting for
    theirs; with 0 each waits in TCP's handshake. `passthrough_patience_ms`: under a rule with 'passthrough', a client
    that has sent nothing by then is captured.
    """

    backend: Text = "auto"
    cgroup: File = Path("/sys/fs/cgroup")
    pins: File = Path("/sys/fs/bpf/tlshub")
    gate_deadline_ms: Milliseconds = 200
    handshake_deadline_ms: Milliseconds = 5000
    warm_ms: Annotated[int, Strict(), Field(ge=0, le=600_000)] = 100
    passthrough_patience_ms: Milliseconds = 200
    existing: Literal["report", "reset"] = "report"
    table_size: Annotated[int, Strict(), Field(ge=16, le=1 << 24)] = 65536


class Keys(Table):
    """Who supplies keys; `providers_allowed` is what a peer may ask this node for, by default what is `provider` here.

    A provider to which the agent is switched while it runs counts too, where `providers_allowed` is left out. A key
    that has protected `limit_records` full records is reported, or with `limit = "close"` its connection ends.
    """

    provider: Text
    providers_allowed: Names | None = None
    ciphers: Ciphers = (Cipher.AES_GCM_128,)
    limit: Literal["report", "close"] = "report"
    limit_records: Annotated[int, Strict(), Field(ge=1, le=MOST_RECORDS)] = MOST_RECORDS * 3 // 4

    @property
    def allowed(self) -> frozenset[str]:
        """The providers that a peer may ask this node for."""
        return frozenset(self.providers_allowed or (self.provider,))


class Peering(Table):
    """This node among the agents; the files default to '<node>.pem', '<node>-key.pem' and 'ca.pem'."""

    port: Port = 4646
    trust_domain: TrustDomain = "tlshub.local"
    node: NodeName = Field(default_factory=gethostname)
    cert: File | None = None
    key: File | None = None
    ca: File | None = None
    any_node: Flag = False


class Mapping(Table):
    """Where the pod-to-node mapping comes from, if from anywhere."""

    source: Text | None = None


class Events(Table):
    """Where events go; 'log' is part of the core."""

    sinks: tuple[Text, ...] = ("log",)


class Control(Table):
    """Where 'tlshub-capture ctl' reaches the agent."""

    socket: File = Path("/run/tlshub-capture/control.sock")


class ControlOnly(Table):
    """A file of which nothing else is of interest: whatever is wrong in it, the agent has to be within reach."""

    model_config = ConfigDict(extra="ignore")

    control: Control = Control()


class Debug(Table):
    """Aids for finding faults; a key log breaks the secrecy of every connection."""

    keylog_file: File | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class Match(Table):
    """What a rule applies to: `ports` of the service, `cidrs` and `pods` of the peer; what is left out is anything."""

    ports: Ports | None = None
    cidrs: Networks | None = None
    pods: Names | None = None
    direction: Literal["in", "out", "both"] = "both"
    process: Text | None = None

    @model_validator(mode="after")
    def _process_is_known_on_the_connecting_side_only(self) -> Match:
        if self.process is not None and self.direction != "out":
            raise ValueError("'process' is known on the connecting side only: set direction = \"out\"")
        if self.process is not None and len(self.process.encode()) > 15:
            raise ValueError(f"process '{self.process}' is longer than 15 bytes, as the kernel cuts names: shorten it")
        return self


class Rule(Table):
    """One rule; the first that matches decides. `passthrough` leaves alone what is TLS of the application's own."""

    name: Text
    match: Match = Match()
    mode: Mode
    provider: Text | None = None
    passthrough: Literal["tls"] | None = None

    @model_validator(mode="after")
    def _only_what_is_held_can_be_let_through(self) -> Rule:
        if self.passthrough is not None and self.mode <= AnyMode.OBSERVE:
            name = self.mode.name.lower()
            raise ValueError(f"'passthrough' is for modes 'prefer' and 'require': '{name}' holds nothing, leave it out")
        return self


class Document(Table):
    """The whole file; plugins check their own tables. A table left out has to be given as an empty one."""

    capture: Capture = Capture()
    keys: Keys
    peering: Peering
    mapping: Mapping = Mapping()
    events: Events = Events()
    control: Control = Control()
    debug: Debug = Debug()
    plugin: dict[str, dict[str, object]] = Field(default={})
    rule: tuple[Rule, ...] = ()
