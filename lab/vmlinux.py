# SPDX-License-Identifier: Apache-2.0
"""Extracts the ELF kernel from a bzImage: under emulation, booting it directly saves the kernel's own decompression."""

import lzma
import sys
from pathlib import Path

XZ_MAGIC = b"\xfd7zXZ\x00"


def extract(image: bytes) -> bytes:
    """The ELF file inside `image`; raises ValueError where it is not an xz-compressed ELF kernel."""
    start = image.find(XZ_MAGIC)
    if start < 0:
        raise ValueError("the kernel image is not compressed with xz")
    kernel = lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(image[start:])
    if not kernel.startswith(b"\x7fELF"):
        raise ValueError("the kernel image does not hold an ELF file")
    return kernel


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(extract(Path(sys.argv[1]).read_bytes()))
