"""Runs of tokens and tables of counts: what a subscript takes out of them."""

from __future__ import annotations

from auditor.source.labels import Lookup, Mark, Read
from auditor.source.values import Const, Data, Seq, Value, labels
from auditor.source.walk import Walk
from rules.events import Split
from rules.place import Location

TOKENISH = ("tokens", "hash", "mixed")
AT_TARGET = ("nll", "target probability")


def number(w: Walk, v: Value | None) -> tuple[int, int] | None:
    """An index as (symbol, offset); symbol 0 for a known number. None for what is no number."""
    if isinstance(v, Const):
        if isinstance(v.v, float) and not v.v.is_integer():
            return None
        return (0, int(v.v)) if isinstance(v.v, (int, float)) and not isinstance(v.v, bool) else None
    if isinstance(v, Data):
        if not v.sym:
            v.sym = w.symbol()
        return v.sym, v.off
    return None


def tokens_value(w: Walk, split: Split, site_path: str, line: int, stop: int | None, *, sidecar: bool = False) -> Data:
    """All tokens of a split."""
    r = Read(split, Location(site_path, line), start=0 if stop is not None else None, stop=stop, sidecar=sidecar)
    d = Data(w.read(r), tag="bytes" if sidecar else "tokens", tok=r)
    if sidecar:
        d.lab |= w.marks.make(Mark.SIDECAR, 0)
    if split is Split.TRAIN:
        w.train_read |= d.lab
    return d


def _derived(w: Walk, owner: Data, r: Read, lab: int) -> Data:
    keep = labels(owner) & ~(w.marks.mask[Mark.READ] | w.marks.mask[Mark.TURN])
    if r.split is Split.TRAIN:
        r = Read(r.split, r.at)
    return Data(keep | w.read(r) | lab, tag=owner.tag, tok=r)


def item_of(w: Walk, owner: Data, k: int) -> Data:
    """The k-th item of a run of tokens."""
    r = owner.tok
    start = r.start + k if r.start is not None else None
    new = Read(r.split, r.at, r.turns, r.base, start, start + 1 if start is not None else None, r.parts, r.sidecar)
    return _derived(w, owner, new, 0)


def subscript(w: Walk, owner: Data, key: Value) -> Value:
    if isinstance(owner.tok, Read):
        return _tokens_at(w, owner, key)
    lab = labels(key)
    reads = w.val_reads(lab) | w.train_reads(lab)
    if reads and _token_key(key):
        return table_lookup(w, owner, labels(owner), key)
    own = labels(owner)
    new = own | (lab & ~w.marks.mask[Mark.TURN])
    bounds = edges(w, key)
    if bounds and w.score_marks(own) and owner.tag in AT_TARGET:
        new = (new & ~w.score_marks(new)) | narrowed(w, w.score_marks(own), bounds)
        d = Data(new, tag=owner.tag)
        d.parts = owner.parts | bounds
        return d
    d = Data(new & ~own | lab, base=owner, tag=owner.tag)
    d.parts = owner.parts | bounds
    d.holder = None
    return d


def narrowed(w: Walk, scores: int, bounds: frozenset[str]) -> int:
    """The same scores, of which only the positions on one side of a boundary are kept."""
    out = 0
    for s in w.marks.numbers(scores, Mark.SCORE):
        old = w.scores[s]
        if bounds <= old.parts:
            out |= w.marks.make(Mark.SCORE, s)
            continue
        key = ("part", s, bounds)
        if key not in w.derived:
            n = w.new_id()
            w.derived[key] = n
            from dataclasses import replace

            w.scores[n] = replace(old, id=n, parts=old.parts | bounds, base=s)
        out |= w.marks.make(Mark.SCORE, w.derived[key])
    return out


