"""Arithmetic on values, with an eye on what is mixed into a score."""

from __future__ import annotations

import ast
import functools
import math
import operator
from itertools import islice

from auditor.source import tokens
from auditor.source.labels import Mark, Read
from auditor.source.sights import answers, artifact, cuts, losses, predictions, states
from auditor.source.sights.ending import BOUND_PICKED, BOUND_WEIGHTED
from auditor.source.sights.keys import gated, look_at_keys, same_run, targets_of
from auditor.source.tokens import AT_TARGET, TOKENISH, added, all_parts, narrowed, number, scaled, zero
from auditor.source.values import Alt, Const, Data, Seq, Value, join, labels
from auditor.source.walk import Walk
from rules.events import Means, Sight

NEAR_ONE = 0.85
LATEST = 200  # scores among which the predictions of the tokens at hand are looked for
SPREAD = ("spread", "spread probability")
CHOICES = frozenset(("condition", "mask", "hit", "better"))
_HASHING = (ast.BitXor, ast.Mod, ast.BitAnd, ast.BitOr, ast.LShift, ast.RShift)


def tag_of(v: Value) -> str:
    kind = type(v)
    if kind is Const:
        return ""
    if isinstance(v, Data):
        return v.tag
    if isinstance(v, Seq):
        return next((t for i in v.items if (t := tag_of(i))), "")
    if isinstance(v, Alt):
        return next((t for i in v.values if (t := tag_of(i))), "")
    return ""


LOSSES = (*AT_TARGET, "total", "spread", "spread probability", "better")


REST = "rest"  # one less a share that was counted for the scored token
LEAST = "least"  # the place of the smallest of several losses


def picked(w: Walk, owner: Value, key: Value) -> None:
    """One of several losses is taken out at a place that losses of the same tokens chose."""
    if tag_of(key) != LEAST:
        return
    mine, theirs = w.score_marks(labels(owner)), w.score_marks(labels(key))
    if (
        mine
        and theirs
        and tag_of(owner) in LOSSES
        and (mine & theirs or overlap(w, targets_of(w, mine), targets_of(w, theirs)))
    ):
        what = "which of several losses counts is chosen by the losses of the same tokens"
        w.see(Sight.ORACLE, w.site, what, mine)


