# SPDX-License-Identifier: Apache-2.0
"""The stand-in for TLSHub's module by itself, asked byte by byte: what later tests of the provider rest on."""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Iterator
from itertools import count

import pytest

from tests.lab.kit.asker import (
    CONNECTED,
    EXPIRED,
    FAILED,
    FETCH,
    FIRST,
    INIT,
    INITED,
    LATER,
    LOG,
    NOT_DONE,
    START,
    Asker,
    Tuple,
)
from tests.lab.kit.tlshub import Module

_numbers = count(20001)


@pytest.fixture
def both(module: Module) -> Iterator[tuple[Asker, Asker]]:
    """A socket in each node; every test begins with a module that answers as it should."""
    module.script("node-a", "reset", "forget-all")
    module.script("node-b", "reset")
    askers = Asker("node-a"), Asker("node-b")
    yield askers
    for asker in askers:
        asker.close()


@pytest.fixture
def flow() -> Tuple:
    """A connection that this file's other tests do not have."""
    return Tuple(client_port=next(_numbers))


@pytest.mark.parametrize("version", [1, 2])
def test_two_nodes_get_one_key_and_a_new_one_at_each_start(
    both: tuple[Asker, Asker], module: Module, flow: Tuple, version: int
) -> None:
    a, b = both
    assert a.ask(version, INIT, flow, server=True)[0] == b.ask(version, INIT, flow, server=True)[0] == INITED
    assert a.fetch(version, flow)[0] == b.fetch(version, flow, server=True)[0] == NOT_DONE
    keys = []
    for kind in (FIRST, LATER, LATER):
        assert a.ask(version, START, flow)[0] == kind
        ours, theirs = a.fetch(version, flow), b.fetch(version, flow, server=True)
        assert ours == theirs and ours[0] == 0 and any(ours[1])
        keys.append(ours[1])
    assert len(set(keys)) == 3
    asked = module.asked("node-a")
    assert (asked[f"v{version} start client"], asked[f"v{version} fetch client"]) == ("3", "4")
    assert module.asked("node-b")[f"v{version} fetch server"] == "4"
    assert not any(int(value) for name, value in asked.items() if name.startswith(f"v{3 - version}"))


def test_the_node_of_version_2_is_kept_for_who_wants_to_know(
    both: tuple[Asker, Asker], module: Module, flow: Tuple
) -> None:
    a, _ = both
    a.send(a.request(2, START, flow, server=False, node="192.0.2.7"))
    assert a.read()[0] == FIRST and module.asked("node-a")["node"] == "192.0.2.7"


def test_until_the_handshake_is_done_nobody_gets_a_key(both: tuple[Asker, Asker], module: Module, flow: Tuple) -> None:
    a, b = both
    module.script("node-a", "delay 1500")
    began = time.monotonic()
    a.send(a.request(1, START, flow, server=False))
    assert b.fetch(1, flow, server=True)[0] == NOT_DONE
    other = Asker("node-a")
    assert other.ask(1, START, flow)[0] == CONNECTED
    other.close()
    assert a.read()[0] == FIRST and time.monotonic() - began >= 1.4
    assert b.fetch(1, flow, server=True) == a.fetch(1, flow) != (0, bytes(32))


def test_stale_leaves_the_other_node_the_key_before(both: tuple[Asker, Asker], module: Module, flow: Tuple) -> None:
    a, b = both
    a.ask(1, START, flow)
    before = b.fetch(1, flow, server=True)
    module.script("node-a", "delay 1500", "stale 1")
    a.send(a.request(1, START, flow, server=False))
    assert b.fetch(1, flow, server=True) == before
    assert a.read()[0] == LATER
    after = b.fetch(1, flow, server=True)
    assert after == a.fetch(1, flow) and after[0] == 0 and after != before


def test_with_a_lag_the_other_node_is_done_later(both: tuple[Asker, Asker], module: Module, flow: Tuple) -> None:
    a, b = both
    module.script("node-a", "lag 1000")
    assert a.ask(1, START, flow)[0] == FIRST
    ours = a.fetch(1, flow)
    assert ours[0] == 0 and b.fetch(1, flow, server=True)[0] == NOT_DONE
    time.sleep(1.1)
    assert b.fetch(1, flow, server=True) == ours


