# SPDX-License-Identifier: Apache-2.0
"""The provider passes what every key provider must pass."""

from __future__ import annotations

import tlshub_capture_psk

from tlshub_core.testing import KeyProviderConformance


class TestPsk(KeyProviderConformance):
    spec = next(iter(tlshub_capture_psk.tlshub_key_providers()))
    supports = ("installed", "promises")

    def options(self, listen: str) -> dict[str, object]:
        path = self.folder / "secret"
        path.touch(mode=0o600)
        path.write_text("5c" * 32)
        return {"listen": listen, "secret_file": path, "patience_s": 0.5}