def combine(w: Walk, op: ast.operator, a: Value, b: Value) -> Data:
    """`a op b` where at least one is not known."""
    la, lb = labels(a), labels(b)
    ta, tb = tag_of(a), tag_of(b)
    score = w.marks.mask[Mark.SCORE]
    if (la & score and ta in LOSSES) or (lb & score and tb in LOSSES):
        return _with_scores(w, op, a, b, la, lb, ta, tb)
    out = Data(la | lb)
    if isinstance(op, ast.Div) and isinstance(a, Data) and isinstance(b, Data) and a.pure == b.pure == answers.ENTRY:
        out.pure = answers.SHARE
    _number(w, op, a, b, out)
    if not ta and not tb:
        pass  # nothing to hand on
    elif isinstance(op, (ast.BitAnd, ast.BitOr)) and CHOICES & {ta, tb} and not {ta, tb} & set(TOKENISH):
        out.tag = "hit" if "hit" in (ta, tb) else "condition"
    elif ta in TOKENISH or tb in TOKENISH:
        if isinstance(op, _HASHING) or (ta == "hash" or tb == "hash"):
            out.tag = "hash"
            w.hashed_at.setdefault(w.val_reads(la | lb), w.site)
        elif isinstance(op, (ast.Mult, ast.Add, ast.Sub)):
            out.tag = "mixed"
            w.hashed_at.setdefault(w.val_reads(la | lb), w.site)
    elif (isinstance(op, ast.MatMult) and "probabilities" in (ta, tb) and not w.forward_depth) or "byte row" in (
        ta,
        tb,
    ):
        out.tag = "byte row"
    elif isinstance(op, ast.Mult) and {ta, tb} == {"log-probabilities", "probabilities"}:
        out.tag = "p log p"
    elif isinstance(op, ast.Mult) and (
        "byte product" in (ta, tb)
        or (
            "at byte" in (ta, tb)
            and any(isinstance(v, Const) and type(v.v) in (int, float) and v.v == 1 for v in (a, b))
        )
    ):
        out.tag = "byte product"
    elif isinstance(op, ast.Add) and {ta, tb} == {"count", ""} and (isinstance(a, Const) or isinstance(b, Const)):
        out.tag = "count"  # a little more for every token
    elif shared := _fixed_share(op, a, b, ta, tb):
        out.tag = shared
    elif (
        "entropy" in (ta, tb) and isinstance(op, (ast.Mult, ast.Div)) and (isinstance(a, Const) or isinstance(b, Const))
    ):
        out.tag = "entropy"
    elif ta == "logits" and isinstance(op, (ast.Mult, ast.Div, ast.Add, ast.Sub)):
        out.tag = "logits"
    elif (
        "hit exp" in (ta, tb) and isinstance(op, ast.Mult) and {ta, tb} & {"probabilities", "log-probabilities"}
    ) or "answer z" in (ta, tb):
        out.tag = "answer z"
    elif (
        "hit" in (ta, tb)
        and ta != tb
        and isinstance(op, (ast.Add, ast.Sub))
        and isinstance(a, Data)
        and isinstance(b, Data)
        and (la | lb) & w.marks.mask[Mark.PARAMETER]
    ):
        out.tag = "paid lift"  # what the lift costs is taken off at once
    elif ("hit" in (ta, tb) and isinstance(op, (ast.Mult, ast.Add, ast.Sub))) or (
        "hit exp" in (ta, tb) and isinstance(op, (ast.Add, ast.Sub))
    ):
        out.tag = ta if ta.startswith("hit") else tb
    elif "log-probabilities" in (ta, tb) and isinstance(op, ast.Mult) and _factor(a, b):
        out.tag = "tempered"
    elif ta == "lifted" and isinstance(op, ast.Div):
        out.tag = "probabilities"
    elif (ta == "log-probabilities" and isinstance(op, (ast.Add, ast.Sub)) and isinstance(b, Const)) or (
        ta == "probabilities" and isinstance(op, (ast.Add,))
    ):
        out.tag = ta
    elif tb == "probabilities" and isinstance(op, ast.Mult):
        out.tag = tb
    elif ta == "probabilities" and isinstance(op, (ast.Mult, ast.Div)):
        out.tag = ta
    elif (ta == "activations" or tb == "activations") and isinstance(op, (ast.Add, ast.Mult, ast.Sub, ast.MatMult)):
        out.tag = "activations"
    parts = (a.parts if isinstance(a, Data) else frozenset()) | (b.parts if isinstance(b, Data) else frozenset())
    out.parts = parts
    cuts.smeared(w, op, la, lb, out)
    states.combined(w, op, a, b, out)
    return out


def _fixed_share(op: ast.operator, a: Value, b: Value, ta: str, tb: str) -> str:
    """The tag of counts divided by a fixed number, whatever their sum is, and of a row with such shares in it."""
    if ta == "count" and isinstance(op, ast.Div) and isinstance(b, Const) and isinstance(b.v, (int, float)) and b.v > 1:
        return "fixed share"
    both = {ta, tb}
    if "fixed share" in both and isinstance(op, ast.Mult):
        return "fixed share"
    if isinstance(op, ast.Add) and "probabilities" in both and both & {"fixed share", "fixed shares"}:
        return "fixed shares"
    if ta == "fixed shares" and isinstance(op, ast.Div):
        return "probabilities" if not isinstance(b, Const) else ta
    return ""


def _factor(a: Value, b: Value) -> bool:
    """Whether one side is a known number other than 1 (or its negative)."""
    return any(isinstance(v, Const) and isinstance(v.v, (int, float)) and abs(v.v) not in (0, 1) for v in (a, b))


