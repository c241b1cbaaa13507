# SPDX-License-Identifier: Apache-2.0
"""What a configuration's model says of an option is what the reference shows of it."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Literal

import pytest
from options import options, undocumented
from pydantic import BaseModel, Field


class Base(BaseModel):
    """Options; `told` is told here."""

    told: bool = False


class Model(Base):
    """Options of a plugin."""

    count: Annotated[int, Field(ge=1, le=2000)] = 7
    """how many"""
    path: Path | None = None
    """where"""
    pause: float = Field(gt=0, description="how long")
    words: tuple[Literal["a", "b"], ...] = ("a",)
    """Which."""
    address: IPv4Address | None = None
    more: bool = True


class Strange(BaseModel):
    """Options."""

    value: complex = 0j


def test_kinds_defaults_and_meanings() -> None:
    rows = {one.name: (one.kind, one.default, one.meaning) for one in options(Model)}
    assert rows == {
        "told": ("`true` or `false`", "`false`", ""),
        "count": ("integer, 1 to 2,000", "`7`", "How many"),
        "path": ("path", "none", "Where"),
        "pause": ("number, above 0", "**required**", "How long"),
        "words": ('list; each: `"a"` or `"b"`', '`["a"]`', "Which."),
        "address": ("address", "none", ""),
        "more": ("`true` or `false`", "`true`", ""),
    }


def test_what_neither_has_a_text_nor_is_named_by_its_class_is_not_documented() -> None:
    assert undocumented(Base) == []
    assert undocumented(Model) == ["Model.told", "Model.address", "Model.more"]


def test_a_type_that_has_no_words_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"no words for <class 'complex'>: add them to '_PLAIN'"):
        options(Strange)
