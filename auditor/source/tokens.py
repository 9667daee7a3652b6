"""Runs of tokens and tables of counts: what a subscript takes out of them."""

from __future__ import annotations

from dataclasses import replace

from auditor.source.labels import Lookup, Mark, Read
from auditor.source.sights import answers, coverage, cuts, losses, predictions
from auditor.source.values import Alt, Const, Data, Dict, Seq, Value, View, labels
from auditor.source.walk import Walk
from rules.events import Sight, Split
from rules.place import Location

TOKENISH = ("tokens", "hash", "mixed")
AT_TARGET = ("nll", "target probability")


def number(w: Walk, v: Value | None) -> tuple[int, int] | None:
    """An index as (symbol, offset); symbol 0 for a known number. None for what is no number.

    A run of positions is told by its first.
    """
    if isinstance(v, Const):
        if isinstance(v.v, float) and not v.v.is_integer():
            return None
        return (0, int(v.v)) if isinstance(v.v, (int, float)) and not isinstance(v.v, bool) else None
    if isinstance(v, Data):
        if not v.sym:
            v.sym = w.symbol()
        return (0 if v.sym == zero(w) else v.sym), v.off
    return None


def zero(w: Walk) -> int:
    """The symbol of a number that is known, where a symbol must stand."""
    return w.number(("sum", ()))


def added(w: Walk, x: tuple[int, int], y: tuple[int, int], sign: int = 1) -> tuple[int, int]:
    """The sum or difference of two indices: the same symbol however it was computed; `zero` if it is known."""
    terms: dict[int, int] = dict(w.forms.get(x[0], ((x[0], 1),)) if x[0] else ())
    for atom, times in w.forms.get(y[0], ((y[0], 1),)) if y[0] else ():
        terms[atom] = terms.get(atom, 0) + sign * times
    form = tuple(sorted((a, k) for a, k in terms.items() if k))
    if len(form) == 1 and form[0][1] == 1:
        return form[0][0], x[1] + sign * y[1]
    sym = w.number(("sum", form))
    w.forms[sym] = form
    return sym, x[1] + sign * y[1]


def scaled(w: Walk, x: tuple[int, int], by: int) -> tuple[int, int]:
    """A multiple of an index."""
    form = tuple((a, k * by) for a, k in (w.forms.get(x[0], ((x[0], 1),)) if x[0] else ())) if by else ()
    sym = w.number(("sum", form))
    w.forms[sym] = form
    return sym, x[1] * by


def from_base(w: Walk, base: int, start: int | None, at: tuple[int, int]) -> tuple[int, int | None]:
    """Where the token stands that is `at` places after the start of a run."""
    if start is None:
        return (base, None) if not at[0] else (w.number(("at", base, None, at[0])), at[1])
    sym, off = added(w, (base, start), at)
    return (0 if sym == zero(w) else sym), off


def tokens_value(w: Walk, split: Split, site_path: str, line: int, stop: int | None, *, sidecar: bool = False) -> Data:
    """All tokens of a split."""
    r = Read(split, Location(site_path, line), start=0 if stop is not None else None, stop=stop, sidecar=sidecar)
    d = Data(w.read(r), tag="bytes" if sidecar else "tokens", tok=r)
    if sidecar:
        d.lab |= w.marks.make(Mark.SIDECAR, 0)
    return d


def narrow(w: Walk, owner: Data, r: Read, lab: int) -> Data:
    keep = labels(owner) & ~(w.marks.mask[Mark.READ] | w.marks.mask[Mark.TURN])
    if r.split is Split.TRAIN:
        r = Read(r.split, r.at)
    return Data(keep | w.read(r) | lab, tag=owner.tag, tok=r)


def moved(w: Walk, marks: int, key: Value | None, sign: int) -> int:
    """Marks of values that are kept by their places, counted from the place at which a slice begins.

    What stands at place p was made of tokens some places before p: that stays so wherever the slice begins.
    """
    low = key.items[0] if isinstance(key, Seq) and key.kind == "slice" else None
    if not isinstance(low, Const) or type(low.v) is not int or low.v <= 0:
        return marks
    out = marks
    for r in w.marks.reads(w.val_reads(marks)):
        if r.start is not None:
            by = sign * low.v
            there = replace(r, start=r.start + by, stop=r.stop + by if r.stop is not None else None)
            out = (out & ~w.read(r)) | w.read(there)
    return out