def _number(w: Walk, op: ast.operator, a: Value, b: Value, out: Data) -> None:
    """Number unknown whole numbers by what they were computed from, so that equal ones are seen to be equal."""
    if not isinstance(a, (Const, Data)) or not isinstance(b, (Const, Data)):
        return
    x, y = number(w, a), number(w, b)
    if x is None or y is None:
        return
    if isinstance(op, (ast.Add, ast.Sub)):
        out.sym, out.off = added(w, x, y, 1 if isinstance(op, ast.Add) else -1)
        out.sym = out.sym or zero(w)
    elif isinstance(op, ast.Mult) and 0 in (x[0], y[0]) and x[0] + y[0] != 0:
        out.sym, out.off = scaled(w, x if x[0] else y, (y if x[0] else x)[1])
    elif isinstance(op, ast.FloorDiv) and x == (0, 0):
        out.sym = zero(w)
    else:
        out.sym = w.number((type(op).__name__, x, y))
    if "positions" in (tag_of(a), tag_of(b)) and isinstance(op, (ast.Add, ast.Sub)):
        out.tag = "positions"


def _level(w: Walk, factor: Value, marks: int) -> bool:
    """Whether a factor of scores is a computed number that no token decides, as the weight of a noise level is."""
    known = isinstance(factor, Const) or (
        isinstance(factor, Data) and factor.tag in ("condition", "mask", "hit", "subset")
    )
    return (
        not known and not w.val_reads(marks) and not marks & (w.marks.mask[Mark.LOOKUP] | w.marks.mask[Mark.PARAMETER])
    )


def _of_draws(w: Walk, scores: int) -> bool:
    """Whether these are losses of hidden tokens: the terms of an average over draws, which a factor belongs to."""
    bit = cuts.hidden_mark(w)
    return any(w.scores[s].inputs & bit for s in w.marks.numbers(scores, Mark.SCORE)[:4])


