# SPDX-License-Identifier: Apache-2.0
"""Keys into a socket: the bytes of crypto_info, which direction goes where, what is refused, how errors are named."""

from __future__ import annotations

import contextlib
import ctypes
import errno
from ctypes import c_uint8, c_uint16
from pathlib import Path

import pytest

from tlshub_core.pipeline import ktls
from tlshub_core.pipeline.local import random_keys
from tlshub_core.testing.node import Link
from tlshub_core.types.errors import Reason, Unavailable
from tlshub_core.types.flow import Side
from tlshub_core.types.keys import Cipher, FlowKeys, Version

FIELDS = {
    Cipher.AES_GCM_128: (("iv", 8), ("key", 16), ("salt", 4), ("rec_seq", 8)),
    Cipher.AES_GCM_256: (("iv", 8), ("key", 32), ("salt", 4), ("rec_seq", 8)),
    Cipher.CHACHA20_POLY1305: (("iv", 12), ("key", 32), ("salt", 0), ("rec_seq", 8)),
}
SIZES = {Cipher.AES_GCM_128: 40, Cipher.AES_GCM_256: 56, Cipher.CHACHA20_POLY1305: 56}
ULPS = Path("/proc/sys/net/ipv4/tcp_available_ulp")


def crypto_info(cipher: Cipher) -> type[ctypes.Structure]:
    """The struct tls12_crypto_info_* of <linux/tls.h>."""
    head: list[tuple[str, type]] = [("version", c_uint16), ("cipher_type", c_uint16)]
    return type("CryptoInfo", (ctypes.Structure,), {"_fields_": head + [(n, c_uint8 * s) for n, s in FIELDS[cipher]]})


class Recorder:
    """In the place of a socket whose kernel has KTLS: keeps what it is given, and the buffers themselves."""

    def __init__(self, fail: dict[int, int] | None = None, state: int = 1) -> None:
        self.calls: list[tuple[int, int, bytes]] = []
        self.buffers: list[bytearray] = []
        self._fail, self._state = fail or {}, state

    def fileno(self) -> int:
        return self._fd

    def on(self, link: Link) -> Recorder:
        self._fd = link.client.fileno()
        return self

    def getsockopt(self, level: int, name: int, size: int) -> bytes:
        return bytes([self._state])

    def setsockopt(self, level: int, name: int, value: bytes | bytearray) -> None:
        self.calls.append((level, name, bytes(value)))
        if isinstance(value, bytearray):
            self.buffers.append(value)
        if len(self.calls) in self._fail:
            raise OSError(self._fail[len(self.calls)], "as the test wants")


def install(recorder: Recorder, keys: FlowKeys, side: Side) -> None:
    ktls.install(recorder, keys, side)  # type: ignore[arg-type]


@pytest.mark.parametrize("cipher", Cipher)
@pytest.mark.parametrize("side", Side)
def test_bytes_are_those_of_the_kernels_struct(cipher: Cipher, side: Side, link: Link) -> None:
    keys, recorder = random_keys(cipher), Recorder().on(link)
    install(recorder, keys, side)
    assert [call[:2] for call in recorder.calls] == [(6, 31), (282, 1), (282, 2), (282, 4)]
    assert recorder.calls[0][2] == b"tls"
    ways = [keys.client_to_server, keys.server_to_client]
    for (_, _, data), way in zip(recorder.calls[1:3], ways if side is Side.CLIENT else ways[::-1], strict=True):
        struct = crypto_info(cipher)
        assert len(data) == ctypes.sizeof(struct) == SIZES[cipher]
        info = struct.from_buffer_copy(data)
        assert (info.version, info.cipher_type) == (0x0304, cipher)
        for name, _ in FIELDS[cipher]:
            assert bytes(getattr(info, name)) == bytes(getattr(way, name)), name


def test_the_version_is_the_keys(link: Link) -> None:
    keys, recorder = random_keys(Cipher.AES_GCM_128), Recorder().on(link)
    old = FlowKeys(
        cipher=keys.cipher,
        version=Version.TLS_1_2,
        client_to_server=keys.client_to_server,
        server_to_client=keys.server_to_client,
    )
    install(recorder, old, Side.CLIENT)
    assert recorder.calls[1][2][:2] == (0x0303).to_bytes(2, "little")


def test_what_goes_in_one_end_comes_out_the_other(link: Link) -> None:
    keys, client, server = random_keys(Cipher.AES_GCM_128), Recorder().on(link), Recorder().on(link)
    install(client, keys, Side.CLIENT)
    install(server, keys, Side.SERVER)
    assert client.calls[1][2] == server.calls[2][2]
    assert client.calls[2][2] == server.calls[1][2]
    assert client.calls[1][2] != client.calls[2][2]


