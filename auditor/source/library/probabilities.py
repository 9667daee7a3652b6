"""Losses and probabilities: cross entropy, softmax, exponents and logarithms, and what is picked at the target.

Here a row of logits becomes a score, so here it is seen when a probability is taken at the target alone.
"""

from __future__ import annotations

import ast
import math

from auditor.source import mixing, tokens
from auditor.source.labels import Mark
from auditor.source.sights import keys, losses, predictions
from auditor.source.terms import build
from auditor.source.tokens import AT_TARGET, TOKENISH, at_target
from auditor.source.values import NONE, Alt, Args, Const, Data, Kw, Seq, Value, all_labels, labels
from auditor.source.walk import Walk
from rules.events import Sight


def scored(w: Walk, inputs: int, target: Value, kind: str) -> Data:
    """A loss at target tokens: a score if they are validation tokens, else only marks."""
    lab = labels(target)
    reads = w.val_reads(lab)
    if reads:
        tokens.own_vocabulary(w, lab)
        bounds = tokens.all_parts(target) if isinstance(target, Data) else frozenset()
        out = at_target(w, inputs, reads, kind, bounds)
        if lab & w.marks.mask[Mark.JUDGED] and w.score_marks(lab):  # targets that were hidden where a loss is large
            out.lab = losses.cut(w, out.lab, losses.DROPPED)
        return out
    return Data(inputs | lab & ~w.marks.mask[Mark.TURN], tag=kind)