def _with_scores(w: Walk, op: ast.operator, a: Value, b: Value, la: int, lb: int, ta: str, tb: str) -> Data:
    m = w.marks.mask
    if isinstance(op, ast.Mult) and (la ^ lb) & m[Mark.JUDGED]:
        masked = losses.chosen(w, b, a) if la & m[Mark.JUDGED] else losses.chosen(w, a, b)
        if masked is not None:
            return masked
    la, lb = settled(w, la), settled(w, lb)
    sa, sb = la & m[Mark.SCORE], lb & m[Mark.SCORE]
    drop = m[Mark.UPDATE] | m[Mark.LOOKUP] | m[Mark.READ] | m[Mark.SCORE] | m[Mark.ANSWER] | m[Mark.SOUGHT]
    scores = sa | sb
    tag = ta if sa else tb
    if sa and sb and ta != tb:
        tag = ta if ta in AT_TARGET else tb
    other, ot = (0, "") if sa and sb else (lb, tb) if sa else (la, ta)
    divisor = isinstance(op, ast.Div) and sa and not sb
    if divisor and lb & m[Mark.LOOKUP]:
        predictions.shared_out(w, sa, lb)
    if divisor and lb & m[Mark.RANDOM]:
        w.note(BOUND_WEIGHTED, w.site, sa)
    elif isinstance(op, ast.Mult) and m[Mark.RANDOM] and bool(sa) != bool(sb) and _level(w, b if sa else a, other):
        w.note(BOUND_WEIGHTED, w.site, scores)
    extra = other & (m[Mark.UPDATE] | m[Mark.LOOKUP])
    value = b if sa else a
    if sa and sb and "weights" in (ta, tb) and ta != tb:
        tag = tb if ta == "weights" else ta
        known, used = (la, lb) if ta == "weights" else (lb, la)
        now = frozenset(w.turns)
        around = {loop for loop, _ in now}  # weights that come from the turn before have its mark too
        if (
            known & used & m[Mark.SCORE]
            and {t for t in w.marks.turns(known) if t[0] in around} == w.marks.turns(used) & now
        ):
            scores = predictions.retagged(w, scores, "hindsight")
            w.see(
                Sight.HEDGE, w.site, "the weights of the experts were made with the very losses that they weigh", scores
            )
    if sa and sb and isinstance(op, ast.Mult) and {ta, tb} == {"target probability", ""}:
        answers.weighed(w, *((sa, sb) if tb else (sb, sa)))
    if divisor and tag == "nll" and _by_its_token(w, other, scores):
        tag = "spread"
    elif ta in SPREAD or tb in SPREAD:
        tag = ta if ta in SPREAD else tb
        if not (sa and sb) and isinstance(op, (ast.Add, ast.Sub)) and isinstance(value, Data):
            scores = predictions.retagged(w, scores, "spread bytes")
            w.see(
                Sight.SPREAD_BYTES,
                w.site,
                "the token's loss, divided evenly over its bytes, is mixed as if it were the probability of each byte",
                scores,
            )
    elif ot == "byte product" and tag == "target probability" and isinstance(op, ast.Add):
        scores = predictions.multiplied(w, scores)
    if (extra and not divisor) or extra & m[Mark.LOOKUP]:
        if len(w.marks.numbers(scores, Mark.SCORE)) <= 8:
            scores = w.derive(scores, extra | (_used(w, other, scores) if extra & m[Mark.LOOKUP] else 0), w.site)
        smoothed = ot == "count" and tag == "target probability" and isinstance(op, ast.Add)
        look_at_keys(w, scores, extra, "smoothed" if smoothed else "")
    if sa and sb and isinstance(op, (ast.Add, ast.Sub)) and targets_of(w, sa) & targets_of(w, sb):
        scores = predictions.evened(w, sa, sb, scores)
    graded = all(w.scores[s].grad for s in w.marks.numbers(scores, Mark.SCORE)[:4])  # a loss to learn from
    loss = a if sa else b
    aside = (  # beside the mean loss, what a model adds for its own balance
        w.forward_depth and isinstance(loss, Data) and loss.shape == () and other & m[Mark.PARAMETER] and not extra
    )
    if (
        other
        and not divisor
        and not graded
        and not aside
        and tag in AT_TARGET
        and (isinstance(op, (ast.Mult, ast.Pow)) if tag == "target probability" else isinstance(op, (ast.Add, ast.Sub)))
    ):
        detail = (("tilt", "yes"),) if tag == "nll" else ()
        touched = targets_of(w, scores)
        gate = w.val_reads(other)
        for look in w.marks.lookups(other):
            gate &= ~look.key
        if gate and ot not in TOKENISH and _knows(w, gate, touched):
            scores = w.derive(scores, gate, w.site)
            w.see(
                Sight.TARGET_GATE,
                w.site,
                "what is mixed into the probability depends on the token being scored",
                scores,
                detail=detail,
            )
        if other & m[Mark.LEAK]:
            scores = w.derive(scores, other & m[Mark.LEAK], w.site)
            predictions.leaks(w, scores, touched, other, detail)
        if tag == "nll":
            scores = predictions.tilt(w, scores, ot, other)
        elif ot == "hit":
            scores = predictions.retagged(w, scores, "picked")
            w.see(Sight.ORACLE, w.site, "how much is mixed in depends on whether the hint is right", scores)
    if isinstance(op, ast.Mult) and tag == "nll" and ot == "hit":
        scores = answers.dropped(w, scores, b if sa else a)
    elif isinstance(op, (ast.Add, ast.Sub)) and sa and sb:
        scores = predictions.put_together(w, sa, sb, scores)
    elif isinstance(op, (ast.Add, ast.Sub)) and other & m[Mark.ANSWER]:
        scores = predictions.put_together(w, scores, scores, scores)
    if divisor and tag == "target probability" and other & m[Mark.PARAMETER]:
        scores = predictions.paid(w, scores)
    if isinstance(op, ast.Add) and not (sa and sb) and tag == "target probability" and other & m[Mark.LEAK]:
        scores = answers.mixed_in(w, scores, targets_of(w, scores), other)
    if not (sa and sb) and isinstance(value, Const) and shrinks(op, value.v, tag) and not _of_draws(w, scores):
        scores = predictions.retagged(w, scores, predictions.SHRUNK)
    elif sa and sb and isinstance(op, (ast.Add, ast.Sub)):
        scores = predictions.averaged(w, sa, sb, scores)
    bounds = all_parts(value) if isinstance(value, Data) else frozenset()
    if bounds and isinstance(op, ast.Mult) and not (sa and sb):
        scores = narrowed(w, scores, bounds)
    if isinstance(op, ast.Sub) and isinstance(a, Const) and tag == "target probability" and counted(w, sb):
        tag = REST
    elif REST in (ta, tb) and sa and sb and isinstance(op, ast.Mult) and targets_of(w, sa) & targets_of(w, sb):
        tag = "target probability"
        w.see(Sight.TARGET_GATE, w.site, "how much is mixed in depends on the count of the token being scored", scores)
    out = Data(((la | lb) & ~drop) | scores, tag=tag)
    if isinstance(op, ast.Mult) and tag == "nll" and ot == "pt":
        out.tag = "pt"
    return out


