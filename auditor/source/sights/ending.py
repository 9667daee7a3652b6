"""What can only be told when the walk is over: which of the things noted on the way reached a score."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from auditor.source.labels import Mark, Read
from auditor.source.sights import branches
from auditor.source.sights.artifact import MATCHED
from auditor.source.sights.cuts import MASKED
from auditor.source.walk import Note, Scored, Seen, Site, Walk
from rules.events import Sight

BOUND_PICKED = "bound picked"
BOUND_WEIGHTED = "bound weighted"
CALIBRATED = "calibrated"


def finish(w: Walk) -> None:
    """Turn notes into observations."""
    _stored(w)
    _train_data(w)
    _untouched_file(w)
    _bounds(w)
    _windows(w)
    _fetched(w)
    _sidecars(w)
    for n in w.notes:
        if n.kind == branches.LEFT_BY_CLOCK:
            _left_by_clock(w, n)
        elif n.kind == branches.LEFT_BY_SCORE and any(loop in w.trained_loops for loop, _ in n.turns[-1:]):
            _see(
                w,
                Sight.VAL_SELECTION,
                n,
                "the training stops when a validation score says so",
                n.marks & w.marks.mask[Mark.SCORE],
                (("choice", "stop"),),
            )
        elif n.kind == branches.KEPT_BY_SCORE and _comes_back(w, n.text.split()):
            _see(
                w,
                Sight.VAL_SELECTION,
                n,
                "a validation score decides which weights are kept",
                n.marks & w.marks.mask[Mark.SCORE],
                (("choice", "weights"),),
            )
        elif n.kind == CALIBRATED:
            _calibrated(w, n)


def _see(
    w: Walk, sight: Sight, n: Note, what: str, marks: int, detail: tuple[tuple[str, str], ...] = (), ok: bool = False
) -> None:
    sure = all(g.startswith("~") for g in n.guards)
    seen = Seen(sight, n.site, what, marks, detail, sure, ok, (), n.guards, n.stack)
    if not any(s.sight is sight and s.site == n.site and s.marks == marks and s.detail == detail for s in w.seen):
        w.seen.append(seen)


def _of(w: Walk, scores: Iterable[Scored]) -> int:
    out = 0
    for s in scores:
        out |= w.marks.make(Mark.SCORE, s.id)
    return out


def _left_by_clock(w: Walk, n: Note) -> None:
    loop = n.turns[-1][0]
    if loop in w.trained_loops:
        return
    inside = [s for s in w.scores.values() if any(t[0] == loop for t in s.turns) and not w.in_training(s.turns)]
    if inside:
        _see(w, Sight.TIME_BREAK, n, "scoring stops when a clock says so", _of(w, inside))


def _stored(w: Walk) -> None:
    """Validation tokens that came back out of the artifact and reached a score."""
    bit = w.marks.bit.get((Mark.STORED, 0), 0)
    hit = w.marks.bit.get((Mark.STORED, MATCHED), 0)
    for r in w.reports:
        if r.marks & bit and r.scores:
            what = "what was read out of the artifact, and was made from validation tokens, decides what is counted"
            w.seen.append(_seen(w, Sight.STORED_TARGETS, r.site, what, r.scores))
        elif r.marks & hit and r.scores:
            what = (
                "the tokens to be scored are compared with a file or a packed copy, and what is counted depends on it"
            )
            w.seen.append(_seen(w, Sight.STORED_TARGETS, r.site, what, r.scores, (("kind", MATCHED),)))
    reached = [s for s in w.scores.values() if s.inputs & bit]
    for site in dict.fromkeys(s.site for s in reached):
        marks = _of(w, (s for s in reached if s.site == site))
        what = "something made from validation tokens was stored in the artifact and is read back for the prediction"
        w.seen.append(_seen(w, Sight.STORED_TARGETS, site, what, marks))


def _train_data(w: Walk) -> None:
    """Training tokens that reached a prediction by another way than the weights."""
    reached = [
        s
        for s in w.scores.values()
        if w.train_reads(s.inputs) and w.val_reads(s.targets) and not w.train_reads(s.targets)
        if not w.in_training(s.turns)
    ]
    for site in dict.fromkeys(s.site for s in reached):
        here = [s for s in reached if s.site == site]
        reads = 0
        for s in here:
            reads |= w.train_reads(s.inputs)
        at = w.site_of(w.marks.reads(reads)[0].at)
        steps = ((at, "training tokens are read"), (site, "what was made of them is used for the prediction"))
        what = "training tokens reach the prediction otherwise than through the artifact"
        form = (("form", "vocabulary"),) if site in w.respelled else ()
        w.seen.append(_seen(w, Sight.TRAIN_DATA_AT_EVAL, site, what, _of(w, here), form, steps))
        if form:
            continue  # what was counted may be the vocabulary
        what = (
            "what was counted from training tokens, and did not pass through the artifact, is used for the prediction"
        )
        w.seen.append(_seen(w, Sight.TABLE_FROM_TRAIN, site, what, _of(w, here), path=steps))


def _fetched(w: Walk) -> None:
    """What came from the network and reached a score."""
    bit = w.marks.mask[Mark.NETWORK]
    reached = [s for s in w.scores.values() if s.inputs & bit and not w.in_training(s.turns)] if bit else []
    for site in dict.fromkeys(s.site for s in reached):
        what = "what was fetched over the network is used for the prediction"
        w.seen.append(_seen(w, Sight.NETWORK, site, what, _of(w, (s for s in reached if s.site == site))))


def _sidecars(w: Walk) -> None:
    """Where byte counts from a file beside the tokens end up: in a printed number, or in a prediction."""
    bit = w.marks.mask[Mark.SIDECAR]
    if not bit:
        return
    read = next((r for kind, r in w.marks.of if kind is Mark.READ and isinstance(r, Read) and r.sidecar), None)
    if read is not None:
        what = "byte counts are read from a file beside the tokens"
        w.seen.append(_seen(w, Sight.SIDECAR, w.site_of(read.at), what, 0, (("read", "yes"),)))
    for r in w.reports:
        if r.marks & bit and r.scores:
            what = "the printed number is made with byte counts from a file beside the tokens"
            w.seen.append(_seen(w, Sight.SIDECAR, r.site, what, r.scores))
    reached = [s for s in w.scores.values() if s.inputs & bit and not w.in_training(s.turns)]
    for site in dict.fromkeys(s.site for s in reached):
        what = "byte counts from a file beside the tokens reach the prediction"
        w.seen.append(_seen(w, Sight.SIDECAR_INPUT, site, what, _of(w, (s for s in reached if s.site == site))))


def _untouched_file(w: Walk) -> None:
    """The weights that are scored were never written, while others were written and read back."""
    names = {h.name for h in w.holders if h.number in w.written}
    if not names or not w.restored:
        return
    by_site: dict[Site, int] = {}
    for s in w.scores.values():
        held = w.marks.holders(s.inputs)
        if (
            held
            and not w.in_training(s.turns)
            and all(h.number not in w.written | w.restored and h.name in names for h in held)
        ):
            by_site[s.site] = by_site.get(s.site, 0) | _of(w, [s])
    for site, marks in by_site.items():
        what = "the weights that are scored are others than those that were written to the artifact and read back"
        w.seen.append(_seen(w, Sight.TRAIN_DATA_AT_EVAL, site, what, marks, (("how", "memory"),)))


def _bounds(w: Walk) -> None:
    masked = w.marks.make(Mark.RANDOM, MASKED)
    hit = [s for s in w.scores.values() if s.inputs & masked and not w.in_training(s.turns)]
    if not hit:
        return
    picked = _noted(w, BOUND_PICKED)
    weighted = _noted(w, BOUND_WEIGHTED)
    for site in dict.fromkeys(s.site for s in hit):
        here = [s for s in hit if s.site == site]
        marks = _of(w, here)
        drawn = any(w.marks.each(s.inputs, Mark.RANDOM) != [MASKED] for s in here)
        kind = (
            "picked"
            if marks & picked
            else "all others"
            if not drawn
            else "weighted"
            if marks & weighted
            else "unweighted"
        )
        w.seen.append(
            _seen(
                w,
                Sight.BOUND,
                site,
                "tokens are scored from text in which they are hidden and those behind them are not",
                marks,
                (("kind", kind),),
            )
        )


def _windows(w: Walk) -> None:
    """The best of the losses that overlapping windows gave a token."""
    for n in w.notes:
        if n.kind != BOUND_PICKED:
            continue
        marks = _noted(w, BOUND_PICKED)
        roots = [_root(w, s) for s in w.marks.numbers(marks, Mark.SCORE)[:40]]
        if any(a.site == b.site and _shared(w, a, b) for a in roots for b in roots if a.id < b.id):
            what = "of the losses that overlapping windows give a token the smallest is kept"
            w.seen.append(_seen(w, Sight.ORACLE, n.site, what, marks))
        return


def _root(w: Walk, number: int) -> Scored:
    s = w.scores[number]
    while s.base >= 0:
        s = w.scores[s.base]
    return s


def _shared(w: Walk, a: Scored, b: Scored) -> bool:
    """Whether two windows in different turns hold tokens in common, by half of a window at least."""
    for x in w.marks.reads(a.targets):
        for y in w.marks.reads(b.targets):
            known = x.base == y.base == 0 and x.start is not None and x.stop is not None and y.start is not None
            if known and x.turns != y.turns and x.start < y.start and 2 * (x.stop - y.start) >= x.stop - x.start:  # type: ignore[operator]
                return True
    return False


def _noted(w: Walk, kind: str) -> int:
    out = 0
    for n in w.notes:
        if n.kind == kind:
            out |= n.marks & w.marks.mask[Mark.SCORE]
    return out


def _calibrated(w: Walk, n: Note) -> None:
    generated = n.marks & w.marks.mask[Mark.GENERATED]
    if generated:
        val = bool(w.val_reads(n.marks) | n.marks & w.marks.mask[Mark.UPDATE] | w.score_marks(n.marks))
        what = "weights are shaped by statistics of text that a model wrote" + (
            " after it had seen validation tokens" if val else ""
        )
        _see(w, Sight.SELF_GENERATED, n, what, 0, ok=not val)
    elif n.text and w.train_reads(n.marks) and not any(loop in w.trained_loops for loop, _ in n.turns):
        _see(
            w,
            Sight.TRAIN_CALIBRATION,
            n,
            "weights are shaped by statistics of training tokens after the training loop",
            0,
        )


def _seen(
    w: Walk,
    sight: Sight,
    site: Site,
    what: str,
    marks: int,
    detail: tuple[tuple[str, str], ...] = (),
    path: tuple[tuple[Site, str], ...] = (),
) -> Seen:
    return Seen(sight, site, what, marks, detail, True, False, path)


def _comes_back(w: Walk, names: list[str]) -> bool:
    """Whether something that was kept under one of these names is loaded into a model."""
    wanted = set(names)
    for m in w.loaded.values():
        if m.tree is None:
            continue
        for x in ast.walk(m.tree):
            if (
                isinstance(x, ast.Call)
                and isinstance(x.func, ast.Attribute)
                and x.func.attr in ("load_state_dict", "load")
            ):
                for a in x.args:
                    for y in ast.walk(a):
                        name = (
                            y.id
                            if isinstance(y, ast.Name)
                            else y.attr
                            if isinstance(y, ast.Attribute)
                            else y.value
                            if isinstance(y, ast.Constant)
                            else None
                        )
                        if (
                            isinstance(name, str)
                            and name in wanted
                            and name not in ("model", "torch", "base_model", "state_dict")
                        ):
                            return True
    return False
