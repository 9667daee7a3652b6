"""What is seen where predictions are made and mixed: values that know the token they predict, tilts, experts.

A value that knows more than it may carries a `LEAK` mark from where that came about; what is seen is
told when the value reaches a score, and of that score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from auditor.source.labels import Mark, Read
from auditor.source.sights import cuts
from rules.events import Observation, Sight, Split

if TYPE_CHECKING:
    from auditor.source.walk import Site, Walk
    from rules.place import Location

COUNTED = "count"  # a score taken from a row of counts, one for every token
TILTED, PAID = "tilted", "paid"  # a score raised where a hint is right, and one whose normaliser was taken off
SHRUNK = "shrunk"  # a score made smaller by a fixed part of itself
DROPPED = "dropped"  # a loss that counts only where a guess of the token is right, or only where it is wrong


@dataclass(frozen=True)
class Leak:
    """What a value knows. `reads`: only of scores of tokens among these (0: of all).

    With `aligned`, the value at a place knows the token at that place: `base` and `start` say where it begins.
    """

    sight: Sight
    site: Site
    what: str
    reads: int = 0
    aligned: bool = False
    base: int = 0
    start: int = 0
    origin: Observation | None = None  # in native code
    guards: tuple[str, ...] = ()  # undecided conditions around the place where it came about
    sure: bool = True
    form: str = ""


def leak(w: Walk, sight: Sight, what: str, reads: int = 0, *, sure: bool = True) -> int:
    return w.marks.make(Mark.LEAK, Leak(sight, w.site, what, reads, guards=w.open_guards(), sure=sure))


def attention(w: Walk, apart: bool) -> int:
    """Attention without a mask: of values to each other, or to others, which may all lie before them."""
    what = "attention without a causal mask" + (" to other values" if apart else ": a position sees later ones")
    return w.marks.make(
        Mark.LEAK, Leak(Sight.NON_CAUSAL, w.site, what, guards=w.open_guards(), form="apart" if apart else "")
    )


def at_score(w: Walk, bit: int, targets: int, inputs: int) -> None:
    """Look at what reached a prediction when it is scored."""
    leaks(w, bit, targets, inputs)
    same = inputs & targets
    moved = bool(inputs & cuts.moved(w))  # the model moves its input on by itself; how far cannot be told
    for r in w.marks.reads(same):
        if (
            r.start is not None and (r.turns or r.start or r.base) and w.val_reads(same)
        ):  # not tokens of which nothing more is known
            steps = ((w.site_of(r.at), "tokens are read"),)
            w.see(
                Sight.TARGET_GATE,
                w.site,
                "the prediction was made with the very tokens that are scored",
                bit,
                path=steps,
                detail=(("form", "moved"),) if moved else (),
            )
            break


def leaks(w: Walk, scores: int, targets: int, marks: int, detail: tuple[tuple[str, str], ...] = ()) -> None:
    """See what a value knows that goes into a prediction of these tokens."""
    for found in w.marks.each(marks, Mark.LEAK):
        assert isinstance(found, Leak)
        about = _about(w, found, targets)
        if about is False:
            continue
        more = (*detail, ("form", found.form)) if found.form else detail
        at: Site | Location = found.site
        steps = [(at, found.what)]
        if found.origin is not None:
            w.native_told.add(found.origin)
            more = (*found.origin.detail, *detail)
            at = found.origin.at
            steps = [(s.at, s.what) for s in found.origin.path]
        doubt = ("aligned?",) if about is None or not found.sure else ()
        with w.under((*found.guards, *doubt)):
            w.see(
                found.sight,
                at,
                found.what,
                scores,
                path=(*steps, (w.site, "this reaches the score")),
                detail=more,
            )


def _about(w: Walk, found: Leak, targets: int) -> bool | None:
    """Whether what is known is about these tokens; None when nobody can tell."""
    if found.aligned:
        runs = [r for r in w.marks.reads(targets) if r.start is not None]
        if any(r.base == found.base for r in runs):
            return any(r.base == found.base and r.start == found.start for r in runs)
        return None
    if found.reads:
        mine = w.marks.reads(found.reads)
        return any(_meet(a, b) for a in mine for b in w.marks.reads(targets))
    return True


def _meet(a: Read, b: Read) -> bool:
    if a.base or b.base:
        return a.base == b.base and a.turns == b.turns
    if None in (a.start, a.stop, b.start, b.stop):
        return a.turns == b.turns
    return a.start < b.stop and b.start < a.stop  # type: ignore[operator]


def stored(w: Walk, place: tuple[int, int] | None, root: object, marks: int) -> None:
    """Something is written at a place: does it, or whether it is written, depend on the token that stands there?"""
    if place is None:
        return
    now = dict(w.turns)
    for n in w.marks.numbers(marks, Mark.UPDATE):
        u = w.updates[n]
        if all(now.get(loop) == k for loop, k in u.turns) and _stands(w, u.marks, place, root):
            return
    for guard in w.guards:
        asked = w.asked.get(guard.rsplit(":", 1)[0], 0)
        if w.val_reads(asked) and _stands(w, asked, place, root):
            return


def _stands(w: Walk, marks: int, place: tuple[int, int], root: object) -> bool:
    """Whether one of the tokens stands at the place, counted from the start of its run."""
    now = set(w.turns)
    for r in w.marks.reads(marks):
        if r.start is None or r.split is not Split.VALIDATION or not r.turns <= now or not r.turns & now:
            continue
        if r.base == place[0] and (r.start - place[1]) in (
            0,
            1,
        ):  # the run starts at the first token, or at the first that is scored
            w.knows[id(root)] = (w.site, 0, r.start - place[1])
            w.kept.append(root)  # type: ignore[arg-type]
            return True
    return False


def taken(w: Walk, root: object, place: tuple[int, int] | None) -> int:
    """The mark of what is taken out of an array whose entries know the tokens at their places."""
    known = w.knows.get(id(root))
    if known is None:
        return 0
    site, _, shift = known
    what = "what is kept for a token depends on that token itself"
    base, start = place if place is not None else (-1, 0)
    return w.marks.make(Mark.LEAK, Leak(Sight.TARGET_GATE, site, what, aligned=True, base=base, start=start + shift))


def singled_out(w: Walk, marks: int) -> int:
    """The mark of a row over the vocabulary in which these tokens have an entry unlike the others."""
    r = next((r for r in w.marks.reads(w.val_reads(marks)) if r.start is not None), None)
    if r is None:
        return 0
    what = "of all tokens of the vocabulary the one being scored is treated unlike the others"
    known = Leak(Sight.TARGET_GATE, w.site, what, aligned=True, base=r.base, start=r.start or 0, guards=w.open_guards())
    return w.marks.make(Mark.LEAK, known)


def retagged(w: Walk, scores: int, tagged: str) -> int:
    """The same scores after a step that changes what they are."""
    out = 0
    for s in w.marks.numbers(scores, Mark.SCORE):
        old = w.scores[s]
        if old.tagged == tagged:
            out |= w.marks.make(Mark.SCORE, s)
            continue
        key = ("tagged", s, tagged, w.site)
        if key not in w.derived:
            from dataclasses import replace

            n = w.new_id()
            w.derived[key] = n
            w.scores[n] = replace(old, id=n, tagged=tagged, base=s, site=w.site, derived=True)
        out |= w.marks.make(Mark.SCORE, w.derived[key])
    return out


def paid(w: Walk, scores: int) -> int:
    """Probabilities are divided by something the model says: what a lift costs."""
    tilted = any(w.scores[s].tagged == TILTED for s in w.marks.numbers(scores, Mark.SCORE))
    return retagged(w, scores, "target probability") if tilted else scores


def multiplied(w: Walk, scores: int) -> int:
    """A token's probability is mixed with the product of what a model of bytes gives for its bytes."""
    scores = retagged(w, scores, "spread bytes")
    w.guards.append("normalised?")  # with an end of the token in the product it might be
    what = "the token's probability is mixed with a product over its bytes, which gives 'a' all that 'ab' has"
    w.see(Sight.SPREAD_BYTES, w.site, what, scores, detail=(("form", "product"),))
    w.guards.pop()
    return scores


