"""What is seen when tokens are cut, masked and shifted: a part of the split, documents, masks, the gate over the position before."""

from __future__ import annotations

import ast
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from auditor.source.labels import Mark, Read
from auditor.source.sights import predictions
from auditor.source.values import Alt, Const, Data, Seq, Value, labels
from rules.constants import VAL_TOKENS
from rules.events import Sight, Split

if TYPE_CHECKING:
    from auditor.source.walk import Walk

HEADER = 1024
PART = 0.97  # the last incomplete window may be left out
SHIFT = "shift"
MOVED = "moved"
MASKED, DRAWN = "masked", "drawn"
AT, BEFORE, CUT = "at", "before", "cut"
DOCUMENT = "document|"
FIRST = "0:1>"  # all but the first position
NEXT = "next"
LAST = "0:-1<"  # all but the last position, see `tokens.edges`


def cut(w: Walk, r: Read, key: Seq, parts: frozenset[str]) -> frozenset[str]:
    """What a slice of a split says about which part of it is used, as parts of the new read."""
    low, high, _ = key.items
    if r.split is not Split.VALIDATION:
        return parts
    marks = labels(low)
    if marks & w.marks.mask[Mark.BOUNDARY]:
        parts |= {DOCUMENT}
    # a run that a loop took out near the start ends near the start, too: a piece of it is no piece of the split
    near = r.start is not None and r.start <= HEADER
    whole = near and r.base == 0 and r.stop is not None and not (r.turns and r.stop < PART * everything(w))
    first = isinstance(low, Const) and (low.v is None or low.v in (0, 1))
    if (
        whole
        and first
        and isinstance(high, Const)
        and type(high.v) is int
        and not (labels(high) | marks) & w.marks.mask[Mark.TURN]
    ):
        total = r.stop or 0
        share = high.v * w.config.world_size / total if total else 0.0
        if 0 < high.v < PART * total and not 0.97 < share < 1.03:  # the part of one process
            parts |= {f"first {high.v} of {total - 1}|"}
    return parts


def everything(w: Walk) -> int:
    """How many tokens the validation split has: as the log says, or with the common tokenizer."""
    return w.config.val_tokens or VAL_TOKENS["sp1024"][0]


def hidden_mark(w: Walk) -> int:
    """The mark of tokens of which some were hidden, drawn by chance."""
    return w.marks.bit.get((Mark.RANDOM, MASKED), 0)


def shift(w: Walk) -> int:
    """The mark of a value of the position before."""
    return w.marks.bit.get((Mark.ACTIVATION, SHIFT), 0)


def moved(w: Walk) -> int:
    """The mark of what was made in a model from all positions but the last, in whichever extent: moved on by it."""
    return w.marks.bit.get((Mark.ACTIVATION, MOVED), 0)


def without_last(w: Walk, d: Data, key: Value) -> None:
    """Mark what a model takes as all but the last of something."""
    if not w.forward_depth:
        return
    for i in key.items if isinstance(key, Seq) and key.kind == "tuple" else [key]:
        if isinstance(i, Seq) and i.kind == "slice" and isinstance(i.items[1], Const) and i.items[1].v == -1:
            d.lab |= w.marks.make(Mark.ACTIVATION, MOVED)


def shifted(w: Walk, d: Data, bounds: frozenset[str]) -> None:
    """Inside a model all positions but the last are taken: the value at the position before."""
    if d.tag == "tokens":
        d.lab &= ~w.marks.mask[Mark.BOUNDARY]
    if bounds == {FIRST} and w.forward_depth:
        d.lab |= w.marks.make(Mark.BOUNDARY, NEXT)
    if LAST not in bounds or not w.forward_depth:
        return
    made = labels(d) & w.marks.mask[Mark.PARAMETER]  # by a layer: neither token ids nor a shape
    if d.tag == "tokens" or not made:
        d.lab |= w.marks.make(Mark.BOUNDARY, CUT)
    else:
        d.lab |= w.marks.make(Mark.ACTIVATION, SHIFT)


def padded(w: Walk, v: Data, by: Value, out: Data) -> None:
    """A row without its first position gets one more at its end: each position holds the value of the next one."""
    bit = w.marks.bit.get((Mark.BOUNDARY, NEXT), 0)
    if not labels(v) & bit or not isinstance(by, Seq) or not w.forward_depth:
        return
    out.lab &= ~bit
    sizes = [i.v if isinstance(i, Const) else None for i in by.items]
    made = bool(labels(v) & w.marks.mask[Mark.PARAMETER])  # features lie behind the positions
    at = 2 if made else 0
    if sizes[at : at + 2] == [0, 1] and len(sizes) == at + 2 and not any(sizes[:at]):
        out.lab |= predictions.leak(w, Sight.NON_CAUSAL, "the value at the next position is brought to this one")


