# SPDX-License-Identifier: Apache-2.0
"""What inputs do, without a fuzzer.

`python -m tests.fuzz.kit.replay TARGET FILE...` runs the target on what is in these files, and says what it was
understood as; a finding is a traceback and exit status 1. `python -m tests.fuzz.kit.replay --lines TARGET FOLDER` runs
it on its seeds and on the files of that folder, and prints how many lines of its modules were reached, and of how many.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fuzz.kit.target import ROOT, inputs, known, load


def main(arguments: list[str]) -> None:
    """See above; a finding is raised."""
    if arguments[0] == "--lines":
        print(*lines(arguments[1], Path(arguments[2])))
        return
    target = load(arguments[0])
    for name in arguments[1:]:
        understood = target.run(Path(name).read_bytes())
        print(f"{name}: {', '.join(sorted(understood)) or 'refused'}")


def lines(name: str, folder: Path) -> tuple[int, int]:
    """Lines that were reached, and all; those that run as a module is imported count as reached."""
    from coverage import Coverage

    measured = Coverage(data_file=None, config_file=False, include=[f"{ROOT}/**"])
    measured.start()
    target = load(name)
    for data in [*known(name, target), *inputs(folder)]:
        target.run(data)
    measured.stop()
    found = [measured.analysis2(str(sys.modules[module].__file__)) for module in target.modules]
    every = sum(len(statements) for _, statements, _, _, _ in found)
    return every - sum(len(missing) for _, _, _, missing, _ in found), every


if __name__ == "__main__":
    main(sys.argv[1:])