def one_run(w: Walk, items: list[Value]) -> Data | None:
    """Pieces of a shard of which nobody knows where they end, put together by a loader: one run from where the first begins."""
    items = [x for i in items for x in (i.values if isinstance(i, Alt) else [i])]
    toks: list[Read] = []
    for i in items:
        if not isinstance(i, Data) or i.tag != "tokens" or not (held := w.marks.reads(w.val_reads(labels(i)))):
            return None
        toks += [i.tok] if isinstance(i.tok, Read) else held
    if len({(r.split, r.at, r.sidecar) for r in toks}) != 1 or all(r.stop for r in toks):
        return None
    first = toks[0]
    if first.split is not Split.VALIDATION or first.sidecar or first.start is None:
        return None
    turns = frozenset[tuple[int, int]]().union(*(r.turns for r in toks))
    r = Read(first.split, first.at, turns, first.base, first.start)
    d = w.fresh(w.read(r), "tokens")
    d.tok = r
    return d


def item_of(w: Walk, owner: Data, k: int) -> Data:
    """The k-th item of a run of tokens."""
    r = owner.tok
    start = r.start + k if r.start is not None else None
    new = Read(r.split, r.at, r.turns, r.base, start, start + 1 if start is not None else None, r.parts, r.sidecar)
    return narrow(w, owner, new, 0)


def subscript(w: Walk, owner: Data, key: Value) -> Value:
    key = _from_the_end(owner, key)
    if isinstance(owner.tok, Read):
        return cuts.shortened(w, _tokens_at(w, owner, key), key)
    if owner.tag == "tokens" and _in_rows(key) and (runs := w.marks.reads(w.val_reads(labels(owner)))):
        return _runs_at(w, owner, key, runs)
    lab = labels(key)
    if w.marks.mask[Mark.JUDGED] and (some := losses.chosen(w, owner, key) or _trimmed(w, owner, key)) is not None:
        return some
    reads = w.val_reads(lab) | w.train_reads(lab)
    if reads and owner.tag == "byte row" and not isinstance(key, Seq) and tag_is_place(key):
        return in_byte_row(w, owner, reads)
    if reads and _token_key(key):
        return table_lookup(w, owner, labels(owner), key)
    whole = labels(owner)
    own = whole if owner.tag != "hash" else moved(w, whole, key, 1)
    if owner.tag in ("tokens", "hash") and _is_choice(key):
        lab &= ~w.marks.mask[Mark.READ]  # which of them are taken does not change what they are
    if w.knows:
        lab |= predictions.taken(w, owner.root, _low(w, key))
    lab |= coverage.taken(w, owner, key)
    picked = w.marks.turns(lab) if _is_row(w, key) else frozenset()
    if picked and (w.val_reads(own) or w.score_marks(own)):
        return row(w, owner, own, key, picked)
    new = own | (lab & ~w.marks.mask[Mark.TURN])
    bounds = edges(w, key) | (all_parts(key) if isinstance(key, Data) else frozenset())
    bounds = frozenset(b for b in bounds if not _at_the_end(owner, b))
    if (bounds or _is_choice(key)) and w.score_marks(own) and owner.tag in AT_TARGET:
        new = (new & ~w.score_marks(new)) | narrowed(w, w.score_marks(own), bounds, w.marks.turns(lab))
        d = Data(new, tag=owner.tag)
        d.parts = owner.parts | bounds
        return d
    d = Data(new & ~own | lab, base=owner, tag=owner.tag) if own == whole else Data(new, tag=owner.tag)
    if not owner.tag and reads and lab & w.marks.mask[Mark.TEXT_BYTES] and not isinstance(key, Seq):
        d.tag = "at byte"  # under one of the bytes that spell a token
    d.parts, d.pure = owner.parts | bounds, owner.pure
    d.holder = None
    cuts.shifted(w, d, bounds)
    cuts.without_last(w, d, key)
    if owner.tag == "positions":
        d.sym, d.off = _position_at(w, owner, key)
    return d


