# SPDX-License-Identifier: Apache-2.0
"""Certificates of the bench's own, ECDSA P-256, for the ways that talk TLS in programs: an authority and a server."""

from __future__ import annotations

import ssl
from pathlib import Path

from tlshub_core.peering import pki

DOMAIN, NAME = "bench.invalid", "server"


def make(folder: Path) -> None:
    """Write 'ca.pem', 'server.pem', 'server-key.pem' and the authority's key into a folder."""
    pki.init(folder, DOMAIN, [NAME])


def authority(folder: Path) -> str:
    """The authority's certificate, in PEM."""
    return (folder / "ca.pem").read_text()


def context(folder: Path) -> ssl.SSLContext:
    """The server's end: TLS 1.3, without tickets, so that no handshake is shortened."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.num_tickets = 0
    made.load_cert_chain(folder / f"{NAME}.pem", folder / f"{NAME}-key.pem")
    return made