def cross_entropy(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    logits = a[0] if a else k.get("input", NONE)
    target = a[1] if len(a) > 1 else k.get("target", NONE)
    inputs = labels(logits) | (labels(k["weight"]) if "weight" in k else 0)
    out = scored(w, inputs, target, "nll")
    how = k.get("reduction")
    if how is None or (isinstance(how, Const) and how.v != "none"):
        out.shape = ()
    tag = mixing.tag_of(logits)
    if p.endswith("nll_loss") and tag in ("lifted", "tempered"):
        predictions.unpaid(w, tag, w.score_marks(labels(out)))
    return out


def gather(w: Walk, owner: Data, idx: Value) -> Value:
    lab = labels(idx)
    reads = w.val_reads(lab)
    if reads and isinstance(idx, Data) and (idx.tag == "tokens"):
        tokens.own_vocabulary(w, lab)
        own = labels(owner)
        kind = "nll" if owner.tag in ("log-probabilities", "logits", "nll") else "target probability"
        if owner.tag == "scattered" or own & w.marks.mask[Mark.TEXT_BYTES]:
            return Data(own | lab, tag="target probability" if owner.tag == "scattered" else "")
        if owner.tag == "count":
            kind = predictions.COUNTED
        out = at_target(w, own, reads, "nll" if owner.tag == "tempered" else kind)
        if owner.tag in ("lifted", "tempered", "fixed shares"):
            predictions.unpaid(w, owner.tag, w.score_marks(labels(out)))
        return out
    if reads and isinstance(idx, Data) and owner.tag == "byte row":
        return tokens.in_byte_row(w, owner, reads)
    if reads and isinstance(idx, Data) and idx.tag in TOKENISH:
        return tokens.table_lookup(w, owner, labels(owner), idx)
    return Data(
        labels(owner) | lab, tag=owner.tag if owner.tag in ("log-probabilities", "probabilities", *AT_TARGET) else ""
    )


def where(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if len(a) < 3:
        return Data(all_labels(a, k) & ~w.marks.mask[Mark.TURN], tag="subset")
    return build.chosen(w, a[0], a[1], a[2], mixing.selected(w, a[0], a[1], a[2]))


def least(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    found = mixing.smaller(w, list(a), "the smaller") if len(a) > 1 else None
    if found is not None:
        return found
    for x, y in ((a[0], a[1]), (a[1], a[0])) if len(a) == 2 else ():
        low = p.rsplit(".", 1)[-1] in ("maximum", "fmax")
        if (cut := losses.bounded(w, x, y if low else None, None if low else y)) is not None:
            return cut
    out = Data(
        all_labels(a, k),
        tag=next((t for v in a if (t := mixing.tag_of(v)) in (*AT_TARGET, "total")), mixing.tag_of(a[0]) if a else ""),
    )
    if len(a) == 2:
        out.pure = next((v.pure for v in a if isinstance(v, Data)), "") if any(isinstance(v, Const) for v in a) else ""
        scores = w.score_marks(labels(out))
        extra = labels(out) & (w.marks.mask[Mark.UPDATE] | w.marks.mask[Mark.LOOKUP])
        if scores and extra:
            if p.rsplit(".", 1)[-1] in ("maximum", "fmax"):
                mixing.larger(w, scores, extra)
            keys.look_at_keys(w, scores, extra)
            out.lab = (labels(out) & ~scores & ~extra) | w.derive(scores, extra, w.site)
    return out


def joined(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """cat, stack: the parts in one tensor."""
    v = a[0] if a else k.get("tensors", NONE)
    if isinstance(v, Seq):
        look_for_entropy(w, v)
        if v.of is not None:
            return v.of
        if any(isinstance(i, Alt) for i in v.items):
            v = Seq([_as_read(w, i) for i in v.items], v.kind, v.more, v.lab)
        if len(v.items) == 1 and isinstance(v.items[0], Data):
            return v.items[0]
        tags = {mixing.tag_of(i) for i in v.items}
        if {mixing.tag_of(i) for i in v.items if labels(i)} <= {"hash", "mixed"}:
            tags = {mixing.tag_of(i) for i in v.items if labels(i)} or tags  # keys, put behind none
        if _with_target(w, v.items):
            return w.fresh(labels(v), "with target")
        if (run := tokens.one_run(w, v.items)) is not None:
            return run
        return w.fresh(
            labels(v),
            next(iter(tags))
            if len(tags) == 1
            else ("nll" if "nll" in tags else "target probability" if "target probability" in tags else ""),
        )
    if isinstance(v, Data):
        return v
    return w.fresh(labels(v), mixing.tag_of(v))


def _as_read(w: Walk, v: Value) -> Value:
    """Tokens that are read by one library or by another that nobody knows: they are the same tokens."""
    if not isinstance(v, Alt):
        return v
    known = [x for x in v.values if isinstance(x, Data) and x.tok is not None]
    rest = [x for x in v.values if x not in known]
    return known[0] if len(known) == 1 and not any(w.val_reads(labels(x)) for x in rest) else v


def _with_target(w: Walk, items: list[Value]) -> bool:
    """Whether the logit of the token that came is put among logits of other tokens."""
    if len(items) != 2:
        return False
    scored = [i for i in items if w.score_marks(labels(i)) and mixing.tag_of(i) in AT_TARGET]
    rest = [i for i in items if isinstance(i, Data) and not w.score_marks(labels(i))]
    if len(scored) != 1 or len(rest) != 1:
        return False
    lab = labels(rest[0])
    m = w.marks.mask
    return (
        bool(lab & m[Mark.PARAMETER])
        and not lab & m[Mark.LOOKUP]
        and rest[0].tag in ("", "logits", "top", "log-probabilities", "probabilities")
    )


def look_for_entropy(w: Walk, s: Seq) -> None:
    """A term that is no token's loss, in a row with terms that are."""
    odd = [i for i in s.items if mixing.tag_of(i) == "entropy"]
    losses = [i for i in s.items if mixing.tag_of(i) in AT_TARGET and w.score_marks(labels(i))]
    if odd and losses:
        lab = 0
        for i in losses:
            lab |= w.score_marks(labels(i))
        w.see(Sight.ENTROPY_EXPERT, w.site, "the entropy of the model stands among the losses of the experts", lab)


def exp(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    if isinstance(v, Const):
        return fold(p, v)
    tag = mixing.tag_of(v)
    new = {
        "log-probabilities": "probabilities",
        "nll": "target probability",
        "spread": "spread probability",
        "hit": "hit exp",
        "paid lift": "",
    }.get(tag, "")
    d = Data(labels(v), tag=new)
    if isinstance(v, Data):
        d.parts, d.pure = v.parts, v.pure
    return d


def fold(p: str, v: Const) -> Value:
    f = getattr(math, p.rsplit(".", 1)[-1], None)
    try:
        return Const(f(v.v), v.lab) if f else Data(v.lab)
    except Exception:
        return Data(v.lab)


def log(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    if isinstance(v, Const):
        return fold(p, v)
    tag = mixing.tag_of(v)
    new = {
        "probabilities": "log-probabilities",
        "target probability": "nll",
        "fixed shares": "fixed shares",
        "answer z": "answer z",
        "weights": "weights",
    }.get(tag, "")
    d = Data(labels(v), tag=new)
    if isinstance(v, Data):
        d.parts, d.pure = v.parts, v.pure
    return d


def softmax(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    if mixing.tag_of(v) == "with target":
        scores = predictions.retagged(w, w.score_marks(labels(v)), "nll of few")
        w.see(
            Sight.UNNORMALISED,
            w.site,
            "the normaliser runs over a few tokens into which the one that came was put",
            scores,
        )
        return Data((labels(v) & ~w.score_marks(labels(v))) | scores, tag="nll" if "log" in p else "target probability")
    if w.score_marks(labels(v)) and mixing.tag_of(v) in AT_TARGET:
        return Data(labels(v), tag="weights")
    if w.score_marks(labels(v)) and mixing.tag_of(v) == "":
        return Data(labels(v))
    return Data(labels(v), tag="log-probabilities" if "log_softmax" in p else "probabilities")


def logsumexp(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    lab = all_labels(a, {})
    scores = w.score_marks(lab)
    if scores and a and mixing.tag_of(a[0]) == "with target":
        scores = predictions.retagged(w, scores, "nll of few")
        w.see(
            Sight.UNNORMALISED,
            w.site,
            "the normaliser runs over a few tokens into which the one that came was put",
            scores,
        )
        return Data((lab & ~w.score_marks(lab)) | scores, tag="nll")
    extra = lab & (w.marks.mask[Mark.UPDATE] | w.marks.mask[Mark.LOOKUP])
    if scores and extra:
        keys.look_at_keys(w, scores, extra)
        if len(w.marks.numbers(scores, Mark.SCORE)) <= 8:
            lab = (lab & ~scores & ~extra) | w.derive(scores, extra, w.site)
    tags = {mixing.tag_of(v) for v in a if not isinstance(v, Const)}
    if "spread" in tags:
        scores = predictions.retagged(w, w.score_marks(lab), "spread bytes")
        lab = (lab & ~w.score_marks(lab)) | scores
        w.see(
            Sight.SPREAD_BYTES,
            w.site,
            "the token's loss, divided evenly over its bytes, is mixed as if it were the probability of each byte",
            scores,
        )
    return Data(lab, tag="nll" if scores else "")