def _trimmed(w: Walk, owner: Data, key: Value) -> Data | None:
    """A part of a row of losses that stand in order of size."""
    part = isinstance(key, Seq) and key.kind == "slice" and not _whole(key)
    return losses.chosen(w, owner, owner) if part else None


def _is_choice(key: Value) -> bool:
    """Whether an index is a mask, or the places at which one holds."""
    if isinstance(key, Seq) and key.kind == "tuple":
        return any(_is_choice(i) for i in key.items)
    return isinstance(key, Data) and key.tag in ("condition", "mask", "hit", "better", "subset")


def _low(w: Walk, key: Value) -> tuple[int, int] | None:
    """The first place that an index names."""
    if isinstance(key, Seq) and key.kind == "slice":
        key = key.items[0]
    return number(w, key) or (0, 0) if isinstance(key, (Const, Data)) and tag_is_place(key) else None


def _at_the_end(owner: Data, bound: str) -> bool:
    """Whether a boundary leaves out no more than the last position or two, as shifting by one does."""
    shape = owner.root.shape
    length = shape[-1] if shape else None
    sym, _, off = bound[:-1].partition(":")
    return (
        bound.endswith("<")
        and sym == "0"
        and length is not None
        and off.lstrip("-").isdigit()
        and int(off) >= length - 2
    )


def _is_row(w: Walk, key: Value) -> bool:
    """Whether an index picks one row, by a number that is not made of tokens, nor found by a model in what it read."""
    first = key.items[0] if isinstance(key, Seq) and key.kind == "tuple" and key.items else key
    if isinstance(first, Const):
        return isinstance(first.v, int) and not isinstance(first.v, bool)
    if not isinstance(first, Data) or first.tag != "":
        return False
    lab = labels(first)
    return not (lab & w.marks.mask[Mark.PARAMETER] and w.val_reads(lab))


def row(w: Walk, owner: Data, own: int, key: Value, picked: frozenset[tuple[int, int]]) -> Data:
    """One row of tokens or of losses, picked by a turn of a loop: other rows are other tokens."""
    bounds = edges(w, key)
    reads = w.val_reads(own)
    scores = w.score_marks(own)
    new = (own & ~reads & ~scores) | rows(w, reads, picked) | (labels(key) & ~w.marks.mask[Mark.READ])
    for s in w.marks.numbers(scores, Mark.SCORE):
        old = w.scores[s]
        name = ("row", s, picked, bounds)
        if name not in w.derived:
            n = w.new_id()
            w.derived[name] = n
            w.scores[n] = replace(
                old, id=n, targets=_shifted(w, rows(w, old.targets, picked), bounds), parts=old.parts | bounds, base=s
            )
        new |= w.marks.make(Mark.SCORE, w.derived[name])
    d = Data(new, tag=owner.tag)
    d.parts = owner.parts | bounds
    d.site = owner.root.site if not scores else None
    return d


def rows(w: Walk, reads: int, picked: frozenset[tuple[int, int]]) -> int:
    """The same tokens, as far as these turns pick them: where they end is then not known."""
    loops = {p[0] for p in picked}
    out = 0
    for r in w.marks.reads(reads):
        turns = frozenset(t for t in r.turns if t[0] not in loops) | picked
        out |= w.read(replace(r, turns=turns, stop=r.stop if turns == r.turns else None))
    return out


def _position_at(w: Walk, owner: Data, key: Value) -> tuple[int, int]:
    """Which positions are picked out of a run of positions; a choice among them starts where they start."""
    at = number(w, owner)
    assert at is not None
    if isinstance(key, Data) and key.tag not in ("condition", "mask", "subset", "hit", "better"):
        by = number(w, key)
    elif isinstance(key, Seq) and key.kind == "slice":
        by = number(w, key.items[0]) or (0, 0)
    elif isinstance(key, Const):
        by = number(w, key)
        if by is not None and by[1] < 0:
            return w.symbol(), 0
    else:
        by = (0, 0)
    if by is None:
        return w.symbol(), 0
    sym, off = added(w, at, by)
    return sym or zero(w), off


