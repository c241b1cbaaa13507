# SPDX-License-Identifier: Apache-2.0
"""For all tests: an example may take as long as a busy machine needs; a test that hangs is somebody else's to end."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
