# SPDX-License-Identifier: Apache-2.0
"""'verify' on an interface: real TCP between two namespaces, in records, in TLS of its own, and in clear."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.unit.control.serving import serving
from tests.unit.verifying.frames import record
from tests.unit.verifying.running import PROGRAM, talk, until_end, verifying
from tests.unit.verifying.spaces import ENDS, Spaces
from tlshub_core.control.answers import FlowsAnswer
from tlshub_core.control.binding import Caller
from tlshub_core.control.conversation import Send
from tlshub_core.control.requests import Request
from tlshub_core.control.rows import FlowRow
from tlshub_core.peering.pki import init


def findings(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By the server's end."""
    return {one["server"]: one for one in document["findings"]}


def test_records_alone_are_encrypted(link: Spaces, config: Path) -> None:
    with verifying(link, config, "--count", 3) as running:
        talk(link, 80, record(100) * 3, record(16000) * 2)
        talk(link, 81, record(16384) * 300, record(16384) * 300, six=True)
        talk(link, 80, record(1), record(16640))
        status, document = running.verdict()
    assert (status, document["answer"], document["lost"]) == (0, "encrypted", 0), document
    found = findings(document)[f"[{ENDS['b'][1]}]:81"]
    assert (found["client_sent"]["records"], found["server_sent"]["records"]) == (300, 300)
    assert found["client_sent"]["size"] == 300 * 16389


def test_what_is_in_clear_is_found_among_records(link: Spaces, config: Path) -> None:
    with verifying(link, config, "--count", 2) as running:
        talk(link, 80, record(100), record(100))
        talk(link, 81, record(100) + b"hello in clear", record(50))
        status, document = running.verdict()
    found = findings(document)[f"{ENDS['b'][0]}:81"]
    assert (status, document["answer"], document["connections"]["encrypted"]) == (1, "clear", 1)
    assert (found["rule"], found["client_sent"]["ranges"], found["server_sent"]["clear"]) == ("prefers", [[105, 14]], 0)


def test_plain_text_is_in_clear_from_its_first_byte(link: Spaces, config: Path, tmp_path: Path) -> None:
    with verifying(link, config, "--count", 1, "--pcap", tmp_path / "kept.pcap") as running:
        talk(link, 80, b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n")
        assert running.verdict()[0] == 1
    again = subprocess.run(
        [PROGRAM, "verify", config, "--json", "--read", tmp_path / "kept.pcap"], capture_output=True, timeout=60
    )
    (found,) = json.loads(again.stdout)["findings"]
    assert (again.returncode, found["client_sent"]["ranges"], found["server_sent"]["ranges"]) == (
        1,
        [[0, 18]],
        [[0, 19]],
    )


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    init(tmp_path / "pki", "example.org", ["b"])
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(tmp_path / "pki/b.pem", tmp_path / "pki/b-key.pem")
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    return server, client


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
def test_the_applications_own_tls_is_as_its_rule_says(
    link: Spaces, config: Path, contexts: tuple[ssl.SSLContext, ssl.SSLContext], version: ssl.TLSVersion
) -> None:
    server, client = contexts
    client.maximum_version = version

    def answer(sock: socket.socket) -> None:
        with server.wrap_socket(sock, server_side=True) as tls:
            tls.sendall(tls.recv(100))
            tls.unwrap()

    with verifying(link, config, "--count", 2) as running:
        for port in (80, 85):
            link.serve(port, answer)
            with client.wrap_socket(link.connect(port)) as tls:
                tls.sendall(b"hello")
                assert tls.recv(100) == b"hello"
                tls.unwrap()
            link.join()
        status, document = running.verdict()
    found = {one["rule"]: one for one in document["findings"]}
    assert (status, found["web"]["outcome"], found["own"]["outcome"]) == (1, "clear", "own-tls")
    assert found["web"]["why"].startswith("the handshake of the application's own TLS")
    assert found["web"]["client_sent"]["ranges"][0][0] == 0


def test_a_connection_that_was_there_before_is_unknown(link: Spaces, config: Path) -> None:
    go = threading.Event()

    def answer(sock: socket.socket) -> None:
        assert go.wait(60)
        assert len(sock.recv(100)) == len(record(5))
        sock.sendall(record(9))

    link.serve(80, answer)
    with link.connect(80) as sock, verifying(link, config, "--count", 1) as running:
        sock.sendall(record(5))
        go.set()
        assert until_end(sock) == record(9)
        sock.close()
        status, document = running.verdict()
    link.join()
    assert (status, document["answer"]) == (1, "unknown")
    assert document["findings"][0]["why"].startswith("not seen from its start")


def test_the_agent_is_asked_why_and_ctrl_c_ends_it(link: Spaces, config: Path) -> None:
    ends: list[str] = []
    asked, go = threading.Event(), threading.Event()

    async def handle(request: Request, caller: Caller, send: Send) -> FlowsAnswer:
        await send([row(*ends)])
        asked.set()
        return FlowsAnswer(total=1, flows=())

    def answer(sock: socket.socket) -> None:
        sock.sendall(b"220 welcome")
        assert go.wait(60)

    with serving(config.with_name("control.sock"), handle), verifying(link, config) as running:
        link.serve(81, answer)
        with link.connect(81) as sock:
            ends += ["{}:{}".format(*sock.getsockname()), "{}:{}".format(*sock.getpeername())]
            assert sock.recv(100) == b"220 welcome"
            assert asked.wait(60), "it does not ask the agent"
            running.process.send_signal(signal.SIGINT)
            status, document = running.verdict()
            go.set()
    link.join()
    (found,) = document["findings"]
    assert (status, found["outcome"], found["server_sent"]["ranges"]) == (1, "clear", [[0, 11]])
    assert found["why"] == "the agent has it as in clear: no-agent"


def row(client: str, server: str) -> FlowRow:
    return FlowRow(
        id="i", side="client", client=client, server=server, peer="", pid=1, comm="x", state="clear", reason="no-agent",
        rule="prefers", mode="prefer", provider="openssl", cipher="", age_ms=1, hold_ms=1,
    )  # fmt: skip
