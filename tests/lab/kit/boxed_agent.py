# SPDX-License-Identifier: Apache-2.0
"""The real agent in a cgroup of its own, which counts its memory, as a service manager starts it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

BOX = Path("/sys/fs/cgroup/agent")

if __name__ == "__main__":
    BOX.parent.joinpath("cgroup.subtree_control").write_text("+memory")
    BOX.mkdir(exist_ok=True)
    BOX.joinpath("cgroup.procs").write_text(str(os.getpid()))
    # Only now, so that what is imported is counted there.
    from tlshub_core.cli.main import main

    sys.exit(main(prog_name="tlshub-capture"))