def shortened(w: Walk, out: Value, key: Value) -> Value:
    """Remember of tokens inside a model that the last one was left out."""
    last = key.items[-1] if isinstance(key, Seq) and key.kind == "tuple" and key.items else key
    if isinstance(out, Data):
        without_last(w, out, key)
    if isinstance(out, Data) and isinstance(last, Seq) and last.kind == "slice" and w.forward_depth:
        low, high = last.items[:2]
        if isinstance(low, Const) and low.v == 1 and isinstance(high, Const) and high.v is None:
            out.lab |= w.marks.make(Mark.BOUNDARY, NEXT)
        if isinstance(high, Const) and high.v == -1:
            out.lab |= w.marks.make(Mark.BOUNDARY, CUT)
    return out


def apart(w: Walk, query: Value, keys: Value) -> bool:
    """Whether the keys are made of other values than the query: they need not be of the same positions."""
    m = w.marks.mask
    kinds = m[Mark.READ] | m[Mark.ACTIVATION] | m[Mark.BOUNDARY] | m[Mark.ARGUMENT]
    return bool((labels(query) ^ labels(keys)) & kinds)


def smeared(w: Walk, op: ast.operator, la: int, lb: int, out: Data) -> None:
    """The value of the position before is added to that of this one."""
    bit = w.marks.bit.get((Mark.ACTIVATION, SHIFT), 0)
    if (
        not (la | lb) & bit
        or not isinstance(op, (ast.Add, ast.Sub))
        or bool(la & bit) == bool(lb & bit)
        or not w.forward_depth
    ):
        return
    side = la if la & bit else lb
    where = w.marks.each(side, Mark.BOUNDARY)
    w.see(
        Sight.SMEAR,
        w.site,
        "the value of the position before is added"
        + (", except where the token starts a document" if AT in where else ""),
        detail=(("mask", AT if AT in where else BEFORE if BEFORE in where else "none"),),
        ok=AT in where,
    )
    out.lab &= ~bit


def boundary(w: Walk, a: Value, b: Value) -> int:
    """Token ids compared with a fixed one: where documents start. Inside a model ids need not be known to be tokens."""
    for x, y in ((a, b), (b, a)):
        if not isinstance(x, (Data, Alt)) or (isinstance(y, Data) and y.tag == "tokens"):
            continue
        ids = (
            w.forward_depth
            and isinstance(y, Const)
            and type(y.v) is int
            and not labels(x) & w.marks.mask[Mark.PARAMETER]
        )
        if (isinstance(x, Data) and x.tag == "tokens") or ids:
            return w.marks.make(Mark.BOUNDARY, BEFORE if labels(x) & w.marks.make(Mark.BOUNDARY, CUT) else AT)
    return 0


def random(w: Walk, name: str) -> int:
    return w.marks.make(Mark.RANDOM, DRAWN) if name in ("rand", "rand_like", "bernoulli") else 0


def fraction(w: Walk, by: Value, out: Value) -> Value:
    """What is left of numbers after the point: the way to make noise without a generator."""
    if isinstance(out, Data) and isinstance(by, Const) and by.v == 1:
        out.lab |= w.marks.make(Mark.RANDOM, DRAWN)
    return out


def masked(w: Walk, test: int, out: Value, marks: int, tokens: bool) -> Value:
    """Tokens of which some were hidden, drawn by chance."""
    if tokens and test & w.marks.make(Mark.RANDOM, DRAWN) and w.val_reads(marks):
        return Data(marks | test | w.marks.make(Mark.RANDOM, MASKED), tag="tokens")
    return out


def hidden(w: Walk, root: Data, index: Value | None, value: Value | None) -> None:
    """One position of a copy of validation tokens is overwritten with a constant."""
    turned = isinstance(index, (Const, Data)) and labels(index) & w.marks.mask[Mark.TURN]
    if (
        turned
        and index is not None
        and isinstance(value, Const)
        and root.tag == "tokens"
        and w.val_reads(root.lab)
        and not w.val_reads(labels(index))
    ):
        root.lab |= w.marks.make(Mark.RANDOM, MASKED)


def both(name: str) -> list[str]:
    """The names of a validation and a training shard that a pattern finds, in order of name; empty if it finds one kind only."""
    names = ["fineweb_train_000000.bin", "fineweb_val_000000.bin"]
    return names if "*" in name and all(fnmatch(n, name) for n in names) else []
