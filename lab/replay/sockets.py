# SPDX-License-Identifier: Apache-2.0
"""A process that has established sockets, for an agent to take duplicates of, and the records that tell of them."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from ipaddress import IPv4Address
from multiprocessing.connection import Connection, Pipe
from socket import create_connection, create_server, socket

from tlshub_capture_bpf import layout

from tlshub_core.pipeline.descriptor import cookie_of
from tlshub_core.types.capture import Owner, State
from tlshub_core.types.flow import Mode, Side, Tuple4

COMM = b"bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """One connection: of each end the descriptor in the holder and the cookie."""

    pid: int
    tuple4: Tuple4
    fds: tuple[int, int]
    cookies: tuple[int, int]

    def cookie(self, side: Side) -> int:
        """SO_COOKIE of that end."""
        return self.cookies[side - 1]

    def owner(self, side: Side) -> Owner:
        """The holder."""
        return Owner(pid=self.pid, fd=self.fds[side - 1], inode=0, comm=COMM.decode())

    def records(self, side: Side) -> list[bytes]:
        """SEEN, ESTABLISHED, OWNED, as the programs write them."""
        cookie, now = self.cookie(side), time.monotonic_ns()
        owner = layout.OWNER.pack(0, self.pid, self.fds[side - 1], COMM)
        known = owner if side is Side.CLIENT else layout.OWNER.pack(0, 0, -1, b"")
        tuple_ = layout.pack_tuple(self.tuple4, side)
        bodies = (
            layout.SEEN.pack(tuple_, 0, side, Mode.REQUIRE, State.NEW, 0, known, 0, 0),
            layout.ESTABLISHED.pack(1, 2),
            layout.OWNED.pack(owner, side is Side.CLIENT),
        )
        at = layout.HEADER.size
        return [layout.HEADER.pack(kind, 0, cookie, now) + body[at:] for kind, body in enumerate(bodies, 1)]


class Holder:
    """The process, a fork of this one; 127.0.0.1 connects to 127.0.0.2."""

    hosts = (IPv4Address("127.0.0.1"), IPv4Address("127.0.0.2"))

    def __init__(self) -> None:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        self._pipe, theirs = Pipe()
        self._pid = os.fork()
        if self._pid == 0:
            self._pipe.close()
            try:
                _hold(theirs)
            except EOFError:  # whoever asked for sockets is gone
                os._exit(1)
            finally:
                os._exit(0)
        theirs.close()

    def make(self, count: int) -> list[Ends]:
        """So many connections; those made before are closed."""
        self._pipe.send(count)
        found: list[Ends] = self._pipe.recv()
        return found

    def close(self) -> None:
        """End the process."""
        self._pipe.send(0)
        os.waitpid(self._pid, 0)


def _hold(pipe: Connection) -> None:
    kept: list[socket] = []
    while count := pipe.recv():
        for sock in kept:
            sock.close()
        kept.clear()
        with create_server((str(Holder.hosts[1]), 0)) as listener:
            pipe.send([_connect(listener, kept) for _ in range(count)])


def _connect(listener: socket, kept: list[socket]) -> Ends:
    client = create_connection(listener.getsockname(), source_address=(str(Holder.hosts[0]), 0))
    server = listener.accept()[0]
    kept += (client, server)
    ports = client.getsockname()[1], server.getsockname()[1]
    tuple4 = Tuple4(client=Holder.hosts[0], client_port=ports[0], server=Holder.hosts[1], server_port=ports[1])
    fds, cookies = (client.fileno(), server.fileno()), (cookie_of(client), cookie_of(server))
    return Ends(pid=os.getpid(), tuple4=tuple4, fds=fds, cookies=cookies)