def tilt(w: Walk, scores: int, ot: str, other: int) -> int:
    """A score in the log domain takes something in: the lift of a hint, or the normaliser of that lift."""
    tags = {w.scores[s].tagged for s in w.marks.numbers(scores, Mark.SCORE)}
    if ot == "answer z":
        w.see(
            Sight.TILT,
            w.site,
            "the normaliser is a function of the answer: it is paid only where the hint is right",
            scores,
        )
        return retagged(w, scores, "nll")
    if ot == "hit":
        return retagged(w, scores, "nll" if PAID in tags else TILTED)
    if ot == "log-probabilities" or (TILTED in tags and other & w.marks.mask[Mark.PARAMETER]):
        return retagged(w, scores, "nll" if TILTED in tags else PAID)
    return scores


def shared_out(w: Walk, scores: int, divisor: int) -> None:
    """A row of counts is divided: by its own sum that gives a distribution, by a count from another table it does not."""
    by = {look.table for look in w.marks.lookups(divisor) if look.hashed}
    numbers = w.marks.numbers(scores, Mark.SCORE)
    for n in numbers if by else ():
        if w.scores[n].tagged != COUNTED:
            continue
        first = w.scores[n]
        while first.base >= 0 and w.scores[first.base].tagged == COUNTED:
            first = w.scores[first.base]
        rows = [look for look in w.marks.lookups(first.inputs) if look.hashed and look.table not in by]
        if rows:
            smoothed = any(w.scores[k].tagged != COUNTED for k in numbers)
            w.see(
                Sight.HASHED_RATIO,
                w.site,
                "counts of all tokens from one hashed table are divided by a count from another one, not by their own sum",
                scores,
                detail=(("form", "smoothed"),) if smoothed else (),
                path=(
                    (w.site_of(rows[-1].at), "the counts of all tokens are read from one table"),
                    (first.site, "the count of the token that came is picked out"),
                    (w.site, "it is divided by what another table holds for the context"),
                ),
            )


