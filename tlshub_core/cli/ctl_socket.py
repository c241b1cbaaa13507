# SPDX-License-Identifier: Apache-2.0
"""Where 'ctl' finds the agent, also while its configuration file is wrong."""

from __future__ import annotations

from pathlib import Path

import click

from tlshub_core.config import Control, control_socket, default_file
from tlshub_core.types.errors import ConfigError


def socket_of(config: Path | None) -> Path:
    """The control socket that the file names, or the default one; raises ConfigError for a file that was named.

    A default file that cannot be read must not stand between an operator and a running agent.
    """
    if config is not None:
        return control_socket(config)
    try:
        return control_socket(default_file())
    except ConfigError as error:
        socket = Control().socket
        click.echo(f"note: {error}; '{socket}' is assumed", err=True)
        return socket
