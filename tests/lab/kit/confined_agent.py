# SPDX-License-Identifier: Apache-2.0
"""The real agent, with the capabilities and system calls that the systemd unit leaves it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.confined import confine
from tlshub_core.cli.main import main

if __name__ == "__main__":
    confine()
    sys.exit(main(prog_name="tlshub-capture"))