def counted(w: Walk, scores: int) -> bool:
    """Whether scores are nothing but what exact tables hold for the scored tokens, no model and no share of it."""
    m = w.marks.mask
    found = [w.scores[s] for s in w.marks.numbers(scores, Mark.SCORE)]
    return bool(found) and all(
        s.tagged in (predictions.COUNTED, "target probability")
        and not s.derived
        and not s.inputs & (m[Mark.PARAMETER] | m[Mark.LOOKUP])
        and any(w.updates[u].means is Means.TABLE for u in w.marks.numbers(s.inputs, Mark.UPDATE))
        for s in found
    )


def _whole(w: Walk, scores: int) -> bool:
    """Whether scores were taken from a distribution, and nothing has been mixed in or taken off since."""
    found = [w.scores[s] for s in w.marks.numbers(scores, Mark.SCORE)]
    return bool(found) and all(not s.derived and s.tagged in AT_TARGET for s in found)


def shrinks(op: ast.operator, c: object, tag: str) -> bool:
    """Whether a known factor makes losses smaller by a part of themselves, or raises probabilities to less than one.

    Factors that turn units into one another (nats and bits, tokens and bytes) are further from one.
    """
    if not isinstance(c, float) or c <= 0:
        return False
    if tag in ("nll", "total") and isinstance(op, (ast.Mult, ast.Div)):
        return NEAR_ONE < (c if isinstance(op, ast.Mult) else 1 / c) < 1 - 1e-6
    return tag == "target probability" and isinstance(op, ast.Pow) and NEAR_ONE < c < 1 - 1e-6


def settled(w: Walk, lab: int) -> int:
    """The marks of a value with scores, in which what its scores depend on besides is noted with them."""
    m = w.marks.mask
    extra = lab & (m[Mark.UPDATE] | m[Mark.LOOKUP])
    scores = lab & m[Mark.SCORE]
    if not extra or not scores:
        return lab
    if extra & m[Mark.LOOKUP]:
        look_at_keys(w, scores, extra)
    if len(w.marks.numbers(scores, Mark.SCORE)) <= 8:
        scores = w.derive(scores, extra, w.site)
    return (lab & ~extra & ~m[Mark.SCORE]) | scores


def _by_its_token(w: Walk, divisor: int, scores: int) -> bool:
    """Whether a loss is divided by something that depends on the token it is the loss of: the number of its bytes."""
    if divisor & w.marks.mask[Mark.SIDECAR]:
        return True
    reads = w.val_reads(divisor)
    touched = targets_of(w, scores)
    return bool(reads and (reads & touched or same_run(w, reads, touched) or overlap(w, reads, touched)))


def _used(w: Walk, marks: int, scores: int) -> int:
    """The tokens that a value mixed into scores was made of; the scored one in the key of a table only picks its entry."""
    used, touched = w.val_reads(marks), targets_of(w, scores)
    for look in w.marks.lookups(marks):
        used &= ~(look.key & touched)
    return used


