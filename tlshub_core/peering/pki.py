# SPDX-License-Identifier: Apache-2.0
"""A small certificate authority for nodes: `ca.pem`, `ca-key.pem`, `<node>.pem`, `<node>-key.pem` in one folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from tlshub_core.peering import identity
from tlshub_core.peering.authority import Authority
from tlshub_core.types.errors import ConfigError


def init(directory: Path, trust_domain: str, nodes: Sequence[str], *, new_ca: bool = False) -> Sequence[Path]:
    """Make what is missing: the authority, and a certificate and key for each node; returns the files written.

    Files that exist are kept, so that nodes can be added later; `new_ca` replaces the authority and the named nodes'
    files. Keys are EC P-256, mode 0600. Raises ConfigError naming the file that is in the way or the wrong name.
    """
    try:
        names = {node: identity.uri(trust_domain, node) for node in nodes}
    except ValueError as error:
        raise ConfigError(str(error), file=str(directory)) from error
    if "ca" in names:
        raise ConfigError("a node cannot be called 'ca', its files would be the authority's", file=str(directory))
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    written: list[Path] = []
    authority = _authority(directory, trust_domain, new_ca, written)
    for node, name in names.items():
        _node(directory, authority, node, name, new_ca, written)
    return written


def _authority(directory: Path, trust_domain: str, new: bool, written: list[Path]) -> Authority:
    cert, key = directory / "ca.pem", directory / "ca-key.pem"
    if new or not (cert.exists() or key.exists()):
        authority = Authority.create(trust_domain)
        _write_pair(cert, key, authority.pem(), written)
        return authority
    authority = Authority.load(cert, key)
    expected = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"spiffe://{trust_domain}")])
    have = [extension.value for extension in authority.certificate.extensions]
    if expected not in have:
        raise ConfigError(f"this authority is not of the trust domain '{trust_domain}', use another folder",
                          file=str(cert))  # fmt: skip
    return authority


def _node(directory: Path, authority: Authority, node: str, name: str, new: bool, written: list[Path]) -> None:
    cert, key = directory / f"{node}.pem", directory / f"{node}-key.pem"
    if cert.exists() and key.exists() and not new:
        return
    if (cert.exists() or key.exists()) and not new:
        raise ConfigError("one of certificate and key is missing, remove the other to have both made", file=str(cert))
    _write_pair(cert, key, authority.issue(node, [name]), written)


def _write_pair(cert: Path, key: Path, pems: tuple[bytes, bytes], written: list[Path]) -> None:
    for path, pem, mode in ((key, pems[1], 0o600), (cert, pems[0], 0o644)):
        _write(path, pem, mode)
        written.append(path)


def _write(path: Path, data: bytes, mode: int) -> None:
    # A new file renamed into place: no moment with half a key, or with an old file's wider permissions.
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
        fresh.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error}", file=str(path)) from error
