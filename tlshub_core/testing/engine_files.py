# SPDX-License-Identifier: Apache-2.0
"""What every TLS engine must pass: the files that it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tlshub_core.peering.authority import Authority
from tlshub_core.peering.dial import EngineFactory
from tlshub_core.testing import pair as pairs
from tlshub_core.testing.ends import Ends
from tlshub_core.types.errors import ConfigError
from tlshub_core.types.interfaces import Identity

Change = Callable[[Identity, Path], Identity]


def expired(who: Identity, folder: Path) -> Identity:
    """That node with a certificate that has expired."""
    cert, key = Authority.load(folder / "ca.pem", folder / "ca-key.pem").issue(who.node, [], -1)
    return _written(who, folder / f"{who.node}-expired.pem", cert, key)


def stranger(who: Identity, folder: Path) -> Identity:
    """That node with a certificate of another authority of the same name."""
    cert, key = Authority.create(pairs.TRUST_DOMAIN).issue(who.node, [])
    return _written(who, folder / f"{who.node}-stranger.pem", cert, key)


def _written(who: Identity, file: Path, cert: bytes, key: bytes) -> Identity:
    file.write_bytes(cert)
    file.with_suffix(".key").write_bytes(key)
    return replace(who, cert=file, key=file.with_suffix(".key"))


class EngineFiles:
    """Subclassed by `TlsEngineConformance`."""

    def engines(self, who: Identity) -> EngineFactory:
        """The factory of engines under test, with the certificate of `who`; raises ConfigError."""
        raise NotImplementedError

    def listening(self, who: Identity) -> EngineFactory:
        """The same, for the server's end."""
        return self.engines(who)

    def ends(self, folder: Path, client: Change | None = None, server: Change | None = None) -> Ends:
        """Engines of both nodes, that of the client having begun; the identities may be changed before."""
        one, two = pairs.identities(folder, 4646)
        one, two = client(one, folder) if client else one, server(two, folder) if server else two
        return Ends(client=self.engines(one)(False), server=self.listening(two)(True))

    @pytest.mark.parametrize("name", ["cert", "key", "ca"])
    def test_a_file_that_will_not_do_is_named(self, tmp_path: Path, name: str) -> None:
        who = pairs.identities(tmp_path, 4646)[0]
        path: Path = getattr(who, name)
        for text in ("none", "", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
            path.write_text(text)
            with pytest.raises(ConfigError, match=f"^'{path}': [A-Za-z]+ cannot use it: [a-zA-Z]"):
                self.engines(who)
        path.unlink()
        with pytest.raises(ConfigError, match=f"^'{path}': cannot be read: No such file"):
            self.engines(who)

    def test_a_key_of_another_certificate_is_named(self, tmp_path: Path) -> None:
        one, two = pairs.identities(tmp_path, 4646)
        with pytest.raises(ConfigError, match=f"^'{two.key}': .*(mismatch|not that of)"):
            self.engines(replace(one, key=two.key))
