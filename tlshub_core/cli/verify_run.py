# SPDX-License-Identifier: Apache-2.0
"""'verify', once it is called rightly: sets up what judges, lets it, and shows what it found."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import click

from tlshub_core.cli.common import print_json
from tlshub_core.cli.verify_tables import document, show
from tlshub_core.cli.verify_watch import read, watch
from tlshub_core.config import Config, default_file, load
from tlshub_core.types.errors import ConfigError, Unavailable
from tlshub_core.verifying.judge import Answer, Judge
from tlshub_core.verifying.keyring import Keyring
from tlshub_core.verifying.keys import FlowKey, KeyFile
from tlshub_core.verifying.plain_pcap import PcapFile, PlainPcap
from tlshub_core.verifying.scope import PortRange, Scope
from tlshub_core.verifying.word import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """As on the command line."""

    config: Path | None = None
    interface: str = ""
    file: Path | None = None
    rule: str = ""
    ports: tuple[PortRange, ...] = ()
    seconds: float = 0
    count: int = 0
    pcap: Path | None = None
    keys: tuple[Path, ...] = field(default=())
    clear: Path | None = None
    events: Path | None = None
    socket: Path | None = None


def run(options: Options, as_json: bool) -> int:
    """Judge and print; returns the exit status. Raises TlshubError."""
    config = _config(options)
    live = bool(options.interface)
    word = Word(options.socket or (config.control.socket if config and live else None), options.events, live)
    with contextlib.ExitStack() as files:
        judge = Judge(_scope(options, config), _keyring(options.keys), _plain(options.clear, files))
        if options.file:
            read(judge, options.file)
        else:
            save = files.enter_context(_new(options.pcap)) if options.pcap else None
            watch(judge, options.interface, word, options.seconds, options.count, save)
        judge.finish()
    word.read(judge.findings)
    judge.explain(word.why)
    print_json(document(judge)) if as_json else show(judge)
    return 0 if judge.answer is Answer.ENCRYPTED else 1


def _config(options: Options) -> Config | None:
    if options.config is None and (options.file or options.ports) and not options.rule:
        return None
    return load(options.config or default_file())


def _scope(options: Options, config: Config | None) -> Scope:
    if config is None:
        return Scope(ports=options.ports)
    from tlshub_core.cli.check import compiled  # a good part of the agent: not where there are no rules
    from tlshub_core.plugins import Registry

    source, port = config.mapping.source, config.peering.port
    rules = asyncio.run(compiled(config, Registry().mapping_source(source) if source else None))
    try:
        return Scope(rules, options.rule, options.ports, excluded=[(port, port)])
    except ValueError as error:
        raise ConfigError(str(error), file=str(config.file), table="rule") from None


def _keyring(paths: tuple[Path, ...]) -> Keyring | None:
    if not paths:
        return None
    files = [KeyFile(path) for path in paths]

    def more() -> list[FlowKey]:
        try:
            return [key for file in files for key in file.read()]
        except (ValueError, OSError) as error:
            raise Unavailable(f"the key log cannot be read: {error}") from None

    return Keyring(more(), more)


def _plain(path: Path | None, files: contextlib.ExitStack) -> PlainPcap | None:
    if path is None:
        return None
    found = PlainPcap(files.enter_context(_new(path)))
    click.echo(f"warning: '{path}' gets what the applications said, in clear: keep it safe, and remove it", err=True)
    return found


def _new(path: Path) -> PcapFile:
    try:
        return PcapFile(path)
    except FileExistsError:
        raise Unavailable(f"'{path}' is there already: remove it, or name another file") from None
    except OSError as error:
        raise Unavailable(f"'{path}' cannot be written: {(error.strerror or str(error)).lower()}") from None
