# SPDX-License-Identifier: Apache-2.0
"""Programs that carry files or measure: OpenSSH, rsync, iperf3."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.lab.kit.node import Node
from tests.lab.kit.ports import Ports
from tests.lab.kit.program import need, serving
from tests.lab.kit.talk import payload
from tests.lab.kit.wire import Wire

LISTINGS = 10
SSHD = """
ListenAddress {address}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
Subsystem sftp internal-sftp
VersionAddendum {marker}
"""
RSYNCD = """
use chroot = no
uid = 0
gid = 0
[files]
    path = {served}
    read only = no
"""


def test_openssh(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path) -> None:
    sshd, ssh, scp = need("sshd", "openssh-server"), need("ssh", "openssh-client"), need("scp", "openssh-client")
    port, control, content = ports.require(), ports.bypass(), payload(marker, 300_000)
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / key], check=True)
    settings = SSHD.format(address=node_b.ipv4, folder=tmp_path, marker=marker.decode())
    (tmp_path / "sshd").write_text(f"Port {port}\nPort {control}\n{settings}")
    (tmp_path / "there").write_bytes(content)
    Path("/run/sshd").mkdir(exist_ok=True)
    quiet = ["-q", "-i", str(tmp_path / "user"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    with serving(node_b, [sshd, "-D", "-e", "-f", tmp_path / "sshd"], port, control, log=tmp_path / "log"):
        host = f"root@{node_b.ipv4}"
        assert node_a.run([ssh, *quiet, "-p", str(port), host, "cat", str(tmp_path / "there")], 120).encode() == content
        back, again = tmp_path / "back", tmp_path / "again"
        node_a.run([scp, *quiet, "-P", str(port), f"{host}:{tmp_path}/there", str(back)], 120)
        node_a.run([scp, *quiet, "-P", str(port), str(back), f"{host}:{again}"], 120)
        node_a.run([ssh, *quiet, "-p", str(control), host, "true"], 120)
    assert back.read_bytes() == content == again.read_bytes()
    wire.secured(marker, port, flows=3)
    wire.clear(marker, control)


def test_rsync(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path) -> None:
    rsync, port = need("rsync", "rsync"), ports.require()
    sent, served, back = (tmp_path / name for name in ("sent", "served", "back"))
    served.mkdir()
    sent.mkdir()
    for number in range(20):
        (sent / f"{number}").write_bytes(payload(marker, 1 + number * number * 1000))
    (tmp_path / "rsyncd.conf").write_text(RSYNCD.format(served=served))
    daemon = [rsync, "--daemon", "--no-detach", f"--config={tmp_path}/rsyncd.conf", f"--port={port}"]
    with serving(node_b, [*daemon, f"--address={node_b.ipv4}"], port, log=tmp_path / "log"):
        remote = f"rsync://{node_b.ipv4}:{port}/files/"
        node_a.run([rsync, "-a", f"{sent}/", remote], 120)
        node_a.run([rsync, "-a", remote, f"{back}/"], 120)
        for _ in range(LISTINGS):  # its first write trusts select(), see test_lab_trusting.py
            node_a.run([rsync, remote])
    for file in sent.iterdir():
        assert (served / file.name).read_bytes() == file.read_bytes() == (back / file.name).read_bytes()
    wire.secured(marker, port, flows=2 + LISTINGS)


def test_iperf3(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path) -> None:
    """Four connections and one to steer them, each way; what iperf3 sends forth is a file with the marker in it."""
    iperf3, port, file, size = need("iperf3", "iperf3"), ports.require(), tmp_path / "file", 1_000_000
    file.write_bytes(payload(marker, size))
    client = [iperf3, "-c", node_b.ipv4, "-p", str(port), "-P", "4", "-n", str(size), "-i", "0", "-J"]
    with serving(node_b, [iperf3, "-s", "-p", str(port), "-i", "0"], port, log=tmp_path / "log"):
        for direction in (["-F", str(file)], ["--reverse"]):
            total = json.loads(node_a.run([*client, *direction], 120))["end"]
            assert total["sum_sent"]["bytes"] >= size and total["sum_received"]["bytes"] >= size / 2, total
    found = wire.secret(marker, port)
    assert len(found) == 2 * 5 and all(sum(one.records) for one in found), found
