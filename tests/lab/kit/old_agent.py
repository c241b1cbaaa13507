# SPDX-License-Identifier: Apache-2.0
"""The real agent as of a release before this one: to it a frame of the protocol's last version is of one to come.

For a node that accepts; one that connects would send such frames itself.
"""

from __future__ import annotations

import sys

from tlshub_core.cli.main import main
from tlshub_core.peering import attending, decoder
from tlshub_core.peering.frames import VERSION


def patch() -> None:
    """Know no more than the version before."""
    decoder.VERSION = attending.VERSION = VERSION - 1  # type: ignore[attr-defined]


if __name__ == "__main__":
    patch()
    sys.exit(main(prog_name="tlshub-capture"))
