# SPDX-License-Identifier: Apache-2.0
"""A program inside a cgroup that makes TCP connections on loopback when it is told to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Commands on stdin: 'open' makes a connection and prints its port and its service's; 'close' closes all; 'churn N'.
TALKER = """
import socket, sys
open(sys.argv[1] + '/cgroup.procs', 'w').write('0')
listener, links = socket.create_server(('127.0.0.1', 0)), []
def link(port=0):
    client = socket.create_connection(listener.getsockname(), source_address=('127.0.0.1', port))
    server, _ = listener.accept()
    return client, server
print(listener.getsockname()[1], flush=True)
for line in sys.stdin:
    command, *rest = line.split()
    if command == 'open':
        client, server = link(int(rest[2]))
        for sender, receiver, size in ((client, server, int(rest[0])), (server, client, int(rest[1]))):
            sender.sendall(bytes(size))
            while size:
                size -= len(receiver.recv(size))
        links += [client, server]
        print(client.getsockname()[1], flush=True)
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

    def close(self) -> None:
        """Close all connections, the clients' ends first."""
        self.tell("close")
        assert self.answer() == "closed"

    def end(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.communicate()
