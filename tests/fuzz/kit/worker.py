# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.fuzz.kit.worker TARGET FOLDER SECONDS`: fuzzes one target in this process, guided by coverage.

Below the folder: `corpus` are inputs that reached something new, from which the next run goes on; `crash-*` and the
like is an input that is a finding, with which the run ends. Exit status 0, or libFuzzer's for a finding.
"""

from __future__ import annotations

import shutil
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import atheris

if TYPE_CHECKING:
    from tests.fuzz.kit.target import Target

# Atheris rewrites the byte code of these as it is loaded, so none may have been imported before.
PACKAGES = [
    "tlshub_core", "tlshub_capture_boringssl", "tlshub_capture_bpf", "tlshub_capture_openssl",
    "tlshub_capture_podmap_file", "tlshub_capture_tlshub", "tomllib",
]  # fmt: skip


def main(name: str, folder: Path, seconds: str) -> None:
    """Fuzz; does not return."""
    with atheris.instrument_imports(include=PACKAGES):
        from tests.fuzz.kit.target import known, load

        target = load(name)
    corpus, seeds = folder / "corpus", folder / "seeds"
    corpus.mkdir(parents=True, exist_ok=True)
    _write(seeds, known(name, target))

    def one(data: bytes) -> None:
        target.run(data)

    atheris.Setup([sys.argv[0], *_options(target, folder, seconds), str(corpus), str(seeds)], one)
    atheris.Fuzz()


def _write(folder: Path, inputs: list[bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for data in inputs:
        (folder / sha256(data).hexdigest()[:16]).write_bytes(data)


def _options(target: Target, folder: Path, seconds: str) -> list[str]:
    from tests.fuzz.kit.words import dictionary

    words = folder / "words"
    words.write_text(dictionary(target.words) or "# none\n")
    # `timeout` and memory are the last resort: `Target.run` judges what an input takes, and says so better.
    limits = ["-timeout=60", "-rss_limit_mb=1024", f"-max_len={target.longest}", f"-max_total_time={seconds}"]
    return [*limits, "-print_final_stats=1", f"-artifact_prefix={folder}/", f"-dict={words}"]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
