# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL and MariaDB in a node: a new, empty database of each, and the commands to serve it and to speak to it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.kit.node import Node

LATEST = -1


@contextmanager
def open_folder(owner: str) -> Iterator[Path]:
    """A folder of another user's, where that user can reach it."""
    folder = Path(tempfile.mkdtemp(prefix="lab-database-"))
    shutil.chown(folder, owner)
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


class Postgres:
    """The programs of the latest version that is installed; the test is skipped, by name, where there is none."""

    AS_USER = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")

    def __init__(self, node: Node, port: int) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            pytest.skip("'initdb' is not installed: apt-get install postgresql")
        self._bin, self._node, self._port = found[LATEST].parent, node, port

    def server(self, folder: Path) -> list[str | Path]:
        """Make the database; the command that serves it."""
        init = [self._bin / "initdb", "--no-sync", "-A", "trust", "--no-locale", "-E", "UTF8", "-D", folder / "data"]
        subprocess.run([*self.AS_USER, *init], check=True, stdout=subprocess.DEVNULL)
        with (folder / "data/pg_hba.conf").open("a") as file:
            file.write("host all all samenet trust\n")
        options = {
            "listen_addresses": self._node.ipv4,
            "port": self._port,
            "unix_socket_directories": "",
            "fsync": "off",
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [*self.AS_USER, self._bin / "postgres", "-D", folder / "data", *words]

    def client(self, program: str) -> list[str]:
        """The begin of a client's command."""
        return [str(self._bin / program), "-h", self._node.ipv4, "-p", str(self._port), "-U", "postgres", "postgres"]


class MariaDb:
    """A server that asks nobody who he is."""

    def __init__(self, node: Node, port: int) -> None:
        self._node, self._port = node, port

    def server(self, folder: Path) -> list[str | Path]:
        """Make the database; the command that serves it."""
        data = ["--no-defaults", "--user=root", f"--datadir={folder}/data"]
        small = ["--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M"]
        init = ["mariadb-install-db", *data, "--skip-test-db", *small]
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL)
        where = [f"--bind-address={self._node.ipv4}", f"--port={self._port}", f"--socket={folder}/socket"]
        return ["mariadbd", *data, *small, *where, "--skip-grant-tables", "--skip-name-resolve"]

    def client(self, *words: str) -> list[str]:
        """A client's command."""
        return ["mariadb", "--no-defaults", "-h", self._node.ipv4, "-P", str(self._port), "--local-infile=1", *words]
