# SPDX-License-Identifier: Apache-2.0
"""Configurations to begin with, good and wrong, and the words that they are made of."""

from __future__ import annotations

import re

from tests.unit.config.samples import FULL, MINIMAL
from tlshub_core.config.tables import Document

PLUGINS = """[keys]
provider = "openssl"
[plugin.openssl]
listen = "10.0.0.1"
session_max_flows = 7
[plugin.tlshub]
protocol_version = 2
request_timeout_s = 1.5
[plugin.podmap_file]
path = "pods.conf"
[plugin.jsonl]
path = "events.jsonl"
[plugin.log]
path = "log"
"""
_WRONG = (
    "",
    "[keys]\n",
    "[rule]\nname = 1\n",
    MINIMAL + "port = 1\n[[rule]]\nname = 'x'\nmode = 'never'\n",
    MINIMAL + "[plugin.log]\nx = [1]\n[plugin.tlshub]\nsockets = 0\n",
    "a = ",
    "[" * 900,
)
TOML = tuple(text.encode() for text in (FULL, MINIMAL, PLUGINS, *_WRONG))
LEGACY = (
    b"# the original tool's\nmode = openssl\npod_node_config = pods.conf\nnetlink_protocol = 31\nverbose = true\n",
    b"mode",
    b"",
)
OPTION = (b"80:require", b"80,8000-8100: prefer", b"0:require", b"80", b"80:never")

_TABLES = tuple(b"[%s]\n" % name.encode() for name in Document.model_fields if name != "rule")
_KEYS = set(re.findall(r"\w+(?= =)", FULL + PLUGINS)) | {"netlink_protocol", "verbose", "any_node"}
WORDS = (
    b"[[rule]]\n", *_TABLES, *(b"%s = " % key.encode() for key in sorted(_KEYS)), b'"require"', b'"prefer"',
    b'"bypass"', b'"out"', b'"in"', b'"aes-gcm-128"', b'"tls"', b'"openssl"', b'"80-90"', b"65535", b"65536", b"0",
    b"-1", b"1e400",
    b"nan", b'"10.0.0.0/8"', b'"fd00::/8"', b'"::ffff:10.0.0.1"', b'"x"', b'"\\u001b[31m"', b'""', b"{", b"}", b"[",
    b"]", b"[" * 64, b", ", b"\n", b"true", b"false", b"1979-05-27T07:32:00Z", b"quartz", b"#", b"9" * 64,
    b"[plugin.log]\n", b"[plugin.openssl]\n", b"[plugin.tlshub]\n",
)  # fmt: skip
