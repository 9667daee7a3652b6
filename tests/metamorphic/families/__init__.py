"""The rewritings that keep a program's meaning: (files, random numbers) to files."""

from __future__ import annotations

from random import Random

from tests.metamorphic.families import (
    aliases,
    constants,
    decoys,
    functions,
    loops,
    modules,
    names,
    roundtrip,
    settings,
    statements,
    wrappers,
)
from tests.metamorphic.trees import Family, Files, NotApplicable, everywhere


def _stacked(files: Files, rng: Random) -> Files:
    """Three rewritings on top of each other; the wrapper, if there is one, comes last."""
    chosen = rng.sample(sorted(set(FAMILIES) - {"stacked", "packed", "split", "minified"}), 2)
    for name in (*chosen, rng.choice(("packed", "split", "minified"))):
        try:
            files = FAMILIES[name](files, rng)
        except NotApplicable:
            continue
    return files


FAMILIES: dict[str, Family] = {
    "renames": everywhere(names.renames),
    "through-dict": everywhere(aliases.through_dict),
    "through-object": everywhere(aliases.through_object),
    "through-closure": everywhere(aliases.through_closure),
    "inlined": everywhere(functions.inlined),
    "outlined": everywhere(functions.outlined),
    "loop-forms": everywhere(loops.loop_forms),
    "split": modules.split,
    "minified": everywhere(names.minified),
    "packed": modules.packed,
    "constants": everywhere(constants.constants),
    "lookups": everywhere(constants.lookups),
    "dead-code": everywhere(lambda text, rng: decoys.decoys(text, rng, valid=True)),
    "reassuring": everywhere(lambda text, rng: decoys.decoys(text, rng, valid=False)),
    "settings": everywhere(settings.settings),
    "arguments": everywhere(settings.typed_arguments),
    "wrappers": everywhere(wrappers.wrappers),
    "reordered": everywhere(statements.reordered),
    "round-trip": everywhere(roundtrip.round_trip),
    "stacked": _stacked,
}
