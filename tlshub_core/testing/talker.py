# SPDX-License-Identifier: Apache-2.0
"""A program inside a cgroup that makes TCP connections on loopback when it is told to."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

# Commands on stdin: 'open' makes a connection and prints its port and its service's; 'close' closes all; 'churn N';
# 'end HOW SENT RECEIVED' makes one and ends it; 'fail' makes none.
TALKER = """
import contextlib, socket, struct, sys
open(sys.argv[1] + '/cgroup.procs', 'w').write('0')
listener, links = socket.create_server(('127.0.0.1', 0)), []
def link(port=0):
    client = socket.create_connection(listener.getsockname(), source_address=('127.0.0.1', port))
    server, _ = listener.accept()
    return client, server
def move(sender, receiver, size):
    sender.sendall(bytes(size))
    while size:
        size -= len(receiver.recv(size))
def reset(end):
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    end.close()
def end(how, sent, received):
    client, server = link()
    if how == 'half-close':
        client.sendall(bytes(sent))
        client.shutdown(socket.SHUT_WR)
        while server.recv(65536):
            pass
        move(server, client, received)
    elif how == 'unread':
        client.sendall(bytes(sent))
        move(server, client, received)
    else:
        move(client, server, sent)
        server.sendall(bytes(received)) if how == 'unacknowledged' else move(server, client, received)
    first, second = (client, server) if how in ('client', 'half-close') else (server, client)
    if how in ('reset', 'unacknowledged'):
        first, second = client, server
        reset(client)
    first.close()
    with contextlib.suppress(ConnectionResetError):
        second.recv(1)
    second.close()
print(listener.getsockname()[1], flush=True)
for line in sys.stdin:
    command, *rest = line.split()
    if command == 'open':
        client, server = link(int(rest[2]))
        move(client, server, int(rest[0]))
        move(server, client, int(rest[1]))
        links += [client, server]
        print(client.getsockname()[1], flush=True)
    elif command == 'end':
        end(rest[0], int(rest[1]), int(rest[2]))
        print('ended', flush=True)
    elif command == 'fail':
        with socket.create_server(('127.0.0.1', 0)) as other:
            nobody = other.getsockname()
        with socket.socket() as one:
            print(one.connect_ex(nobody), flush=True)
    elif command == 'churn':
        for _ in range(int(rest[0])):
            for end in link():
                end.close()
        print('churned', flush=True)
    else:
        for end in links:
            end.close()
        print('closed', flush=True)
"""


class Talker:
    """The program in the cgroup; `service` is the port that it connects to."""

    def __init__(self, cgroup: Path) -> None:
        command = [sys.executable, "-S", "-c", TALKER, str(cgroup)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.service = int(self.answer())

    def tell(self, command: str) -> None:
        """Send a command, and do not wait."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        """The next answer."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def open(self, sent: int, received: int, port: int = 0) -> int:
        """Make a connection on which the client sends and receives so many bytes; returns the client's port.

        That is `port`, or one that the kernel chooses.
        """
        self.tell(f"open {sent} {received} {port}")
        return int(self.answer())

    def bring_to_an_end(self, how: str, sent: int, received: int) -> None:
        """Make a connection on which the client sends and receives so many bytes; it is over afterwards.

        Closed first by the 'client', by the 'server', or by the client's end of file ('half-close'); reset by the
        client when all is read ('reset') or before it has acknowledged anything ('unacknowledged'), or by a server that
        has read nothing ('unread').
        """
        self.tell(f"end {how} {sent} {received}")
        assert self.answer() == "ended"

    def fail_to_connect(self) -> None:
        """Connect to a port where nobody listens."""
        self.tell("fail")
        assert int(self.answer()) == errno.ECONNREFUSED

    def close(self) -> None:
        """Close all connections, the clients' ends first."""
        self.tell("close")
        assert self.answer() == "closed"

    def end(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.communicate()