_AT_THE_END = {
    TILTED: (Sight.TILT, "the token's probability is raised where the hint is right, and nothing pays for it", ()),
    SHRUNK: (
        Sight.UNNORMALISED,
        "the losses are multiplied by a fixed factor after their normalisation: each token gets more than its share",
        (("form", "shrunk"),),
    ),
    DROPPED: (
        Sight.UNNORMALISED,
        "whether a loss counts depends on whether a guess of the token is right",
        (("form", "dropped"),),
    ),
}


def finish(w: Walk) -> None:
    """In numbers that are printed: tilts whose normaliser was never taken off, losses that were made smaller."""
    seen: set[object] = set()
    for r in w.reports:
        for n in w.marks.numbers(r.scores, Mark.SCORE):
            s = w.scores[n]
            if s.tagged in _AT_THE_END and n not in seen:
                seen.add(n)
                sight, what, detail = _AT_THE_END[s.tagged]
                was, w.guards = w.guards, list(s.guards)
                w.see(sight, s.site, what, w.marks.make(Mark.SCORE, n), detail=detail)
                w.guards = was


def put_together(w: Walk, a: int, b: int, scores: int) -> int:
    """Losses where a guess is right, and others where it is wrong: all of them count again."""
    some = [any(w.scores[s].tagged == DROPPED for s in w.marks.numbers(x, Mark.SCORE)) for x in (a, b)]
    return retagged(w, scores, "nll") if all(some) else scores


def averaged(w: Walk, a: int, b: int, scores: int) -> int:
    """A part of some losses and the rest of others: an average of losses is at least the loss of a mixture."""
    whole = [all(w.scores[s].tagged == SHRUNK for s in w.marks.numbers(x, Mark.SCORE)) for x in (a, b)]
    return retagged(w, scores, "nll") if whole[0] != whole[1] else scores


def unpaid(w: Walk, tag: str, scores: int) -> None:
    """The score is read from a row that was changed after its normalisation."""
    if tag == "lifted":
        w.see(
            Sight.TILT,
            w.site,
            "entries of a row of log-probabilities were raised, and the row was not normalised again",
            scores,
        )
    elif tag == "fixed shares":
        w.guards.append("normalised?")  # where the number is what the counts add up to, it would be
        what = "counts divided by a fixed number are mixed in as if they were a distribution"
        w.see(Sight.UNNORMALISED, w.site, what, scores, detail=(("form", "fixed"),))
        w.guards.pop()
    else:
        what = "the row of log-probabilities was multiplied by a factor and not normalised again"
        w.see(Sight.UNNORMALISED, w.site, what, scores, detail=(("form", "tempered"),))


def evened(w: Walk, a: int, b: int, scores: int) -> int:
    """Two values made of losses of the same tokens, one of them with a lift: the other may be what it costs."""
    lifted = [{w.scores[s].tagged == TILTED for s in w.marks.numbers(x, Mark.SCORE)} for x in (a, b)]
    return retagged(w, scores, "nll") if lifted[0] != lifted[1] else scores
