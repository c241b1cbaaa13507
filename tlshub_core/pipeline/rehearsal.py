# SPDX-License-Identifier: Apache-2.0
"""Proves at start that the kernel does KTLS with every configured cipher, on a connection of the agent to itself.

The kernel loads the modules for it now; otherwise the first application would wait for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from socket import AF_INET, SOCK_STREAM, socket

from tlshub_core.pipeline import ktls
from tlshub_core.pipeline.local import random_keys
from tlshub_core.types.errors import Unavailable
from tlshub_core.types.flow import Side
from tlshub_core.types.keys import Cipher

GREETING = b"one record each way"
PATIENCE_S = 10.0


def rehearse(ciphers: Iterable[Cipher]) -> None:
    """Raises Unavailable, naming the cipher, where a byte sent by KTLS does not arrive by KTLS."""
    for cipher in ciphers:
        try:
            client, server = pair()
            with client, server:
                _exchange(client, server, cipher)
        except (OSError, Unavailable) as error:
            raise Unavailable(f"kernel TLS with '{cipher.label}' does not work here: {error}; see 'doctor'") from error


def pair() -> tuple[socket, socket]:
    """A connection of this process to itself over loopback; raises OSError."""
    with socket(AF_INET, SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client = socket(AF_INET, SOCK_STREAM)
        client.settimeout(PATIENCE_S)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        server.settimeout(PATIENCE_S)
        return client, server


def _exchange(client: socket, server: socket, cipher: Cipher) -> None:
    keys = random_keys(cipher)
    try:
        ktls.install(client, keys, Side.CLIENT)
        ktls.install(server, keys, Side.SERVER)
    finally:
        keys.wipe()
    for sender, receiver in ((client, server), (server, client)):
        sender.sendall(GREETING)
        if receiver.recv(len(GREETING)) != GREETING:
            raise Unavailable("what arrived is not what was sent")