def narrowed(w: Walk, scores: int, bounds: frozenset[str], picked: frozenset[tuple[int, int]] = frozenset()) -> int:
    """The same scores, of which only the positions on one side of a boundary are kept.

    `picked` are the turns that chose the boundary: of a loop that began after the scoring each takes a piece of its own.
    """
    out = 0
    for s in w.marks.numbers(scores, Mark.SCORE):
        old = w.scores[s]
        later = frozenset(t for t in picked if t in w.turns and t[0] not in {loop for loop, _ in old.turns})
        if bounds <= old.parts and not later:
            out |= w.marks.make(Mark.SCORE, s)
            continue
        key = ("part", s, bounds, later)
        if key not in w.derived:
            n = w.new_id()
            w.derived[key] = n
            targets = rows(w, old.targets, later) if later else old.targets
            w.scores[n] = replace(old, id=n, targets=_shifted(w, targets, bounds), parts=old.parts | bounds, base=s)
        out |= w.marks.make(Mark.SCORE, w.derived[key])
    return out


def cut(w: Walk, v: Value, bounds: frozenset[str]) -> Value:
    """An item of a list that was cut at a boundary: its tokens lie on one side of it."""
    if isinstance(v, Data) and isinstance(v.tok, Read) and v.tok.split is Split.VALIDATION:
        r = v.tok
        return narrow(w, v, Read(r.split, r.at, r.turns, r.base, r.start, r.stop, r.parts | bounds, r.sidecar), 0)
    if isinstance(v, Seq) and v.kind == "tuple":
        return Seq([cut(w, i, bounds) for i in v.items], v.kind, v.more, v.lab)
    return v


def _shifted(w: Walk, reads: int, bounds: frozenset[str]) -> int:
    """Runs of tokens of which only what lies from a boundary on is kept."""
    low = next((b[:-1].split(":") for b in bounds if b.endswith(">")), None)
    if low is None:
        return reads
    out = 0
    for r in w.marks.reads(reads):
        base, start = from_base(w, r.base, r.start, (int(low[0]), int(low[1])))
        out |= w.read(replace(r, base=base, start=start, stop=None))
    return out


def all_parts(v: Data) -> frozenset[str]:
    """The boundaries of a mask or a view, whichever name it goes by."""
    d: Data | None = v
    parts: frozenset[str] = frozenset()
    while d is not None:
        parts |= d.parts
        d = d.base
    return parts


def edges(w: Walk, key: Value) -> frozenset[str]:
    """The boundaries that an index sets in the last extent: "7:0>" from symbol 7 on, "7:0<" before it."""
    if isinstance(key, Seq) and key.kind == "tuple" and key.items:
        key = key.items[-1] if len(key.items) < 3 else key.items[1]
    elif not (isinstance(key, Seq) and key.kind == "slice"):
        return frozenset()
    if not (isinstance(key, Seq) and key.kind == "slice"):
        return frozenset()
    low, high, _ = key.items
    out = set()
    at = number(w, low)
    if at is not None and at != (0, 0):
        out.add(f"{at[0]}:{at[1]}>")
    at = number(w, high)
    if at is not None:
        out.add(f"{at[0]}:{at[1]}<")
    return frozenset(out)


def _token_key(key: Value) -> bool:
    if isinstance(key, Data):
        return key.tag in TOKENISH
    if isinstance(key, Seq) and key.kind != "slice":
        return any(_token_key(i) for i in key.items)
    return False


