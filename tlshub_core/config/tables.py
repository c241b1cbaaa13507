# SPDX-License-Identifier: Apache-2.0
"""The tables of 'capture.toml' with their defaults; durations are in milliseconds, as their names say."""

from __future__ import annotations

from pathlib import Path
from socket import gethostname
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, Strict

from tlshub_core.config.fields import Ciphers, File, Flag, Milliseconds, Names, NodeName, Port, Table, Text, TrustDomain
from tlshub_core.config.rules import Rule
from tlshub_core.types.keys import Cipher

MOST_RECORDS = 23_726_566  # 2^24.5, what RFC 8446 allows a key of AES-GCM in its section 5.5


class Capture(Table):
    """How connections are seen and held."""

    backend: Text = "auto"
    """What sees and holds connections; 'auto' takes the best of the installed ones that this machine can use."""
    cgroup: File = Path("/sys/fs/cgroup")
    """The cgroup v2 folder whose processes are captured; one further down captures less."""
    pins: File = Path("/sys/fs/bpf/tlshub")
    """Folder on a BPF file system, where programs and maps stay when the agent ends."""
    gate_deadline_ms: Milliseconds = 200
    """How long keys that are there may take to get into the socket, before the connection is refused."""
    handshake_deadline_ms: Milliseconds = 5000
    """How long a connection may wait for its keys, before it ends by its rule's mode."""
    warm_ms: Annotated[int, Strict(), Field(ge=0, le=600_000)] = 100
    """For so long after an answer of a node's agent, SYNs to its address go at once; 0: each waits."""
    passthrough_patience_ms: Milliseconds = 200
    """When a client that has sent nothing is captured, under a rule with 'passthrough'."""
    existing: Literal["report", "reset"] = "report"
    """What becomes of connections older than the agent: counted at start, or reset."""
    table_size: Annotated[int, Strict(), Field(ge=16, le=1 << 24)] = 65536
    """How many connections the kernel's table has room for; one more is denied."""


class Keys(Table):
    """Who supplies keys, and how long one may be used."""

    provider: Text
    """The key provider of connections whose rule names none."""
    providers_allowed: Names | None = None
    """What a peer may ask this node for; left out: whatever 'provider' is or was since the start."""
    ciphers: Ciphers = (Cipher.AES_GCM_128,)
    """Best first; what both nodes have is taken ('tlshub': the first)."""
    limit: Literal["report", "close"] = "report"
    """What becomes of a connection whose key is worn: it is reported, or closed too."""
    limit_records: Annotated[int, Strict(), Field(ge=1, le=MOST_RECORDS)] = MOST_RECORDS * 3 // 4
    """When a key is worn, in full records (RFC 8446, section 5.5, allows 2^24.5)."""

    @property
    def allowed(self) -> frozenset[str]:
        """The providers that a peer may ask this node for."""
        return frozenset(self.providers_allowed or (self.provider,))


class Peering(Table):
    """This node among the agents."""

    port: Port = 4646
    """Where this node's agent listens for the others, and where it asks theirs."""
    trust_domain: TrustDomain = "tlshub.local"
    """Of the certificates: 'spiffe://TRUST_DOMAIN/node/NODE'."""
    node: NodeName = Field(default_factory=gethostname)
    """This node's name, as in its certificate and in the mapping; left out: the host's name."""
    cert: File | None = None
    """Certificate, PEM, and those between it and the authority's; left out: 'NODE.pem' beside this file."""
    key: File | None = None
    """Its private key, PEM; left out: 'NODE-key.pem' beside this file."""
    ca: File | None = None
    """Certificates of the authorities, PEM; left out: 'ca.pem' beside this file."""
    any_node: Flag = False
    """Accept any node of the trust domain at an address that the mapping does not know."""


class Mapping(Table):
    """Where the pod-to-node mapping comes from, if from anywhere."""

    source: Text | None = None
    """A mapping source, which knows an address's pod and node; left out: there is none."""


class Events(Table):
    """Where events go; 'log', 'jsonl' and 'csv' are part of the core."""

    sinks: tuple[Text, ...] = ("log",)
    """Each gets every event, in a process of its own."""


class Control(Table):
    """Where 'tlshub-capture ctl' reaches the agent."""

    socket: File = Path("/run/tlshub-capture/control.sock")
    """Made with mode 0600; only root and the agent's own user are answered."""


class ControlOnly(Table):
    """A file of which nothing else is of interest: whatever is wrong in it, the agent has to be within reach."""

    model_config = ConfigDict(extra="ignore")

    control: Control = Control()


class Report(Table):
    """What the agent leaves of how connections were, when it stops."""

    folder: File | None = None
    """`perf_metrics_TIME.json` and `perf_metrics_TIME.csv` are written into it; it has to be there."""


class Debug(Table):
    """Aids for finding faults; a key log breaks the secrecy of every connection."""

    keylog_file: File | None = None
    """Keys of every connection are written to it, as JSON lines, for finding faults: never in production."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Of the agent's own log, on standard error."""


class Document(Table):
    """The whole file; plugins check their own tables. A table left out has to be given as an empty one."""

    capture: Capture = Capture()
    keys: Keys
    peering: Peering
    mapping: Mapping = Mapping()
    events: Events = Events()
    control: Control = Control()
    debug: Debug = Debug()
    report: Report = Report()
    plugin: dict[str, dict[str, object]] = Field(default={})
    rule: tuple[Rule, ...] = ()
