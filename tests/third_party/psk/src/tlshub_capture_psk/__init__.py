# SPDX-License-Identifier: Apache-2.0
"""Key provider 'psk': keys from a secret that all nodes share, and a nonce of either end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress

from tlshub_core.api import KeyProvider, KeyProviderSpec, hookimpl

NAME = "psk"


class Options(BaseModel):
    """The table '[plugin.psk]'; `patience_s` is how many seconds a node may be silent until it counts as gone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret_file: Path
    listen: IPvAnyAddress = Field(default="::", validate_default=True)
    patience_s: float = Field(default=2.0, gt=0, le=60)


@hookimpl
def tlshub_key_providers() -> Iterable[KeyProviderSpec]:
    """The one provider of this plugin."""
    summary = "keys from a secret that all nodes share, and a nonce of either end"
    return [KeyProviderSpec(name=NAME, summary=summary, config=Options, factory=make)]


def make(options: Options) -> KeyProvider:
    """A provider with these options; the secret is read when it is started."""
    from tlshub_capture_psk.provider import PskProvider

    return PskProvider(options.secret_file, str(options.listen), options.patience_s)
