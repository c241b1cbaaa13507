# SPDX-License-Identifier: Apache-2.0
"""A folder for the files that a target's parser reads or writes."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path


@cache
def scratch() -> Path:
    """The same one for the whole process, removed at its end; the fuzzer, which just ends, removes it with its own."""
    folder = tempfile.mkdtemp(prefix="fuzz-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