def _knows(w: Walk, gate: int, targets: int) -> bool:
    """Whether some of the tokens that a gate is made of are the scored ones, `targets`.

    The inputs of a model begin, one place later, where its targets begin: what is made of a whole prediction
    of these tokens, as its entropy is, has them in it, and knows no more than the prediction itself.
    """
    if gate & targets:
        return True
    if not same_run(w, gate, targets):
        return False
    more = {_place(r): w.read(r) for r in w.marks.reads(gate)}
    held = frozenset(more)
    for s in islice(reversed(w.scores.values()), LATEST):
        made = {_place(r) for r in w.marks.reads(w.val_reads(s.inputs))} if s.targets & targets else set()
        if made <= held:
            for place in made:
                more.pop(place, None)
    return same_run(w, functools.reduce(operator.or_, more.values(), 0), targets)


def _place(r: Read) -> tuple[object, ...]:
    """Where tokens lie, whichever row of the batch was picked."""
    return r.at, r.base, r.start, r.parts


def negate(w: Walk, v: Value) -> Data:
    if isinstance(v, Data):
        d = Data(labels(v), tag=v.tag if v.tag not in TOKENISH else "")
        d.parts, d.pure = v.parts, v.pure
        return d
    return Data(labels(v))


def compared(w: Walk, op: ast.cmpop, a: Value, b: Value) -> Data:
    la, lb = labels(a), labels(b)
    ta, tb = tag_of(a), tag_of(b)
    m = w.marks.mask
    if (
        la & m[Mark.SCORE]
        and lb & m[Mark.SCORE]
        and ta in AT_TARGET
        and tb in AT_TARGET
        and isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE))
    ):
        return Data(la | lb | losses.compared(w, op, a, b), tag="better")
    if isinstance(op, (ast.Eq, ast.NotEq)):
        if ta == "tokens" and tb == "tokens":
            # A hint compared with the token that came, or two runs of tokens compared.
            return Data((la | lb) & ~m[Mark.READ] | _both(w, la, lb) | answers.compared(w, a, b), tag="hit")
        if ta == "tokens" or tb == "tokens":
            side = lb if ta == "tokens" else la
            told = cuts.boundary(w, a, b) | artifact.matched(w, a, b, la, lb) | answers.compared(w, a, b)
            return Data(side | ((la | lb) & ~m[Mark.READ]) | told, tag="hit")
    filled = _filled(w, op, a, b)
    d = Data((la | lb if filled is None else filled) | losses.compared(w, op, a, b), tag="condition")
    if isinstance(op, (ast.Eq, ast.NotEq)):
        d.lab |= cuts.boundary(w, a, b)
    return d


def _filled(w: Walk, op: ast.cmpop, a: Value, b: Value) -> int | None:
    """The marks of `x < 0` where x was negative all over: they tell what was filled, not with which share or count."""
    if not isinstance(a, Data) or not isinstance(b, Const) or type(b.v) not in (int, float) or b.v > 0:
        return None
    where = w.unfilled.get(id(a.root))
    if where is None or not isinstance(op, (ast.Lt, ast.GtE) if b.v == 0 else (ast.Lt, ast.LtE, ast.Gt, ast.GtE)):
        return None
    m = w.marks.mask
    return labels(a) & ~(m[Mark.READ] | m[Mark.LOOKUP] | m[Mark.SCORE] | m[Mark.UPDATE]) | where


def _both(w: Walk, la: int, lb: int) -> int:
    """Of two runs of tokens that are compared, the one that is not the later one."""
    ra, rb = w.marks.reads(w.val_reads(la)), w.marks.reads(w.val_reads(lb))
    if not ra or not rb:
        return la & lb
    return 0


