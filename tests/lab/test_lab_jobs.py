# SPDX-License-Identifier: Apache-2.0
"""Job control in an interactive shell, and tracers of a program that is held."""

from __future__ import annotations

import subprocess
import time
from functools import partial
from pathlib import Path

from tests.lab.kit.chat import Flag
from tests.lab.kit.hold import gate, held, speaker, spoken, stopped, warm
from tests.lab.kit.job import Say
from tests.lab.kit.node import Node
from tests.lab.kit.ports import IPV4, Ports, Way
from tests.lab.kit.program import need
from tests.lab.kit.talk import accept, listener, payload
from tests.lab.kit.terminal import Terminal, terminal
from tests.lab.kit.wire import Wire

pytestmark = gate
SHELL = ("bash", "--norc", "--noprofile", "-i")
CTRL_Z = "\x1a"


def reading(port: int, out: Path) -> str:
    """A command of the shell that blocks in read() on a captured connection."""
    return f"cat </dev/tcp/{IPV4.host}/{port} >{out}"


def ends_well(shell: Terminal, out: Path, content: bytes) -> None:
    shell.type("echo ended-$?\n")
    shell.until("ended-0")
    assert out.read_bytes() == content


def test_no_job_is_stopped_by_the_gate(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path
) -> None:
    port, content, out = ports.require(), payload(marker), tmp_path / "out"
    warm(node_a, node_b, ports.require())
    speaker(node_b, port, content)
    with terminal(node_a, SHELL) as shell:
        with stopped(node_b):
            shell.type(reading(port, out) + " &\n")
            held(node_a)
            shell.type("jobs; echo looked-$((40 + 2))\n")
            assert "Running" in shell.until("looked-42")
        shell.type("wait %1\n")
        ends_well(shell, out, content)
        assert "Stopped" not in shell.said
    spoken(wire, marker, port)


def drip(say: Say, way: Way, port: int, marker: bytes, ended: Flag) -> bytes:
    """A line now and then until told to end; all of it."""
    sent = b""
    with listener(way, port) as sock:
        say("listening")
        with accept(sock) as connection:
            while not ended.is_set():
                line = b"%s %d\n" % (marker, len(sent))
                connection.sendall(line)
                sent += line
                time.sleep(0.1)
    return sent


def test_a_user_stops_and_continues_what_was_held(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path
) -> None:
    port, ended, out = ports.require(), Flag(), tmp_path / "out"
    server = node_b.start(partial(drip, way=IPV4, port=port, marker=marker, ended=ended))
    assert server.heard() == "listening"
    with terminal(node_a, SHELL) as shell:
        shell.type(reading(port, out) + "\n")
        node_a.await_events("Secured", 1)
        shell.type(CTRL_Z)
        for words in ("Stopped", str(out)):
            shell.until(words)
        shell.type("fg\n")
        for words in ("fg", str(out)):  # the shell repeats the command that goes on
            shell.until(words)
        ended.set()
        ends_well(shell, out, server.result())
    spoken(wire, marker, port)


def test_a_stop_that_a_user_asks_for_meanwhile_costs_no_byte(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path
) -> None:
    port, content, out = ports.require(), payload(marker), tmp_path / "out"
    warm(node_a, node_b, ports.require())
    speaker(node_b, port, content)
    with terminal(node_a, SHELL) as shell:
        with stopped(node_b):
            shell.type(reading(port, out) + "\n")
            held(node_a)
            shell.type(CTRL_Z)
            time.sleep(1)  # it may be taken back or come about; nothing tells of the former
        shell.type("fg; true\n")  # where it was taken back there is no job any more when the shell reads this
        ends_well(shell, out, content)
    spoken(wire, marker, port)


def test_strace_of_a_held_program(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path
) -> None:
    strace, trace, out = need("strace", "strace"), tmp_path / "trace", tmp_path / "out"
    port, content = ports.require(), payload(marker)
    warm(node_a, node_b, ports.require())
    speaker(node_b, port, content)
    with stopped(node_b):
        program = node_a.spawn(["bash", "-c", f"exec {reading(port, out)}"])
        (pid,) = held(node_a)
        tracer = subprocess.Popen([strace, "-f", "-o", trace, "-p", str(pid)])
        while not trace.exists() or b"ERESTARTSYS" not in trace.read_bytes():
            assert tracer.poll() is None, "strace does not stay attached"
            time.sleep(0.1)
    assert program.wait(60) == 0 == tracer.wait(10) and out.read_bytes() == content
    seen = trace.read_text()
    assert "SIGCONT" in seen and "SIGSTOP" not in seen and "+++ exited with 0 +++" in seen
    spoken(wire, marker, port)


def test_gdb_attached_to_a_held_program(
    node_a: Node, node_b: Node, wire: Wire, ports: Ports, marker: bytes, tmp_path: Path
) -> None:
    gdb, port, content, out = need("gdb", "gdb"), ports.require(), payload(marker), tmp_path / "out"
    warm(node_a, node_b, ports.require())
    speaker(node_b, port, content)
    with terminal(node_a, [gdb, "-q", "-nx"]) as debugger:
        debugger.until("(gdb)")
        with stopped(node_b):
            program = node_a.spawn(["bash", "-c", f"exec {reading(port, out)}"])
            (pid,) = held(node_a)
            debugger.type(f"attach {pid}\n")
            debugger.until("(gdb)")
            debugger.type("continue\n")
            debugger.until("SIGCONT")
            debugger.type("detach\n")
            debugger.until("detached")
        assert program.wait(60) == 0 and out.read_bytes() == content
    spoken(wire, marker, port)
