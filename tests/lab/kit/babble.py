# SPDX-License-Identifier: Apache-2.0
"""Nonsense for an agent's port."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl

from tests.lab.kit.job import Say

PEERING = 4646


def babble(_say: Say, host: str, folder: str) -> list[str]:
    """Nonsense from strangers, then a frame that is too long from one with a good certificate."""
    said = [_say_to(host, words) for words in (os.urandom(4000), b"\x16\x03\x01\xff\xff" + bytes(70_000), b"")]
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname = False
    trust.load_verify_locations(f"{folder}/ca.pem")
    trust.load_cert_chain(f"{folder}/node-a.pem", f"{folder}/node-a-key.pem")
    with trust.wrap_socket(socket.create_connection((host, PEERING))) as known:
        assert known.recv(4096), "no welcome"
        known.sendall(b"\xff\xff\x01\x01" + bytes(70_000))
        said.append("ended" if not _rest(known) else "answered")
    return said


def _say_to(host: str, words: bytes) -> str:
    with socket.create_connection((host, PEERING)) as stranger:
        with contextlib.suppress(OSError):  # it may have been reset already: that is an end
            stranger.sendall(words)
            stranger.shutdown(socket.SHUT_WR)
        _rest(stranger)
        return "ended"


def _rest(sock: socket.socket) -> bytes:
    got = b""
    try:
        while chunk := sock.recv(4096):
            got = chunk
    except OSError:
        return b""
    return got
