# SPDX-License-Identifier: Apache-2.0
"""What TLS is done with today where an application has none: a pair of stunnels, a pair of HAProxys."""

from __future__ import annotations

from pathlib import Path

from tlshub_core.benching.stunnel import COMMON, SUITE, far_end, near_end

STUNNEL_IN, STUNNEL_TLS = 8011, 8444
HAPROXY_IN, HAPROXY_TLS = 8012, 8445

_HAPROXY = f"""\
global
    ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets
    ssl-default-bind-ciphersuites {SUITE}
    ssl-default-server-options ssl-min-ver TLSv1.3 no-tls-tickets
    ssl-default-server-ciphersuites {SUITE}
defaults
    mode tcp
    timeout connect 60s
    timeout client 600s
    timeout server 600s
"""


def stunnel(folder: Path, server: str, backend: int) -> dict[str, list[str]]:
    """Write the configuration of both ends; the commands by node."""
    near = near_end(f"127.0.0.1:{STUNNEL_IN}", f"{server}:{STUNNEL_TLS}")
    pair = folder / "pair.pem"
    far = far_end(f"{STUNNEL_TLS}", f"127.0.0.1:{backend}", pair, pair)
    files = _write(folder, "stunnel", f"{COMMON}setuid = root\n", near, far)
    return {node: ["stunnel4", str(file)] for node, file in files.items()}


def haproxy(folder: Path, server: str, backend: int) -> dict[str, list[str]]:
    """Write the configuration of both ends; the commands by node."""
    peer = f"server far {server}:{HAPROXY_TLS} ssl verify none no-ssl-reuse"
    near = f"listen near\n    bind 127.0.0.1:{HAPROXY_IN}\n    {peer}\n"
    far = f"listen far\n    bind :{HAPROXY_TLS} ssl crt {folder}/pair.pem\n    server nginx 127.0.0.1:{backend}\n"
    files = _write(folder, "haproxy", _HAPROXY, near, far)
    return {node: ["haproxy", "-db", "-f", str(file)] for node, file in files.items()}


def _write(folder: Path, name: str, common: str, near: str, far: str) -> dict[str, Path]:
    files = {"node-a": folder / f"{name}-near.conf", "node-b": folder / f"{name}-far.conf"}
    for file, own in zip(files.values(), (near, far), strict=True):
        file.write_text(common + own)
    return files
