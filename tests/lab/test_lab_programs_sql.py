# SPDX-License-Identifier: Apache-2.0
"""Databases: PostgreSQL with psql and pgbench, and MariaDB."""

from __future__ import annotations

from pathlib import Path

from tests.lab.kit.database import MariaDb, Postgres, open_folder
from tests.lab.kit.node import Node
from tests.lab.kit.ports import Ports
from tests.lab.kit.program import need, serving
from tests.lab.kit.talk import payload
from tests.lab.kit.wire import Wire

CLIENTS, EACH = 4, 10
BALANCED = "select count(*), sum(delta) = (select sum(abalance) from pgbench_accounts) from pgbench_history"


def test_postgresql(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path) -> None:
    port, content, file = ports.require(), payload(marker, 300_000), tmp_path / "lines"
    file.write_bytes(content)
    postgres = Postgres(node_b, port)
    psql, pgbench = [*postgres.client("psql"), "-X", "-q", "-A", "-t"], postgres.client("pgbench")
    with open_folder("postgres") as folder, serving(node_b, postgres.server(folder), port, log=tmp_path / "log"):
        node_a.run(
            [*psql, "-c", "create table lines (n serial, line text)", "-c", f"\\copy lines (line) from '{file}'"]
        )
        assert node_a.run([*psql, "-c", "select line from lines order by n"]).encode() == content
        node_a.run([*pgbench, "-q", "-i", "-I", "dtGp"], 120)
        transactions = ["-c", str(CLIENTS), "-j", "2", "-t", str(EACH), "-M", "prepared"]
        assert f"processed: {CLIENTS * EACH}/{CLIENTS * EACH}" in node_a.run([*pgbench, *transactions], 120)
        assert node_a.run([*psql, "-c", BALANCED]) == f"{CLIENTS * EACH}|t\n"
    wire.secured(marker, port)


def test_mariadb(node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path) -> None:
    need("mariadbd", "mariadb-server-core")
    need("mariadb", "mariadb-client-core")
    port, content, file = ports.require(), payload(marker, 300_000), tmp_path / "lines"
    file.write_bytes(content)
    database = MariaDb(node_b, port)
    with open_folder("root") as folder, serving(node_b, database.server(folder), port, log=tmp_path / "log"):
        create = "create database lab; create table lab.lines (n int auto_increment primary key, line text)"
        load = f"load data local infile '{file}' into table lab.lines (line)"
        node_a.run(database.client("-e", f"{create}; {load}"))
        assert node_a.run(database.client("-N", "-e", "select line from lab.lines order by n")).encode() == content
    wire.secured(marker, port)