def selected(w: Walk, test: Value, a: Value, b: Value) -> Value:
    """`a if test else b` where the test is not known; also `where(test, a, b)`."""
    m = w.marks.mask
    la, lb, lt = labels(a), labels(b), labels(test)
    if not ((la | lb) & m[Mark.SCORE]):
        if a is not b and (one := tokens.one_run(w, [a, b])) is not None:
            return one
        run = a if isinstance(b, Const) and b.v is not None else b if isinstance(a, Const) and a.v is not None else None
        if isinstance(run, Data) and run.tag == "tokens":  # tokens, with a filling where there are none
            d = Data(la | lb | lt & ~w.marks.mask[Mark.READ], tag="tokens")
            d.parts = run.parts
            return cuts.masked(w, lt, d, la | lb, True)
        out = cuts.masked(w, lt, join(a, b), la | lb, "tokens" in (tag_of(a), tag_of(b)))
        lt |= answers.either(w, lt, a, b)
        if isinstance(out, Data) and lt & ~labels(out):
            d = Data(labels(out) | lt, tag=out.tag if out.tag not in ("", "tokens") or tag_of(a) == tag_of(b) else "")
            d.sym, d.off = out.sym, out.off
            if isinstance(a, (Const, Data)) and isinstance(b, (Const, Data)) and isinstance(test, Data):
                x, y, t = number(w, a), number(w, b), number(w, test)
                if x and y and t:
                    d.sym, d.off = w.number(("where", t, x, y)), 0
            return d
        if isinstance(out, Data) and not out.sym and isinstance(test, Data):
            x, y, t = number(w, a), number(w, b), number(w, test)
            if x and y and t:
                out.sym = w.number(("where", t, x, y))
        return out
    tag = tag_of(a) if tag_of(a) in (*AT_TARGET, *SPREAD) else tag_of(b)
    if lt & m[Mark.JUDGED] and losses.decided(w, la | lb, lt):
        form = losses.CAPPED if bool(la & m[Mark.SCORE]) != bool(lb & m[Mark.SCORE]) else losses.DROPPED
        return Data(losses.cut(w, la | lb, form), tag=tag)
    scores = (la | lb) & m[Mark.SCORE]
    if tag == "nll" and any(isinstance(v, Const) and v.v == 0 for v in (a, b)):
        scores = answers.dropped(w, scores, test)
    if tag in AT_TARGET:
        scores = answers.lifted(w, test, a, b) or scores
        if tag_of(test) == "better" and la & m[Mark.SCORE] and lb & m[Mark.SCORE]:
            scores = predictions.retagged(w, scores, "picked")
            w.see(Sight.ORACLE, w.site, "the better of two losses of the same token is kept", scores)
        gate = w.val_reads(lt)
        touched = targets_of(w, scores)
        if (
            gate
            and tag_of(test) not in ("hit", "better")
            and _knows(w, gate, touched)
            and la != lb
            and la & m[Mark.SCORE]
            and lb & m[Mark.SCORE]
        ):
            w.see(
                Sight.TARGET_GATE,
                w.site,
                "the token being scored decides which of two probabilities counts",
                gate | scores,
            )
        asked = w.score_marks(lt)
        if (  # with less than the whole of the other distribution for the rest it might be a proper back-off
            tag_of(test) == "condition"
            and counted(w, asked)
            and targets_of(w, asked) & touched
            and la & m[Mark.SCORE]
            and lb & m[Mark.SCORE]
            and (_whole(w, w.score_marks(la)) or _whole(w, w.score_marks(lb)))
        ):
            what = "whether a table is mixed in depends on what it holds for the token being scored"
            w.see(Sight.TARGET_GATE, w.site, what, scores)
        extra = (la | lb | lt) & (m[Mark.UPDATE] | m[Mark.LOOKUP])
        if extra and len(w.marks.numbers(scores, Mark.SCORE)) <= 8:
            scores = w.derive(scores, extra, w.site)
        if (lt | la | lb) & m[Mark.LEAK] and la != lb:
            scores = w.derive(scores, (lt | la | lb) & m[Mark.LEAK], w.site)
            predictions.leaks(w, scores, touched, lt | la | lb)
        if lt & m[Mark.LOOKUP]:
            gated(w, scores, lt & m[Mark.LOOKUP])
        if extra:
            look_at_keys(w, scores, (la | lb) & extra)
    drop = m[Mark.UPDATE] | m[Mark.LOOKUP] | m[Mark.READ] | m[Mark.SCORE] | m[Mark.ANSWER] | m[Mark.SOUGHT]
    return Data(((la | lb) & ~drop) | scores | lt & m[Mark.STORED], tag=tag)