def test_keys_expire(both: tuple[Asker, Asker], module: Module, flow: Tuple) -> None:
    a, b = both
    a.ask(1, START, flow)
    module.script("node-b", "expire-all")
    assert a.fetch(1, flow)[0] == b.fetch(1, flow, server=True)[0] == EXPIRED
    assert a.ask(1, START, flow)[0] == LATER and b.fetch(1, flow, server=True)[0] == 0
    module.script("node-a", "life 0")
    assert a.ask(1, START, flow)[0] == LATER and a.fetch(1, flow)[0] == EXPIRED
    module.script("node-a", "forget-all")
    assert a.fetch(1, flow)[0] == NOT_DONE


def test_answers_that_a_script_asked_for(both: tuple[Asker, Asker], module: Module, flow: Tuple) -> None:
    a, b = both
    module.script("node-a", "failed 1")
    assert a.ask(1, START, flow)[0] == FAILED and b.fetch(1, flow, server=True)[0] == NOT_DONE
    assert a.ask(1, START, flow)[0] == FIRST
    good = b.fetch(1, flow, server=True)
    module.script("node-a", "not-done 2", "expired 1", "connected 1")
    assert [a.fetch(1, flow)[0] for _ in range(3)] == [NOT_DONE, NOT_DONE, EXPIRED]
    assert a.ask(1, START, flow)[0] == CONNECTED and a.fetch(1, flow) == good
    module.script("node-a", "zero 1", "fetch-type 0")
    assert a.fetch(1, flow) == (0, bytes(32)) and a.fetch(1, flow) == good == b.fetch(1, flow, server=True)
    assert a.ask(1, FETCH, flow)[0] == 0


def test_replies_that_are_none_or_too_many(both: tuple[Asker, Asker], module: Module, flow: Tuple) -> None:
    a, _ = both
    module.script("node-a", "log 2 start", "silent 1 fetch", "short 1 init", "short-size 17")
    a.send(a.request(1, FETCH, flow, server=False))
    assert a.reply(1) == b""
    a.send(a.request(1, INIT, flow, server=True))
    assert len(a.reply()) == 17
    a.send(a.request(1, START, flow, server=False))
    assert [a.read()[0] for _ in range(3)] == [LOG, LOG, FIRST]
    module.script("node-a", "twice 1", "slow 400")
    began = time.monotonic()
    a.send(a.request(1, FETCH, flow, server=False))
    assert a.reply() == a.reply() != b"" and time.monotonic() - began >= 0.35
    assert a.reply(1) == b""


def test_what_the_table_does_not_show_is_not_answered(both: tuple[Asker, Asker], module: Module, flow: Tuple) -> None:
    a, _ = both
    good = a.request(1, START, flow, server=False)
    bad = [good[:1], good[:8], good[:-1], good + bytes(1), a.request(1, 3, flow, server=False)]
    bad.append(a.request(1, INIT, flow, server=False))
    bad += [good[:at] + bytes([good[at] ^ 2]) + good[at + 1 :] for at in (0, 4, 6, 8, 12, 29, 30, 31)]
    for data in bad:
        a.send(data)
    assert a.reply(1) == b"" and int(module.asked("node-a")["malformed"]) == len(bad)
    with pytest.raises(OSError) as error:
        module.script("node-a", "nonsense 1")
    assert error.value.errno == errno.EINVAL


def test_noise_is_survived(both: tuple[Asker, Asker], module: Module, flow: Tuple) -> None:
    a, _ = both
    chance = random.Random(flow.client_port)
    for _ in range(500):
        noise = bytearray(a.request(chance.choice((1, 2)), START, flow, server=False))
        for _ in range(chance.randrange(4)):
            noise[chance.randrange(len(noise))] = chance.randrange(256)
        noise += chance.randbytes(chance.randrange(40)) if chance.random() < 0.3 else b""
        a.send(bytes(noise[: chance.randrange(1, len(noise) + 1)] if chance.random() < 0.3 else noise))
    asked = module.asked("node-a")
    understood = sum(int(value) for name, value in asked.items() if name.startswith("v"))
    assert understood + int(asked["malformed"]) <= 500 and understood > 50 and int(asked["malformed"]) > 50
    module.script("node-a", "reset")
    other = Asker("node-a")
    assert other.ask(1, START, flow)[0] == FIRST and other.fetch(1, flow)[0] == 0
    other.close()