def cut(w: Walk, v: Value, bounds: frozenset[str]) -> Value:
    """An item of a list that was cut at a boundary: its tokens lie on one side of it."""
    if isinstance(v, Data) and isinstance(v.tok, Read) and v.tok.split is Split.VALIDATION:
        r = v.tok
        return _derived(w, v, Read(r.split, r.at, r.turns, r.base, r.start, r.stop, r.parts | bounds, r.sidecar), 0)
    if isinstance(v, Seq) and v.kind == "tuple":
        return Seq([cut(w, i, bounds) for i in v.items], v.kind, v.more, v.lab)
    return v


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
    picked = w.marks.turns(lab)
    if r.split is Split.TRAIN:
        return _derived(w, owner, r, 0)
    other = frozenset(t for t in r.turns if t[0] not in {p[0] for p in picked})
    turns = other | picked
    if isinstance(key, Seq) and key.kind == "tuple":
        last = key.items[-1] if key.items else key
        bounds = edges(w, key)
        start, stop = r.start, r.stop
        base = r.base
        if isinstance(last, Seq) and last.kind == "slice" and len(key.items) > 1:
            low = number(w, last.items[0])
            if low is not None and low[0] == 0 and start is not None:
                start += low[1]
            elif low is not None and low[0]:
                base, start = w.number(("at", base, start, low[0])), low[1]
            stop = None
        elif isinstance(last, (Const, Data)) and not (isinstance(last, Const) and last.v is None):
            at = number(w, last)
            if at is not None:
                base, start, stop = (base, (start or 0) + at[1], None) if not at[0] else (w.number(("at", base, start, at[0])), at[1], None)
        return _derived(w, owner, Read(r.split, r.at, turns, base, start, stop, r.parts | bounds, r.sidecar), lab & w.marks.mask[Mark.TURN])
    if isinstance(key, Seq) and key.kind == "slice":
        return _derived(w, owner, _sliced(w, r, key, turns), 0)
    if isinstance(key, Const) and isinstance(key.v, int):
        if r.start is not None and key.v >= 0:
            return _derived(w, owner, Read(r.split, r.at, turns, r.base, r.start + key.v, r.start + key.v + 1, r.parts, r.sidecar), 0)
        return _derived(w, owner, Read(r.split, r.at, turns, r.base, None, None, r.parts, r.sidecar), 0)
    if isinstance(key, Data):
        if key.tag in ("mask", "condition"):
            return _derived(w, owner, Read(r.split, r.at, turns, r.base, r.start, None, r.parts, r.sidecar), 0)
        at = number(w, key)
        assert at is not None
        base = at[0] if r.base == 0 and not r.start else w.number(("at", r.base, r.start, at[0]))
        return _derived(w, owner, Read(r.split, r.at, turns, base, at[1], None, r.parts, r.sidecar), 0)
    return _derived(w, owner, Read(r.split, r.at, turns, r.base, r.start, None, r.parts, r.sidecar), 0)


def _sliced(w: Walk, r: Read, key: Seq, turns: frozenset[tuple[int, int]]) -> Read:
    low, high, step = key.items
    a = number(w, low)
    b = number(w, high)
    base, start, stop = r.base, r.start, r.stop
    known_low = isinstance(low, Const) and low.v is None
    if not known_low and a is not None:
        if a[0] == 0:
            if a[1] >= 0:
                start = start + a[1] if start is not None else None
            else:
                start = stop + a[1] if stop is not None else None
        elif base == 0 and not start:
            base, start, stop = a[0], a[1], None
        else:
            base, start, stop = w.number(("at", base, start, a[0])), a[1], None
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
    return Read(r.split, r.at, turns, base, start, stop, r.parts, r.sidecar)


def table_lookup(w: Walk, owner: Value, own: int, key: Value) -> Data:
    """A table read under a key made of tokens; a score where the table is a distribution and the key its column."""
    lab = labels(key)
    last = key.items[-1] if isinstance(key, Seq) and key.kind == "tuple" and key.items else key
    tag = owner.tag if isinstance(owner, Data) else ""
    raw = isinstance(last, Data) and last.tag == "tokens"
    several = isinstance(key, Seq) and key.kind == "tuple" and len(key.items) > 1
    reads = w.val_reads(lab)
    if raw and reads and (tag in ("log-probabilities", "probabilities", "logits") or (several and isinstance(owner, Data) and not own & w.marks.mask[Mark.TEXT_BYTES])):
        rest = own
        if isinstance(key, Seq):
            for i in key.items[:-1]:
                rest |= labels(i)
        kind = "target probability" if tag not in ("log-probabilities", "logits") else "nll"
        return at_target(w, rest, w.val_reads(labels(last)), kind)
    root = owner.root if isinstance(owner, Data) else owner
    hashed = _is_hashed(key)
    if own & (w.marks.mask[Mark.UPDATE]) or (hashed and not own & w.marks.mask[Mark.PARAMETER]) or tag == "table":
        bit = w.marks.make(Mark.LOOKUP, Lookup(id(root), reads | w.train_reads(lab), hashed, Location(w.site.path, w.site.line), tag == "generic"))
        d = Data(own & ~w.marks.mask[Mark.TURN] | lab | bit, tag="count")
        return d
    d = Data(own | lab, tag=tag if tag not in ("tokens", "table") else "")
    return d


def _is_hashed(key: Value) -> bool:
    if isinstance(key, Data):
        return key.tag == "hash"
    if isinstance(key, Seq):
        return any(_is_hashed(i) for i in key.items)
    return False


def at_target(w: Walk, inputs: int, targets: int, kind: str) -> Data:
    """The probability (or its logarithm) that a prediction gives to the tokens that came: a score."""
    bit = w.score(w.site, targets, inputs, kind)
    params = inputs & w.marks.mask[Mark.PARAMETER]
    return Data(bit | params, tag=kind)