def _tokens_at(w: Walk, owner: Data, key: Value) -> Value:
    r: Read = owner.tok
    lab = labels(key)
    if isinstance(key, Seq) and key.kind == "tuple" and len(key.items) == 2 and _is_new(key.items[1]):
        key = key.items[0]  # `[1:, None]` is the run from the second token on, in a column
    picked = w.marks.turns(lab)
    if r.split is Split.TRAIN:
        return narrow(w, owner, r, 0)
    r = replace(r, parts=coverage.read(w, r, lab, r.parts))
    other = frozenset(t for t in r.turns if t[0] not in {p[0] for p in picked})
    turns = other | picked
    if isinstance(key, Seq) and key.kind == "tuple":
        last = key.items[-1] if key.items else key
        bounds = edges(w, key)
        start, stop = r.start, r.stop
        base = r.base
        if isinstance(last, Seq) and last.kind == "slice" and len(key.items) > 1:
            low = number(w, last.items[0])
            if low is not None:
                base, start = from_base(w, base, start, low)
            stop = _end_in_first_row(w, r, key)
        elif (
            isinstance(last, (Const, Data)) and not (isinstance(last, Const) and last.v is None) and tag_is_place(last)
        ):
            at = number(w, last)
            if at is not None:
                base, start = from_base(w, base, start, at)
                stop = None
        return narrow(
            w,
            owner,
            Read(r.split, r.at, turns, base, start, stop, r.parts | bounds, r.sidecar),
            lab & w.marks.mask[Mark.TURN],
        )
    if isinstance(key, Seq) and key.kind == "slice":
        return narrow(w, owner, _sliced(w, r, key, turns), 0)
    if isinstance(key, Const) and isinstance(key.v, int):
        if r.start is not None and key.v >= 0:
            return narrow(
                w,
                owner,
                Read(r.split, r.at, turns, r.base, r.start + key.v, r.start + key.v + 1, r.parts, r.sidecar),
                0,
            )
        return narrow(w, owner, Read(r.split, r.at, turns, r.base, None, None, r.parts, r.sidecar), 0)
    if isinstance(key, Data) and tag_is_place(key):
        at = number(w, key)
        assert at is not None
        base, start = from_base(w, r.base, r.start, at)
        return narrow(w, owner, Read(r.split, r.at, turns, base, start, None, r.parts, r.sidecar), 0)
    return narrow(w, owner, Read(r.split, r.at, turns, r.base, r.start, None, r.parts, r.sidecar), 0)


def _is_new(key: Value) -> bool:
    return isinstance(key, Const) and key.v is None


def _end_in_first_row(w: Walk, r: Read, key: Seq) -> int | None:
    """Where `[0, a:b]` ends: the first row begins where the run does. Of other rows nobody knows."""
    *rows, last = key.items
    assert isinstance(last, Seq)
    if len(rows) != 1 or not (isinstance(rows[0], Const) and type(rows[0].v) is int and rows[0].v == 0):
        return None
    high = number(w, last.items[1])
    if high is None or high[0] or high[1] <= 0 or r.base or r.start is None:
        return None
    return min(r.start + high[1], r.stop) if r.stop is not None else r.start + high[1]


def _in_rows(key: Value) -> bool:
    """Whether an index cuts every row of a batch at the same place, `[:, a:b]`, or one long row."""
    if isinstance(key, Seq) and key.kind == "slice":
        return True
    if not (isinstance(key, Seq) and key.kind == "tuple" and len(key.items) > 1):
        return False
    *rows, last = key.items
    return (
        isinstance(last, Seq)
        and last.kind == "slice"
        and all((isinstance(i, Const) and i.v is Ellipsis) or _whole(i) for i in rows)
    )


def _from_the_end(owner: Data, key: Value) -> Value:
    """The index with `[:, : n - 1]` of rows of n written as `[:, :-1]`: all but the last is a shift and no boundary."""
    if owner.shape is None or not _in_rows(key) or not isinstance(key, Seq):
        return key
    *rows, cut = key.items if key.kind == "tuple" else [key]
    assert isinstance(cut, Seq)
    low, high, step = cut.items
    size = owner.shape[-1] if len(owner.shape) == len(rows) + 1 else None
    if size is None or not isinstance(high, Const) or type(high.v) is not int or high.v != size - 1 or size < 2:
        return key
    short = Seq([low, Const(-1, high.lab), step], "slice", lab=cut.lab)
    return Seq([*rows, short], "tuple", lab=key.lab) if key.kind == "tuple" else short


def _whole(key: Value) -> bool:
    return isinstance(key, Seq) and key.kind == "slice" and all(isinstance(i, Const) and i.v is None for i in key.items)


