# SPDX-License-Identifier: Apache-2.0
"""Mapping files: a table that says what the file says, or an error that names the file and the line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

from tlshub_capture_podmap_file import table

from tests.fuzz.kit.target import Target
from tests.fuzz.kit.words import both_ways, text_of
from tlshub_core.api import ConfigError, Pod

_FILE = "mapping.conf"
_TEXTS = (
    b"",
    b"# pod node\nweb node-a\ndb node-b  # later\n",
    b"web node-a 192.0.2.10 10.1.0.10,fd00:1::10\ndb node-b 192.0.2.11,fd00::2 -\n",
    b"web\tnode-a - 10.1.0.10\r\napi node-a 192.0.2.10 ::ffff:10.1.0.11\n",
    b"web node-a\nweb node-b\n",
    b"web node-a 0.0.0.0\n",
)
WORDS = (
    *(b"pod-%d " % number for number in range(6)), *(b"node-%c " % name for name in b"abc"),
    b"192.0.2.10", b"192.0.2.11", b"10.1.0.10", b"10.1.0.11", b"fd00:1::10", b"fd00:1::11", b"::ffff:",
    b"fe80::1%eth0", b"224.0.0.1", b"0.0.0.0", b"::", b"-", b",", b" ", b"\t", b"\n", b"\r\n", b"#", b"\x0b",
    b"\xe2\x80\xa8", b"\xc2\xa0",
)  # fmt: skip


def _seeds() -> Iterable[bytes]:
    return both_ways(_TEXTS, WORDS)


def _one(data: bytes) -> Iterable[str]:
    text = text_of(data, WORDS).decode()
    try:
        found = table.parse(text, _FILE)
    except ConfigError as error:
        _is_placed(error, text)
        return ["refused"]
    for pod in found.pods:
        known = found.by_name[pod.name]
        assert known.name == pod.name and known.node == pod.node
        assert pod.address is None or found.by_address[pod.address] is pod
    again = table.parse(_written(found.pods), _FILE)
    assert again == found, f"written and read again: {again.pods}, not {found.pods}"
    return ["table"]


def _is_placed(error: ConfigError, text: str) -> None:
    place = re.match(r"'mapping\.conf': line (\d+): ", str(error))
    assert place, f"no file and no line: {error}"
    assert text.split("\n")[int(place[1]) - 1].strip(), f"that line is empty: {error}"


def _written(pods: Iterable[Pod]) -> str:
    """A file that says the same."""
    lines = []
    for name, group in groupby(pods, key=attrgetter("name")):
        same = list(group)
        addresses = ",".join(str(pod.address) for pod in same if pod.address) or table.UNKNOWN
        lines.append(f"{name} {same[0].node.name} {same[0].node.address or table.UNKNOWN} {addresses}\n")
    return "".join(lines)


TARGET = Target(
    one=_one,
    seeds=_seeds,
    kinds=frozenset({"table", "refused"}),
    refusals=(UnicodeDecodeError,),
    modules=("tlshub_capture_podmap_file.table",),
    words=WORDS,
)
