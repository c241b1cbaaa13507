# SPDX-License-Identifier: Apache-2.0
"""Which addresses are this host's."""

from __future__ import annotations

import errno
from socket import AF_INET, AF_INET6, SOCK_DGRAM, socket

from tlshub_core.types.flow import Address

_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EINVAL, errno.EAFNOSUPPORT)  # EINVAL: link-local, of an interface unknown


def is_local(address: Address) -> bool:
    """Only an address of this network namespace can be bound to (unless ip_nonlocal_bind says otherwise)."""
    try:
        with socket(AF_INET if address.version == 4 else AF_INET6, SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError as error:
        if error.errno in _NOT_HERE:
            return False
        raise
    return True
