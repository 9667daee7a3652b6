"""What knows whether a guess is right: comparisons with the scored token, and look-ups that its own count decides.

A comparison is no fault in itself: every loss has to know its token. It becomes one where the answer goes into
a whole distribution, or where the share of a token is taken as it is if the token was counted and something else if not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from auditor.source.labels import Lookup, Mark
from auditor.source.sights import keys, predictions
from auditor.source.values import Const, Data, Value, labels
from rules.events import Sight

if TYPE_CHECKING:
    from auditor.source.walk import Walk

FEW = 32
HINGED = "found"
AMONG = "apart"
RUNNING = "running"  # sums over all positions up to each
ENTRY, SHARE = "entry", "share"  # what a table or a row holds for a token as it is, and divided by what it holds in all


def compared(w: Walk, a: Value, b: Value) -> int:
    """The mark of a comparison of tokens with a guess: something that was learned, counted or read elsewhere."""
    if w.forward_depth:
        return 0
    m = w.marks.mask
    out = 0
    for tokens, guess in ((a, b), (b, a)):
        lab = labels(guess)
        if same := _same(w, w.val_reads(lab), w.val_reads(labels(tokens))):
            out |= _among(w, same)
            continue
        made = lab & (m[Mark.PARAMETER] | m[Mark.UPDATE] | m[Mark.LOOKUP]) or w.val_reads(lab)
        if isinstance(tokens, Data) and tokens.tag == "tokens" and made and (reads := w.val_reads(labels(tokens))):
            out |= w.marks.make(Mark.ANSWER, reads)
    return out


def _same(w: Walk, some: int, others: int) -> int:
    """The tokens among `others` that begin where some of `some` begin."""
    heads = {(r.base, r.start, r.turns) for r in w.marks.reads(some) if r.start is not None}
    out = 0
    for r in w.marks.reads(others):
        if (r.base, r.start, r.turns) in heads:
            out |= w.read(r)
    return out


def _short(w: Walk, look: Lookup) -> bool:
    """Whether the key is a number made of a few tokens in a row, and not one for each of a long run."""
    runs = w.marks.reads(w.val_reads(look.key))
    if not look.hashed or len(runs) != 1:
        return False
    start, stop = runs[0].start, runs[0].stop
    return start is not None and stop is not None and stop - start <= FEW


def _among(w: Walk, reads: int) -> int:
    """The mark of tokens that are looked for among tokens of which they are some themselves."""
    what = "the tokens being scored are looked for in a store that holds them already"
    out = 0
    for r in w.marks.reads(reads):
        out |= w.marks.make(
            Mark.LEAK,
            predictions.Leak(
                Sight.TARGET_GATE, w.site, what, reads, True, r.base, r.start or 0, guards=w.open_guards(), form=AMONG
            ),
        )
    return out


def sought(w: Walk, test: Value) -> int:
    """The mark of a condition that compares two runs of tokens: it asks for all of them at once."""
    if not isinstance(test, Data) or test.tag != "hit" or test.base is not None:
        return 0
    out = 0
    for reads in w.marks.numbers(test.lab, Mark.ANSWER):
        out |= w.marks.make(Mark.SOUGHT, reads)
    return out


def at_score(w: Walk, bit: int, targets: int, inputs: int) -> None:
    """A whole row of predictions was made with the knowledge whether a guess of the scored token is right."""
    for reads in w.marks.numbers(inputs, Mark.ANSWER):
        if reads & targets:
            what = "the prediction depends on whether a guess of the token being scored is right"
            w.see(Sight.TARGET_GATE, w.site, what, bit)
            return
    alone = w.marks.reads(targets)
    if len(alone) != 1:
        return
    for found in w.marks.each(inputs, Mark.SOUGHT):
        if keys.within(w, alone[0], found):
            what = "what is predicted was looked for with the token being scored"
            w.see(Sight.TARGET_GATE, w.site, what, bit)
            return
    for look in w.marks.lookups(inputs):
        if (look.whole or _short(w, look)) and keys.within(w, alone[0], w.val_reads(look.key)):
            what = "what is predicted was looked up under a key that holds the token being scored"
            with w.under(look.guards):
                w.see(Sight.TARGET_GATE, w.site_of(look.at), what, bit, path=((w.site, "this reaches the score"),))
            return


def under(w: Walk, v: Value) -> Value:
    """A value that is set in a branch which was taken because a guess is right, or wrong."""
    bits = 0
    for test, _ in w.tests:
        bits |= test & (w.marks.mask[Mark.ANSWER] | w.marks.mask[Mark.SOUGHT])
    if not bits or not isinstance(v, (Const, Data)) or (isinstance(v, Const) and v.v is None):
        return v
    if isinstance(v, Const):
        return Const(v.v, v.lab | bits)
    if w.score_marks(labels(v)) or v.root.holder is not None:
        return v
    d = Data(v.lab | bits, base=v, tag=v.tag, tok=v.tok, text=v.text)
    d.sym, d.off, d.shape, d.parts, d.pure = v.sym, v.off, v.shape, v.parts, v.pure
    return d


def hinged(w: Walk, test: int, v: Value, other: Value | None = None) -> int:
    """The mark of a share that counts only because the token itself was counted.

    What all tokens of a context were counted adds up to its whole, so nothing is left for the others. Where the count is
    lessened or the whole made larger, `v` is no plain share, and the rest may be right.
    """
    if not isinstance(v, Data) or v.pure != SHARE or _nothing(other):
        return 0
    mine = w.marks.lookups(labels(v))
    for look in reversed(w.marks.lookups(test)):
        key = w.val_reads(look.key)
        if look.hashed or look.generic or not any(x.table == look.table and w.val_reads(x.key) == key for x in mine):
            continue
        contexts = [k for x in mine if (k := w.val_reads(x.key)) and k != key and not k & ~key]
        token = key if look.row else key & ~max(contexts, key=int.bit_count) if contexts else 0
        if token:
            what = "the count of the token being scored decides whether its share in the table counts or something else"
            found = predictions.Leak(Sight.TARGET_GATE, w.site, what, token, guards=w.open_guards(), form=HINGED)
            return w.marks.make(Mark.LEAK, found)
    return 0


def _nothing(v: Value | None) -> bool:
    """Whether nothing at all is there instead."""
    if isinstance(v, Const):
        return not v.v
    return isinstance(v, Data) and not labels(v)


def weighed(w: Walk, weight: int, scores: int) -> None:
    """A token's probability is multiplied by something that was made of a loss of the same token.

    Losses of the tokens before it, cut off or summed up to it, are none of its own.
    """
    theirs = [w.scores[s] for s in w.marks.numbers(scores, Mark.SCORE)[:8]]
    of = [w.scores[s] for s in w.marks.numbers(weight, Mark.SCORE)[:8]]
    if any(x.tagged == RUNNING for x in (*of, *theirs)):
        return
    if len({x.tagged for x in of}) > 1:
        return  # one of several figures about the token, such as the entropy among the losses of experts
    for mine in of:
        if mine.grad or not any(mine.targets & x.targets and mine.parts == x.parts and not x.grad for x in theirs):
            continue
        what = "how much of a prediction counts depends on the loss of the very token"
        w.see(Sight.TARGET_GATE, w.site, what, scores, path=((mine.site, "the token is scored"),))
        return


def mixed_in(w: Walk, scores: int, touched: int, other: int) -> int:
    """Something that knows the token is added to its probability."""
    for found in w.marks.each(other, Mark.LEAK):
        if isinstance(found, predictions.Leak) and (
            found.sight is Sight.FUTURE_STATISTICS
            or (found.sight is Sight.TARGET_GATE and found.form in (HINGED, AMONG))
        ):
            bit = w.marks.make(Mark.LEAK, found)
            scores = w.derive(scores, bit, w.site)
            predictions.leaks(w, scores, touched, bit)
    return scores


def either(w: Walk, test: int, a: Value, b: Value) -> int:
    """The mark of a choice between two values that hangs on what is counted for the token."""
    return hinged(w, test, a, b) or hinged(w, test, b, a)


def lifted(w: Walk, test: Value | int, a: Value, b: Value) -> int:
    """Probabilities that a guess changes where it is right, and that stay as they were where it is wrong: these scores are tilted.

    Where they were made smaller first, or are divided by what the lift costs, nothing is wrong with that.
    """
    marks = test if isinstance(test, int) else labels(test)
    for raised, left in ((a, b), (b, a)):
        if not (isinstance(raised, Data) and isinstance(left, Data)) or left.pure != ENTRY or raised.pure:
            continue
        if {raised.tag, left.tag} != {"target probability"}:
            continue
        scores, whole = w.score_marks(labels(raised)), w.score_marks(labels(left))
        targets = keys.targets_of(w, whole)
        if scores and targets and any(reads & targets for reads in w.marks.numbers(marks, Mark.ANSWER)):
            return predictions.retagged(w, scores | whole, predictions.TILTED)
    return 0


def dropped(w: Walk, scores: int, mask: Value) -> int:
    """Losses are multiplied by whether a guess is right, or left out where it is."""
    lab = labels(mask)
    if not lab & w.marks.mask[Mark.ANSWER] or all(w.scores[s].grad for s in w.marks.numbers(scores, Mark.SCORE)[:4]):
        return scores
    return predictions.retagged(w, scores, predictions.DROPPED)


def returned(w: Walk, v: Value) -> None:
    """A function hands back a value in a branch: what it hands back otherwise comes later."""
    for test, depth in w.tests:
        if depth == len(w.stack) and (bit := hinged(w, test, v)):
            w.hinged[id(v)] = bit
            w.kept.append(v)


def returns(w: Walk, found: list[Value]) -> Iterator[Value]:
    """All that a function may hand back, each with what the way to it knew."""
    for v in found:
        bit = w.hinged.get(id(v), 0)
        if bit and any(x is not v and not _nothing(x) and id(x) not in w.hinged for x in found):
            v = Data(labels(v) | bit, tag=v.tag if isinstance(v, Data) else "")
        yield v
