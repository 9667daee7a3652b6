"""The rewritings that keep a program's meaning: (files, random numbers) to files."""

from __future__ import annotations

from random import Random

from tests.metamorphic.families import (
    aliases,
    constants,
    decoys,
    evasive,
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
    chosen = rng.sample(sorted(set(FAMILIES) - {"stacked", "packed", "split", "minified", *EVASIVE}), 2)
    for name in (*chosen, rng.choice(("packed", "split", "minified"))):
        try:
            files = FAMILIES[name](files, rng)
        except NotApplicable:
            continue
    return files


EVASIVE = ("dispatched", "generators", "objects", "control", "executed", "patched", "threads")
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
    "dispatched": everywhere(evasive.dispatched),
    "generators": everywhere(evasive.generators),
    "objects": everywhere(evasive.objects),
    "control": everywhere(evasive.control),
    "executed": everywhere(evasive.executed),
    "patched": everywhere(evasive.patched),
    "threads": everywhere(evasive.threads),
    "stacked": _stacked,
}
