"""`python -m tests.metamorphic FAMILY SEED EXAMPLE` prints what one rewriting changes, as a diff.

EXAMPLE is part of the name of one example, such as "C3-valid-counts". FAMILY may be "list".
"""

from __future__ import annotations

import difflib
import sys

from tests.metamorphic.bases import bases, found, rewritten
from tests.metamorphic.families import FAMILIES
from tests.metamorphic.trees import NotApplicable


def main(arguments: list[str]) -> int:
    if arguments == ["list"]:
        print("\n".join([*FAMILIES, "", *(b.name for b in bases())]))
        return 0
    if len(arguments) < 3 or arguments[0] not in FAMILIES or not arguments[1].isdigit():
        print(__doc__, file=sys.stderr)
        return 2
    family, seed, example = arguments[0], int(arguments[1]), " ".join(arguments[2:])
    try:
        base = found(example)
        new = rewritten(family, seed, base)
    except (KeyError, NotApplicable) as e:
        print(e.args[0], file=sys.stderr)
        return 1
    for name in sorted({*base.example.files, *new}):
        a, b = (_lines(files.get(name, "")) for files in (base.example.files, new))
        sys.stdout.writelines(difflib.unified_diff(a, b, f"a/{name}", f"b/{name}"))
    return 0


def _lines(content: str | bytes) -> list[str]:
    text = content if isinstance(content, str) else f"{len(content)} bytes {content[:40]!r}"
    return [line if len(line) < 400 else line[:200] + "…\n" for line in text.splitlines(keepends=True)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
