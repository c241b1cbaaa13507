# SPDX-License-Identifier: Apache-2.0
"""What `doctor` says about the module, and what the options say about themselves."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from pydantic import ValidationError
from tlshub_capture_tlshub.config import TlshubConfig
from tlshub_capture_tlshub.probe import check_module
from tlshub_capture_tlshub.provider import TlshubProvider

from plugins.tlshub.tests.stand_in import StandIn
from tlshub_core.api import Level, Unavailable
from tlshub_core.testing import pair as pairs


def test_a_protocol_of_the_kernel_s_own_is_found() -> None:
    assert check_module(socket.NETLINK_ROUTE).level is Level.OK


async def test_a_module_that_is_not_there_comes_with_a_remedy() -> None:
    probe = await TlshubProvider(TlshubConfig()).probe()
    assert probe.level is Level.FAILED
    assert "no kernel module listens on netlink protocol 31" in probe.message
    assert "`modprobe tlshub`" in probe.remedy


async def test_a_userspace_socket_is_no_module(module: StandIn) -> None:
    assert check_module(socket.NETLINK_USERSOCK).level is Level.FAILED


@pytest.mark.parametrize("content", [None, "head\nx y z\n", "head\n\x31\n", "head\n\xff"])
def test_what_cannot_be_read_is_a_warning(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "netlink"
    if content is not None:
        path.write_text(content, encoding="latin-1")
    probe = check_module(31, path)
    assert probe.level is (Level.FAILED if content == "head\nx y z\n" else Level.WARNING)


async def test_start_without_a_module_says_what_to_do(tmp_path: Path) -> None:
    provider = TlshubProvider(TlshubConfig())
    with pytest.raises(Unavailable, match="no kernel module answers on netlink protocol 31: load the module"):
        await provider.start(pairs.agent(pairs.identity(tmp_path, "node-a", 4646), "tlshub"))
    await provider.stop()


@pytest.mark.parametrize(
    "options",
    [
        {"protocol_version": 3},
        {"netlink_protocol": 32},
        {"netlink_protocol": -1},
        {"sockets": 0},
        {"request_timeout_s": 0},
        {"handshake_timeout_s": 61},
        {"node_pause_s": -1},
    ],
)
def test_options_have_bounds(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(options))):
        TlshubConfig(**options)  # type: ignore[arg-type]
