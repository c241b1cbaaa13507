# SPDX-License-Identifier: Apache-2.0
"""The mapping file while it is in use: harmed, it changes nothing; replaced, it is taken in."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest
from tlshub_capture_podmap_file import tlshub_mapping_sources

from tlshub_core.api import ConfigError


@pytest.mark.parametrize("harm", ["emptied", "commented out", "gone", "unreadable", "cut in a line", "other bytes"])
async def test_a_file_that_is_harmed_while_in_use_keeps_the_table(tmp_path: Path, harm: str) -> None:
    path, spec = tmp_path / "map", tlshub_mapping_sources()[0]
    path.write_text("web node-a 192.0.2.1 10.0.0.1\ndb node-b 192.0.2.2 10.0.0.2\n")
    source = spec.factory(spec.config.model_validate({"path": str(path)}))
    await source.start()
    before, text = source.pods(), path.read_text()
    path.unlink()
    match harm:
        case "emptied":
            path.touch()
        case "commented out":
            path.write_text(text.replace("web", "#web").replace("db", "#db"))
        case "unreadable":
            path.mkdir()
        case "cut in a line":
            path.write_text(text[: text.rindex(".")])
        case "other bytes":
            path.write_bytes(b"\xff" * 300)
    with pytest.raises(ConfigError, match=str(path)):
        await source.reload()
    assert source.pods() == before
    assert source.by_address(IPv4Address("10.0.0.2")) is not None


async def test_another_file_takes_its_place(tmp_path: Path) -> None:
    path, spec = tmp_path / "map", tlshub_mapping_sources()[0]
    path.write_text("web node-a 192.0.2.1 10.0.0.1\n")
    source = spec.factory(spec.config.model_validate({"path": str(path)}))
    await source.start()
    (tmp_path / "new").write_text("db node-b 192.0.2.2 10.0.0.2\n")
    (tmp_path / "new").replace(path)
    await source.reload()
    assert [pod.name for pod in source.pods()] == ["db"]