def _runs_at(w: Walk, owner: Data, key: Value, runs: list[Read]) -> Data:
    """Windows that were put together, cut at one place: each of them begins that much later."""
    lab = labels(owner) & ~w.val_reads(labels(owner))
    if isinstance(key, Seq) and key.kind == "slice" and number(w, key.items[0]) in (None, (0, 0)):
        held, low = w.val_reads(labels(owner)), key.items[0]
        begun = frozenset(
            t for t in w.marks.turns(labels(low)) if t in w.turns
        )  # the first piece of a store that is gone through
        lab |= rows(w, held, begun) if begun else held
        runs = []
    for r in runs:
        where = key if isinstance(key, Seq) and key.kind == "tuple" else Seq([Const(Ellipsis), key], "tuple")
        one = _tokens_at(w, Data(w.read(r), tag=owner.tag, tok=r), where)
        lab |= labels(one)
    out = Data(lab, tag=owner.tag)
    out.parts = owner.parts | edges(w, key)
    out.site = owner.root.site
    cuts.shortened(w, out, key)
    return out


def tag_is_place(key: Value) -> bool:
    """Whether an index names places, rather than choosing among them."""
    return not isinstance(key, Data) or key.tag not in ("mask", "condition", "subset", "hit", "better")


def _sliced(w: Walk, r: Read, key: Seq, turns: frozenset[tuple[int, int]]) -> Read:
    low, high, step = key.items
    a = number(w, low)
    b = number(w, high)
    base, start, stop = r.base, r.start, r.stop
    known_low = isinstance(low, Const) and low.v is None
    parts = set(cuts.cut(w, r, key, r.parts))
    if not known_low and a is not None and (a[0] or a[1] > 0):
        parts.add(f"T{r.base}:{r.start}:{a[0]}:{a[1]}>")
    if b is not None and (b[0] or b[1] > 0):
        parts.add(f"T{r.base}:{r.start}:{b[0]}:{b[1]}<")
    if not known_low and a is not None:
        if a[0] == 0:
            if a[1] >= 0:
                start = start + a[1] if start is not None else None
            else:
                start = stop + a[1] if stop is not None else None
                if start is not None and r.base == 0 and r.start is not None:
                    start = max(start, r.start)  # a run that is shorter is taken whole
        else:
            base, start = from_base(w, base, start, a)
            stop = None
    if not (isinstance(high, Const) and high.v is None):
        if b is not None and b[0] == 0 and b[1] < 0:
            stop = stop + b[1] if stop is not None else None
        elif b is not None and b[0] == 0 and r.base == 0 and r.start is not None and base == 0:
            stop = min(stop, r.start + b[1]) if stop is not None else r.start + b[1]
        elif b is not None and b[0] and base == b[0]:
            stop = b[1]
        else:
            stop = None
    if isinstance(step, Const) and isinstance(step.v, int) and step.v < 0:
        start, stop = None, None
    out = Read(r.split, r.at, turns, base, start, stop, frozenset(parts), r.sidecar)
    if b is not None and b[0] and stop is None:
        end, place = from_base(w, r.base, r.start, b)
        if place is not None:
            w.ends[out] = end, place
    return out


def last_of(w: Walk, owner: Data) -> Data | None:
    """The last item of a run, where it is known where the run ends."""
    r = owner.tok
    end = w.ends.get(r)
    if end is None:
        return None
    return narrow(w, owner, Read(r.split, r.at, r.turns, end[0], end[1] - 1, end[1], r.parts, r.sidecar), 0)


