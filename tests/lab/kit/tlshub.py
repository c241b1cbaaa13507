# SPDX-License-Identifier: Apache-2.0
"""The stand-in for TLSHub's kernel module (tests/tlshub_sim): loading it and scripting it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.kit.place import enter_network

PROTOCOL = 31
DEADLINE_S, REQUEST_S = 6.0, 1.5
_CHANGES = {
    "keys.provider": '"tlshub"',
    "capture.handshake_deadline_ms": str(int(DEADLINE_S * 1000)),
    "plugin.tlshub.request_timeout_s": str(REQUEST_S),
    "plugin.tlshub.handshake_timeout_s": "3.0",
}
_FILE = Path("/proc/net/tlshub_sim")


def with_tlshub(**options: str) -> pytest.MarkDecorator:
    """Agents of both nodes whose keys come from the module, with these options of the plugin."""
    changes = {**_CHANGES, **{f"plugin.tlshub.{name}": value for name, value in options.items()}}
    return pytest.mark.agents(node_a=changes, node_b=changes)


def beside_openssl(ports: range) -> pytest.MarkDecorator:
    """Agents of both nodes whose keys come from the module on these ports only."""
    match = f'name = "hub"\nmatch = {{ ports = ["{ports[0]}-{ports[-1]}"] }}\nmode = "require"\nprovider = "tlshub"\n'
    changes = {**_CHANGES, "keys.provider": '"openssl"', "rules": f"[[rule]]\n{match}"}
    return pytest.mark.agents(node_a=changes, node_b=changes)


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This process is in that network namespace meanwhile."""
    here = f"/proc/self/fd/{os.open('/proc/self/ns/net', os.O_RDONLY)}"
    enter_network(f"/run/netns/{namespace}")
    try:
        yield
    finally:
        enter_network(here)
        os.close(int(here.rpartition("/")[2]))


def kernel_complaints() -> list[str]:
    """What the kernel found wrong with itself since it booted."""
    log = subprocess.run(["dmesg"], check=True, text=True, capture_output=True).stdout
    return [line for line in log.splitlines() if any(word in line for word in ("WARNING:", "BUG:", "Oops"))]


class Module:
    """The stand-in, in all namespaces at once; each is scripted by itself."""

    def load(self, protocol: int = PROTOCOL) -> None:
        """Load it; raises CalledProcessError."""
        path = os.environ.get("LAB_TLSHUB_SIM", "")
        assert path, "the stand-in for TLSHub's module was not built: see what 'tests/tlshub_sim/build' says"
        subprocess.run(["insmod", path, f"protocol={protocol}"], check=True)

    def unload(self) -> None:
        """Unload it; raises CalledProcessError where somebody has a socket of it."""
        subprocess.run(["rmmod", "tlshub_sim"], check=True)

    @property
    def loaded(self) -> bool:
        """Whether it is there."""
        return Path("/sys/module/tlshub_sim").exists()

    def script(self, namespace: str, *lines: str) -> None:
        """How it answers there from now on (see tests/tlshub_sim/README.md); raises OSError for an unknown line."""
        with inside(namespace):
            _FILE.write_text("\n".join(lines))

    def asked(self, namespace: str) -> dict[str, str]:
        """What it was asked there, for instance {'v1 fetch server': '2'}."""
        with inside(namespace):
            lines = _FILE.read_text().splitlines()
        return {name: value for name, _, value in (line.rpartition(" ") for line in lines)}
