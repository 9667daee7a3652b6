"""The rewritings that keep a program's meaning: (files, random numbers) to files."""

from __future__ import annotations

from tests.metamorphic.families import aliases, functions, loops, modules, names
from tests.metamorphic.trees import Family, everywhere

FAMILIES: dict[str, Family] = {
    "renames": everywhere(names.renames),
    "through-dict": everywhere(aliases.through_dict),
    "through-object": everywhere(aliases.through_object),
    "through-closure": everywhere(aliases.through_closure),
    "inlined": everywhere(functions.inlined),
    "outlined": everywhere(functions.outlined),
    "loop-forms": everywhere(loops.loop_forms),
    "split": modules.split,
    "packed": modules.packed,
    "minified": everywhere(names.minified),
}
