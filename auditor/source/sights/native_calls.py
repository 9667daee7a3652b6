"""Calls from Python into native code: what was seen in the C sources goes on with the values that they fill.

The native part is read on its own (`native.py`). Here its results meet the walk: an array that a function fills with
something that knows the token carries that knowledge, so that what happens to the array in Python, a switch that
is off above all, decides whether it matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditor.source.labels import Mark
from auditor.source.native.sources import native_findings, sources
from auditor.source.sights.predictions import Leak, retagged
from auditor.source.values import Args, Data, Kw, Value, labels
from auditor.source.walk import Site
from rules.events import Observation, Sight, Suspect
from rules.evidence import Script

if TYPE_CHECKING:
    from auditor.source.walk import Walk

RETURNED = -1
_NAME = re.compile(r"([A-Za-z_]\w*)\s*(?:\[[^\]]{0,40}\]\s*)?(?:=[^,]{0,80})?$")


@dataclass(frozen=True)
class Outcome:
    """Something seen in a native function, and which argument it goes out by (`RETURNED`: its result; None: unknown)."""

    seen: Observation
    argument: int | None


def outcomes(scripts: Iterable[Script]) -> tuple[dict[str, list[Outcome]], tuple[Suspect, ...]]:
    """By function name, what native functions do with the token being scored; and what could not be followed."""
    every = tuple(scripts)
    found = native_findings(every)
    texts = [s.text for script in every for s in sources(script)] if found.observations else []
    out: dict[str, list[Outcome]] = {}
    for o in found.observations:
        out.setdefault(o["function"], []).append(Outcome(o, _argument(texts, o["function"], o["name"])))
    return out, found.suspects


def _argument(texts: list[str], function: str, name: str) -> int | None:
    if name == "return" or not re.fullmatch(r"\w+", name):
        return RETURNED
    for text in texts:
        for m in re.finditer(rf"\b{re.escape(function)}\s{{0,4}}\(([^()]{{0,3000}})\)[^;{{}}()]{{0,60}}\{{", text):
            for k, part in enumerate(m[1].split(",")):
                p = _NAME.search(part.strip())
                if p and p[1] == name:
                    return k
    return None


def called(w: Walk, name: str, args: Args, kw: Kw) -> Value:
    """A native function is called: what it fills and returns knows what was seen inside it."""
    lab = 0
    for a in [*args, *kw.values()]:
        lab |= labels(a)
    w.native_called.add(name)
    scores = w.score_marks(lab)
    for outcome in w.natives[name]:
        o = outcome.seen
        if o.ok:
            continue
        if o.sight is Sight.SPREAD_BYTES:
            if scores:
                lab = (lab & ~scores) | retagged(w, scores, "spread bytes")
                scores = w.score_marks(lab)
                w.native_told.add(o)
                w.see(o.sight, _site(o), o.what, scores, path=((w.site, f"calls {name}"),), detail=o.detail)
            continue
        bit = w.marks.make(Mark.LEAK, Leak(o.sight, _site(o), o.what, origin=o, guards=w.open_guards()))
        if outcome.argument is None or outcome.argument == RETURNED or outcome.argument >= len(args):
            lab |= bit
        if outcome.argument is None:
            for a in args:
                if isinstance(a, Data) and a.root.tok is None and a.root.holder is None:
                    a.root.lab |= bit
        elif 0 <= outcome.argument < len(args) and isinstance(a := args[outcome.argument], Data):
            a.root.lab |= bit
    return Data(lab, tag="nll" if scores else "")


def _site(o: Observation) -> Site:
    return Site(o.at.file, o.at.line or 0)


def untold(w: Walk) -> tuple[tuple[Observation, ...], tuple[Suspect, ...]]:
    """What was seen in native code and done as allowed, and what never met a score."""
    good: list[Observation] = []
    left: list[Suspect] = []
    for name, found in w.natives.items():
        for outcome in found:
            o = outcome.seen
            if o.ok:
                good.append(o)
            elif o not in w.native_told:
                was = name in w.native_called
                why = "what it fills was not seen to reach a score" if was else "no call of it was seen"
                left.append(Suspect(o.at, o.what, why, dead=was))
    return tuple(good), tuple(left)
