# SPDX-License-Identifier: Apache-2.0
"""The stand-in for TLSHub's module comes and goes: unloaded, taken away from one node, a node that ends."""

from __future__ import annotations

import errno
import subprocess

import pytest

from tests.lab.kit.asker import INIT, NOT_DONE, START, Asker, Tuple
from tests.lab.kit.tlshub import Module

FLOW = Tuple(client_port=19999)


def test_a_namespace_that_ends_takes_its_answers_along(module: Module) -> None:
    subprocess.run(["ip", "netns", "add", "node-c"], check=True)
    module.script("node-c", "slow 600000")
    asker = Asker("node-c")
    asker.send(asker.request(1, INIT, FLOW, server=True))
    assert asker.reply(0.2) == b""
    subprocess.run(["ip", "netns", "del", "node-c"], check=True)
    asker.close()


def test_gone_is_gone_until_it_is_back(module: Module) -> None:
    a, b = Asker("node-a"), Asker("node-b")
    a.ask(1, START, FLOW)
    with pytest.raises(subprocess.CalledProcessError):
        module.unload()
    module.script("node-b", "gone")
    with pytest.raises(ConnectionRefusedError):
        b.fetch(1, FLOW, server=True)
    assert a.fetch(1, FLOW)[0] == 0
    module.script("node-b", "back")
    assert b.fetch(1, FLOW, server=True) == a.fetch(1, FLOW)
    a.close()
    b.close()


def test_unloaded_nobody_can_ask_and_loaded_again_it_knows_nothing(module: Module) -> None:
    asker = Asker("node-a")
    asker.ask(1, START, FLOW)
    asker.close()
    module.unload()
    with pytest.raises(OSError) as error:
        Asker("node-a")
    assert error.value.errno == errno.EPROTONOSUPPORT
    module.load(protocol=30)
    asker = Asker("node-a", protocol=30)
    assert asker.fetch(1, FLOW)[0] == NOT_DONE
    asker.close()
    module.unload()
    module.load()
