# SPDX-License-Identifier: Apache-2.0
"""What a table is, and what kinds of values its fields have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict

from tlshub_core.config import values
from tlshub_core.types.capture import Network as AnyNetwork
from tlshub_core.types.flow import Mode as AnyMode
from tlshub_core.types.keys import Cipher

Text = Annotated[str, Strict(), AfterValidator(values.printable)]
Flag = Annotated[bool, Strict()]
File = Annotated[Path, BeforeValidator(values.printable_path)]
NodeName = Annotated[str, Strict(), AfterValidator(values.node_name)]
TrustDomain = Annotated[str, Strict(), AfterValidator(values.trust_domain)]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
Milliseconds = Annotated[int, Strict(), Field(ge=1, le=600_000)]
Ports = Annotated[tuple[values.PortRange, ...], BeforeValidator(values.ports)]
Networks = Annotated[tuple[AnyNetwork, ...], BeforeValidator(values.networks)]
Names = Annotated[tuple[Text, ...], BeforeValidator(values.names)]
Ciphers = Annotated[tuple[Cipher, ...], BeforeValidator(values.ciphers)]
Mode = Annotated[AnyMode, BeforeValidator(values.mode)]


class Table(BaseModel):
    """What all tables share: unknown keys are errors, defaults are checked, nothing changes later."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
