# SPDX-License-Identifier: Apache-2.0
"""Configurations that several tests read."""

from __future__ import annotations

from pathlib import Path

FULL = """
[capture]
backend = "auto"
cgroup = "/sys/fs/cgroup"
pins = "/sys/fs/bpf/tlshub"
gate_deadline_ms = 200
passthrough_patience_ms = 300
warm_ms = 0
handshake_deadline_ms = 5000
existing = "reset"
table_size = 1024
[keys]
provider = "quartz"
providers_allowed = ["quartz", "zircon"]
ciphers = ["aes-gcm-256", "aes-gcm-128"]
[peering]
port = 4747
trust_domain = "example.org"
node = "node-a"
cert = "pki/node.pem"
key = "/keys/node.pem"
ca = "ca.pem"
[mapping]
source = "pods"
[events]
sinks = ["log", "jsonl"]
[plugin.pods]
path = "pods.conf"
[control]
socket = "run/control.sock"
[debug]
keylog_file = "keys.log"
[report]
folder = "reports"
[[rule]]
name = "web"
match = { ports = [80, "8000-8100"], cidrs = ["10.0.0.0/8", "fd00::1"], direction = "both" }
mode = "require"
passthrough = "tls"
[[rule]]
name = "curl"
match = { process = "curl", direction = "out", pods = ["api-1"] }
mode = "bypass"
provider = "zircon"
"""
MINIMAL = '[keys]\nprovider = "quartz"\n'


def write(folder: Path, text: str, name: str = "capture.toml") -> Path:
    """A configuration file in that folder."""
    path = folder / name
    path.write_text(text)
    return path