@pytest.mark.parametrize("failing", [None, 2, 3])
def test_the_buffers_are_wiped_also_after_an_error(failing: int | None, link: Link) -> None:
    keys, recorder = random_keys(Cipher.AES_GCM_128), Recorder({failing: errno.EBUSY} if failing else {}).on(link)
    if failing:
        with pytest.raises(Unavailable):
            install(recorder, keys, Side.CLIENT)
    else:
        install(recorder, keys, Side.CLIENT)
    assert recorder.buffers
    assert not any(any(buffer) for buffer in recorder.buffers)


@pytest.mark.parametrize(
    ("call", "number", "reason"),
    [
        (1, errno.EEXIST, Reason.ULP_PRESENT),
        (1, errno.ENOENT, Reason.KTLS_UNAVAILABLE),
        (1, errno.ENOTCONN, Reason.CLOSED),
        (1, errno.EOPNOTSUPP, Reason.MPTCP),
        (2, errno.EBUSY, Reason.ULP_PRESENT),
        (3, errno.EINVAL, Reason.KTLS_UNAVAILABLE),
    ],
)
def test_errors_have_reasons(call: int, number: int, reason: Reason, link: Link) -> None:
    with pytest.raises(Unavailable) as caught:
        install(Recorder({call: number}).on(link), random_keys(Cipher.AES_GCM_128), Side.CLIENT)
    assert caught.value.reason is reason
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_a_kernel_without_the_option_for_unpadded_records_is_good_enough(link: Link) -> None:
    recorder = Recorder({4: errno.ENOPROTOOPT}).on(link)
    install(recorder, random_keys(Cipher.AES_GCM_128), Side.CLIENT)
    assert recorder.calls[3] == (282, 4, (1).to_bytes(4, "little"))


@pytest.mark.parametrize("state", [2, 4, 7, 8])
def test_only_an_established_connection_takes_keys(state: int, link: Link) -> None:
    recorder = Recorder(state=state).on(link)
    with pytest.raises(Unavailable) as caught:
        install(recorder, random_keys(Cipher.AES_GCM_128), Side.CLIENT)
    assert caught.value.reason is Reason.CLOSED
    assert recorder.calls == []


def fill(link: Link) -> None:
    """Until both buffers are full."""
    link.client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while link.client.send(bytes(65536)):
            continue


def test_a_real_socket_whose_peer_has_closed_is_refused(link: Link) -> None:
    link.server.close()
    link.client.recv(1)
    with pytest.raises(Unavailable) as caught:
        ktls.install(link.client, random_keys(Cipher.AES_GCM_128), Side.CLIENT)
    assert caught.value.reason is Reason.CLOSED


def test_clear_bytes_queued_on_a_real_socket_are_refused(link: Link) -> None:
    fill(link)
    with pytest.raises(Unavailable) as caught:
        ktls.install(link.client, random_keys(Cipher.AES_GCM_128), Side.CLIENT)
    assert caught.value.reason is Reason.CLEAR_BYTES_QUEUED


def test_bytes_that_were_queued_while_keys_were_installed_are_refused(link: Link) -> None:
    class Late(Recorder):
        def setsockopt(self, level: int, name: int, value: bytes | bytearray) -> None:
            super().setsockopt(level, name, value)
            if len(self.calls) == 2:
                fill(link)

    recorder = Late().on(link)
    with pytest.raises(Unavailable) as caught:
        install(recorder, random_keys(Cipher.AES_GCM_128), Side.CLIENT)
    assert caught.value.reason is Reason.CLEAR_BYTES_QUEUED and len(recorder.calls) == 2
    assert not any(any(buffer) for buffer in recorder.buffers)


def test_this_kernels_word_on_a_real_socket(link: Link) -> None:
    if "tls" in ULPS.read_text().split():
        pytest.skip("this kernel has KTLS: that it is refused where it is missing cannot be seen here")
    with pytest.raises(Unavailable) as caught:
        ktls.install(link.client, random_keys(Cipher.AES_GCM_128), Side.CLIENT)
    assert caught.value.reason is Reason.KTLS_UNAVAILABLE
    link.client.sendall(b"still usable")


def test_real_ktls_carries_bytes_both_ways(link: Link) -> None:
    if "tls" not in ULPS.read_text().split():
        pytest.skip("this kernel has no KTLS (CONFIG_TLS), or its module 'tls' is not loaded")
    keys = random_keys(Cipher.AES_GCM_128)
    ktls.install(link.client, keys, Side.CLIENT)
    ktls.install(link.server, keys, Side.SERVER)
    for sender, receiver in ((link.client, link.server), (link.server, link.client)):
        sender.sendall(b"secret")
        assert receiver.recv(100) == b"secret"