def table_lookup(w: Walk, owner: Value, own: int, key: Value, table: Value | None = None) -> Data:
    """A table read under a key made of tokens; a score where the table is a distribution and the key its column.

    `table` is the table itself where `owner` only stands for it.
    """
    lab = labels(key)
    last = key.items[-1] if isinstance(key, Seq) and key.kind == "tuple" and key.items else key
    tag = owner.tag if isinstance(owner, Data) else ""
    raw = isinstance(last, Data) and last.tag == "tokens"
    several = isinstance(key, Seq) and key.kind == "tuple" and len(key.items) > 1
    reads = w.val_reads(lab)
    if (
        raw
        and reads
        and (
            tag in ("log-probabilities", "probabilities", "logits")
            or (several and isinstance(owner, Data) and not own & w.marks.mask[Mark.TEXT_BYTES])
        )
    ):
        rest = own
        if isinstance(key, Seq):
            for i in key.items[:-1]:
                rest |= labels(i)
        kind = "target probability" if tag not in ("log-probabilities", "logits") else "nll"
        if tag == "count":
            kind = predictions.COUNTED
        own_vocabulary(w, labels(last))
        return at_target(w, rest, w.val_reads(labels(last)), kind)
    root = table or (owner.root if isinstance(owner, Data) else owner)
    hashed = _is_hashed(key)
    if own & (w.marks.mask[Mark.UPDATE]) or (hashed and not own & w.marks.mask[Mark.PARAMETER]) or tag == "table":
        bit = w.marks.make(
            Mark.LOOKUP,
            Lookup(
                w.identity(root),
                reads | w.train_reads(lab),
                hashed,
                Location(w.site.path, w.site.line),
                tag == "generic",
                w.open_guards(),
                isinstance(owner, Dict) and _token_key(key),
                _row_key(w, owner) if _token_key(key) else 0,
            ),
        )
        out = Data(own & ~w.marks.mask[Mark.TURN] | lab | bit, tag="count")
        out.pure = answers.ENTRY
        return out
    return Data(own | lab, tag=tag if tag not in ("tokens", "table") else "")


def _row_key(w: Walk, owner: Value) -> int:
    """The tokens of the key under which this table was found in a dict of tables, the last one if it went through several."""
    if not isinstance(owner, View) and not (isinstance(owner, Data) and owner.tag == "count"):
        return 0
    found = [look.key for look in w.marks.lookups(owner.lab) if look.whole]
    return found[-1] if found else 0


def launched(w: Walk, args: list[Value]) -> Data:
    """A kernel on a device: what it fills depends on all it is given; from predictions and the tokens that came it makes losses."""
    lab = 0
    for a in args:
        lab |= labels(a)
    empty = [
        a for a in args if isinstance(a, Data) and a.root.site is not None and a.root.holder is None and not labels(a)
    ]
    came = 0
    for a in args:
        if isinstance(a, Data) and a.tag == "tokens":
            came |= w.val_reads(labels(a))
    tag = ""
    if came and empty and lab & w.marks.mask[Mark.PARAMETER]:
        inputs = 0
        for a in args:
            if not (isinstance(a, Data) and a.tag == "tokens"):
                inputs |= labels(a)
        lab, tag = labels(at_target(w, inputs, came, "nll")), "nll"
    for a in empty:
        a.root.lab |= lab
        a.root.tag = a.root.tag or tag
    return Data(lab)


NEXT_BYTE = "next byte"  # the score of a part of a token


def in_byte_row(w: Walk, owner: Data, reads: int) -> Data:
    """The entry of a row that was made by summing token probabilities, at what a token is spelled with: a score."""
    lab = labels(owner)
    if lab & w.marks.mask[Mark.TEXT_BYTES]:
        lab &= ~reads  # the bytes before of the same token are known by then
    bit = w.score(w.site, reads, lab, NEXT_BYTE)
    out = Data(bit | lab & w.marks.mask[Mark.PARAMETER], tag="target probability")
    w.see(
        Sight.BYTE_MARGINAL,
        w.site,
        "the row that is scored was made by summing the probabilities of tokens",
        w.score_marks(labels(out)),
    )
    return out


def _is_hashed(key: Value) -> bool:
    if isinstance(key, Data):
        return key.tag == "hash"
    if isinstance(key, Seq):
        return any(_is_hashed(i) for i in key.items)
    return False


def own_vocabulary(w: Walk, target: int) -> None:
    """Note that the tokens scored here were cut by what was made of training text, as by a vocabulary of its own."""
    if w.val_reads(target) and w.train_reads(target):
        w.respelled.add(w.site)


def at_target(w: Walk, inputs: int, targets: int, kind: str, bounds: frozenset[str] = frozenset()) -> Data:
    """The probability (or its logarithm) that a prediction gives to the tokens that came: a score."""
    bit = w.score(w.site, targets, inputs, kind, bounds)
    predictions.at_score(w, bit, targets, inputs)
    answers.at_score(w, bit, targets, inputs)
    params = inputs & w.marks.mask[Mark.PARAMETER]
    out = Data(bit | params, tag=kind if kind != predictions.COUNTED else "target probability")
    out.pure = answers.ENTRY
    return out
