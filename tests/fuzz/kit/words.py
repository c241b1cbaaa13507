# SPDX-License-Identifier: Apache-2.0
"""Texts as inputs: as they are, or with bytes that stand for whole words, so that one change makes another sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

PLAIN, SPELLED = b"\0", b"\1"
_FIRST = 128  # bytes from here on stand for words
MOST = 256 - _FIRST


def text_of(data: bytes, words: Sequence[bytes]) -> bytes:
    """The text that an input stands for: its first byte says how it is written."""
    if data[:1] == PLAIN:
        return data[1:]
    return b"".join(words[(byte - _FIRST) % len(words)] if byte >= _FIRST else bytes((byte,)) for byte in data[1:])


def both_ways(texts: Iterable[bytes], words: Sequence[bytes]) -> Iterator[bytes]:
    """The inputs that stand for these texts, in either way of writing; raises ValueError for too many words."""
    if len(words) > MOST:
        raise ValueError(f"{len(words)} words, {MOST} can be told apart")
    for text in texts:
        yield PLAIN + text
        yield SPELLED + _spelled(text, words)


def _spelled(text: bytes, words: Sequence[bytes]) -> bytes:
    numbers = {word: bytes((_FIRST + number,)) for number, word in enumerate(words)}
    longest = sorted(numbers, key=len, reverse=True)
    out, at = b"", 0
    while at < len(text):
        word = next((one for one in longest if text.startswith(one, at)), text[at : at + 1])
        out += numbers.get(word, word if word[0] < _FIRST else b"?")
        at += len(word)
    return out


def dictionary(words: Iterable[bytes]) -> str:
    """The words as libFuzzer reads them."""
    escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in words)
    return "".join(f'"{word}"\n' for word in escaped)
