# SPDX-License-Identifier: Apache-2.0
"""Configuration files, TOML and the original tool's: a Config whose rules the kernel takes, or an error with its place.

The first byte says which: 0, 'capture.toml'; 1, 'capture.conf'; 2, the text of an option '--rule'.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tlshub_capture_bpf.layout import pack_rules

from tests.fuzz.kit.scratch import scratch
from tests.fuzz.kit.target import Target
from tests.fuzz.kit.words import both_ways, text_of
from tests.unit.config.samples import FULL, MINIMAL
from tlshub_core.config import Config, control_socket, load, rule_from_option
from tlshub_core.config.tables import Document
from tlshub_core.pipeline.rules import compile_rules
from tlshub_core.types.errors import ConfigError

TOML, LEGACY, OPTION = range(3)
_LEGACY = b"# the original tool's\nmode = openssl\npod_node_config = pods.conf\nnetlink_protocol = 31\nverbose = true\n"
_WRONG = (
    "",
    "[keys]\n",
    "[rule]\nname = 1\n",
    MINIMAL + "port = 1\n[[rule]]\nname = 'x'\nmode = 'never'\n",
    "a = ",
    "[" * 900,
)
_OPTIONS = (b"80:require", b"80,8000-8100: prefer", b"0:require", b"80", b"80:never")
_NO_ROWS = {("[rule]", "match.pods"), ("[rule]", "match")}
_TABLES = tuple(b"[%s]\n" % name.encode() for name in Document.model_fields if name != "rule")
_KEYS = sorted(set(re.findall(r"\w+(?= =)", FULL)) | {"netlink_protocol", "mode", "verbose", "any_node"})
WORDS = (
    b"[[rule]]\n", *_TABLES, *(b"%s = " % key.encode() for key in _KEYS), b'"require"', b'"prefer"', b'"bypass"',
    b'"out"', b'"in"', b'"aes-gcm-128"', b'"tls"', b'"openssl"', b'"80-90"', b"65535", b"65536", b"0", b"-1", b"1e400",
    b"nan", b'"10.0.0.0/8"', b'"fd00::/8"', b'"::ffff:10.0.0.1"', b'"x"', b'"\\u001b[31m"', b'""', b"{", b"}", b"[",
    b"]", b"[" * 64, b", ", b"\n", b"true", b"false", b"1979-05-27T07:32:00Z", b"quartz", b"#", b"9" * 64,
)  # fmt: skip


def _seeds() -> Iterable[bytes]:
    texts = {
        TOML: [text.encode() for text in (FULL, MINIMAL, *_WRONG)],
        LEGACY: [_LEGACY, b"mode", b""],
        OPTION: _OPTIONS,
    }
    for kind, some in texts.items():
        yield from (bytes((kind,)) + text for text in both_ways(some, WORDS))


def _one(data: bytes) -> Iterable[str]:
    kind, text = (data[0] % 3, text_of(data[1:], WORDS)) if data else (TOML, b"")
    return _option(text.decode()) if kind == OPTION else _file(scratch() / ("capture.toml", "capture.conf")[kind], text)


def _option(text: str) -> Iterable[str]:
    try:
        rule = rule_from_option(text)
    except ConfigError as error:
        return ["no rule" if error.file == "--rule" else "no place"]
    assert rule.match.ports and rule.name == text
    return ["rule"]


def _file(path: Path, text: bytes) -> Iterable[str]:
    path.write_bytes(text)
    try:
        config = load(path)
    except ConfigError as error:
        _is_placed(error, path, text)
        return ["refused"]
    assert control_socket(path) == config.control.socket or config.implied
    return [_compiled(config), "implied" if config.implied else "written"]


def _is_placed(error: ConfigError, path: Path, text: bytes) -> None:
    """Whatever is wrong is said with the file, and with a table or a key once it is TOML at all."""
    for line in str(error).split("\n"):
        assert line.startswith(f"'{path}'") and line.isprintable(), line
    assert error.file == str(path)
    with suppress(ValueError, RecursionError):
        parsed = tomllib.loads(text.decode())
        assert error.table or error.key or path.suffix != ".toml" or not parsed, f"no place: {error}"


def _compiled(config: Config) -> str:
    """Rules of pods need a mapping; all others are rows for the kernel, or too many of them."""
    try:
        rules = compile_rules(config, None)
    except ConfigError as error:
        return "no rows" if (error.table, error.key) in _NO_ROWS else "no place"
    assert pack_rules(rules)
    return "rows"


TARGET = Target(
    one=_one,
    seeds=_seeds,
    kinds=frozenset({"rule", "no rule", "refused", "rows", "no rows", "written", "implied"}),
    refusals=(UnicodeDecodeError,),
    modules=(
        "tlshub_core.config.reader",
        "tlshub_core.config.faults",
        "tlshub_core.config.values",
        "tlshub_core.config.tables",
        "tlshub_core.legacy",
    ),
    words=WORDS,
)
