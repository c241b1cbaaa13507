# SPDX-License-Identifier: Apache-2.0
"""Has bcc compile a text; a process of its own, because bcc brings a compiler of some hundred megabytes along.

Runs under the Python that has bcc, which may be another one than the agent's: so it imports nothing of the package.
In: JSON with 'text' and 'flags'; out: JSON with 'functions', the instructions of each in hexadecimal.
"""

from __future__ import annotations

import ctypes
import json
import sys

NO_BCC = 3


def compiled(text: str, flags: list[str]) -> dict[str, str]:
    """All functions of the text; bcc says on stderr what is wrong with it, and raises an Exception."""
    import bcc

    module = bcc.BPF(text=text, cflags=flags)
    library, found = bcc.lib, {}
    for number in range(library.bpf_num_functions(module.module)):
        name = library.bpf_function_name(module.module, number)
        start, size = (get(module.module, name) for get in (library.bpf_function_start, library.bpf_function_size))
        found[name.decode()] = ctypes.string_at(start, size).hex()
    return found


def main() -> None:
    """One text; exit status 1 where it cannot be compiled, 3 where bcc cannot be imported."""
    asked = json.load(sys.stdin)
    try:
        functions = compiled(asked["text"], asked["flags"])
    except (ImportError, OSError) as error:  # its own parts are missing, or a library that it loads
        print(error, file=sys.stderr)
        sys.exit(NO_BCC)
    except Exception as error:  # noqa: BLE001 - bcc raises no class of its own
        sys.exit(str(error))
    json.dump({"functions": functions}, sys.stdout)


if __name__ == "__main__":
    main()