def kept(w: Walk, v: Value) -> Value:
    """A loss that is kept in a branch which was taken because it is better, or worse, than another of the same token."""
    v = answers.under(w, v) if w.tests else v
    rivals = w.rivals[-1] if w.rivals else 0
    if not rivals or not isinstance(v, Data) or v.tag not in AT_TARGET:
        return v
    mine = w.score_marks(labels(v))
    others = rivals & ~mine
    if not mine & rivals or not others or not overlap(w, targets_of(w, mine), targets_of(w, others)):
        return v
    picked = predictions.retagged(w, mine, "picked")
    w.see(Sight.ORACLE, w.site, "the better of two losses of the same token is kept", picked)
    d = Data(labels(v) & ~mine | picked, tag=v.tag)
    d.parts = v.parts
    return d


def smaller(w: Walk, values: list[Value], what: str = "the smaller") -> Data | None:
    """The minimum or maximum of some values; an oracle when they are losses of the same tokens."""
    m = w.marks.mask
    scored = [v for v in values if labels(v) & m[Mark.SCORE]]
    for v in scored:
        w.note(BOUND_PICKED, w.site, labels(v))
    lab = 0
    for v in values:
        lab |= labels(v)
    if len(scored) < 2:
        return None
    one = labels(scored[0]) & m[Mark.SCORE]
    if all(labels(v) & m[Mark.SCORE] == one for v in scored):
        return None
    if all(tag_of(v) in (*AT_TARGET, "total") for v in scored):
        runs = [targets_of(w, labels(v)) for v in scored]
        if all(r and (r & runs[0] or overlap(w, r, runs[0])) for r in runs):
            totals = any(tag_of(v) == "total" for v in scored)
            picked = predictions.retagged(w, w.score_marks(lab), "picked")
            lab = (lab & ~w.score_marks(lab)) | picked
            w.see(
                Sight.ORACLE,
                w.site,
                f"{what} of several {'results' if totals else 'losses of the same token'} is kept",
                lab,
                detail=(("of", "totals" if totals else "losses"),),
            )
    return Data(lab & ~(m[Mark.READ] | m[Mark.UPDATE]), tag=tag_of(scored[0]))


def larger(w: Walk, scores: int, extra: int) -> None:
    """The larger of a token's probability and of what a table holds for that token."""
    targets = targets_of(w, scores)
    if not counted(w, scores) and any(
        look.key & targets or same_run(w, look.key, targets) for look in w.marks.lookups(extra)
    ):
        what = "the larger of a probability of the token and of what a table holds for it is kept"
        w.see(Sight.ORACLE, w.site, what, scores)


def constant_expert(w: Walk, root: Data, value: Const) -> None:
    """A fixed number as the loss of one expert for every token: only the logarithm of the vocabulary's size will do."""
    size = next((s.value for name, s in w.settings.items() if name.lower() == "vocab_size"), "")
    if (
        root.tag in AT_TARGET
        and w.score_marks(root.lab)
        and size.isdigit()
        and isinstance(value.v, float)
        and 0 < value.v < math.log(int(size)) - 1e-6
    ):
        scores = w.score_marks(root.lab)
        w.see(
            Sight.ENTROPY_EXPERT,
            w.site,
            f"a fixed loss of {value.v:.3f}, below the logarithm of the vocabulary's size, stands among the losses of the experts",
            scores,
        )


def overlap(w: Walk, a: int, b: int) -> bool:
    for x in w.marks.reads(a):
        for y in w.marks.reads(b):
            if overlaps(x, y):
                return True
    return False


def overlaps(x: Read, y: Read) -> bool:
    """Whether two reads may be of the same tokens."""
    if x.split is not y.split:
        return False
    if x.base == y.base == 0 and None not in (x.start, x.stop, y.start, y.stop):
        return x.start < y.stop and y.start < x.stop  # type: ignore[operator]
    loops: dict[int, set[int]] = {}
    for loop, k in x.turns:
        loops.setdefault(loop, set()).add(k)
    other: dict[int, set[int]] = {}
    for loop, k in y.turns:
        other.setdefault(loop, set()).add(k)
    return all(not (loop in other and not ks & other[loop]) for loop, ks in loops.items())
