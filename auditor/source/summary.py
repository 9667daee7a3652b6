"""Parts of a model are walked once and then summarised: which arguments and parameters reach the result.

A block is called for each layer, window, chunk and evaluation, always with the same effect on marks. The
first call is walked with one placeholder for the marks of each argument; later calls put the marks at hand
in their places. A part that does anything besides (scores, learns, is seen doing something) is walked every time.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from auditor.source import calls
from auditor.source.labels import Mark, Read
from auditor.source.values import Alt, Args, Bound, Const, Data, Dict, Inst, Kw, LibObj, Seq, Value, all_labels, labels
from auditor.source.walk import Walk
from rules.events import Split
from rules.place import Location

_ANY = Read(Split.VALIDATION, Location("argument"))
TRIES = 3  # after which a part that did more than compute is always walked


def part(w: Walk, o: Inst, forward: Value, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    """The result of calling a part of a model."""
    if w.marks.mask[Mark.STATE] & all_labels(args, kw):
        return _walk(w, forward, args, kw, n)  # where it came from is to be compared with the real values
    name = forward.func if isinstance(forward, Bound) else forward
    key = (
        o.number,
        id(name),
        w.learned,
        w.no_grad > 0,
        bool(w.guards),
        tuple(map(_shape, args)),
        tuple((k, _shape(v)) for k, v in kw.items()),
    )
    if None in key[5] or any(s is None for _, s in key[6]) or (_passes_parameters(args, kw) and _grows(args, kw)):
        return _walk(w, forward, args, kw, n)
    if key in w.summaries:
        out = w.summaries[key]
    elif w.busy.get(key[:2], 0) >= TRIES:
        out = None
    else:
        out = w.summaries[key] = _summarise(w, forward, args, kw, n)
        if out is None:
            w.busy[key[:2]] = w.busy.get(key[:2], 0) + 1
    if out is None:
        return _walk(w, forward, args, kw, n)
    given: dict[int, int] = {}
    drop = w.read(_ANY)
    for i, v in enumerate([*args, *kw.values()]):
        _actual(w, v, (i,), given)
    return _filled(w, out, given, drop)


def _walk(w: Walk, forward: Value, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    if isinstance(forward, Bound):
        return calls.call(w, forward.func, [forward.owner, *args], kw, n)
    return calls.call(w, forward, args, kw, n)


def _shape(v: Value) -> object:
    """What of an argument decides the way through a part; None if it cannot be told apart by that."""
    if isinstance(v, Const):
        try:
            hash(v.v)
        except TypeError:
            return None
        return ("c", type(v.v).__name__, v.v)
    if isinstance(v, Data):
        if v.tok is not None or v.tag == "tokens":
            return None
        if v.root.holder is not None:  # parameters are handed on as they are: of which model they are counts
            return ("p", v.root, labels(v), v.tag)
        return ("d", v.tag) if labels(v) else ("n", v.tag)
    if isinstance(v, Seq):
        parts = tuple(_shape(i) for i in v.items)
        return None if None in parts or len(parts) > 8 else ("s", v.kind, parts)
    if isinstance(v, Alt):
        parts = tuple(_shape(i) for i in v.values)
        return None if None in parts else ("a", parts)
    if isinstance(v, (Inst, LibObj)):
        return ("o", id(v))
    if isinstance(v, Dict):
        return None
    return None


def _passes_parameters(args: Args, kw: Kw) -> bool:
    return any(isinstance(v, Data) and v.root.holder is not None for v in _leaves([*args, *kw.values()]))


def _grows(args: Args, kw: Kw) -> bool:
    """Whether a list is handed on, which the part may fill."""
    return any(isinstance(v, Seq) and v.kind != "tuple" for v in (*args, *kw.values()))


def _leaves(values: list[Value]) -> Iterator[Value]:
    for v in values:
        if isinstance(v, Seq):
            yield from _leaves(v.items)
        elif isinstance(v, Alt):
            yield from _leaves(v.values)
        else:
            yield v


def _placeholder(w: Walk, v: Value, at: tuple[int, ...]) -> Value:
    if isinstance(v, Data):
        if v.root.holder is not None or not labels(v):
            return v
        d = Data(w.marks.make(Mark.ARGUMENT, at) | w.read(_ANY), tag=v.tag)
        d.shape, d.parts = v.shape, v.parts
        return d
    if isinstance(v, Seq):
        return Seq([_placeholder(w, i, (*at, k)) for k, i in enumerate(v.items)], v.kind, v.more)
    if isinstance(v, Alt):
        return Alt([_placeholder(w, i, (*at, k)) for k, i in enumerate(v.values)])
    return v


def _actual(w: Walk, v: Value, at: tuple[int, ...], out: dict[int, int]) -> None:
    if isinstance(v, Data):
        out[w.marks.make(Mark.ARGUMENT, at)] = labels(v)
    elif isinstance(v, Seq):
        for k, i in enumerate(v.items):
            _actual(w, i, (*at, k), out)
    elif isinstance(v, Alt):
        for k, i in enumerate(v.values):
            _actual(w, i, (*at, k), out)


def _summarise(w: Walk, forward: Value, args: Args, kw: Kw, n: ast.AST | None) -> Value | None:
    """Walk a part with placeholders; None if it did more than compute."""
    before = (len(w.scores), len(w.updates), len(w.seen), len(w.notes), len(w.reports), w.learned, w.hooked)
    kept, w.stored = w.stored, []
    branched = dict(w.branched)
    known = (set(w.scores), set(w.updates), set(w.lookups_seen))
    held = [_placeholder(w, v, (i,)) for i, v in enumerate(args)]
    named = {k: _placeholder(w, v, (len(args) + i,)) for i, (k, v) in enumerate(kw.items())}
    w.summarising += 1
    try:
        out = _walk(w, forward, held, named, n)
    finally:
        w.summarising -= 1
    after = (len(w.scores), len(w.updates), len(w.seen), len(w.notes), len(w.reports), w.learned, w.hooked)
    stored, w.stored = w.stored, kept
    for target, attribute, old in reversed(stored):  # what was kept of the placeholders
        if old is None:
            target.attrs.pop(attribute, None)
        else:
            target.attrs[attribute] = old
        if isinstance(target, Inst) and (key := (target.number, attribute)) in branched:
            w.branched[key] = branched[key]
    if after != before or stored:  # undo: the real call will note it with what it really is
        for s in [s for s in w.scores if s not in known[0]]:
            del w.scores[s]
        for u in [u for u in w.updates if u not in known[1]]:
            del w.updates[u]
        w.lookups_seen &= known[2]
        w.learned = before[5]
        del w.seen[before[2] :]
        del w.notes[before[3] :]
        del w.reports[before[4] :]
        return None
    return _flat(out)


def _flat(v: Value) -> Value | None:
    """The result without its ties to other values; None for a result that is more than numbers."""
    if isinstance(v, Const):
        return v
    if isinstance(v, Data):
        if v.tok is not None or v.holder is not None:
            return None
        d = Data(labels(v), tag=v.tag)
        d.parts, d.shape = v.parts, v.shape
        return d
    if isinstance(v, Seq):
        items = [_flat(i) for i in v.items]
        return (
            None if any(i is None for i in items) else Seq([i for i in items if i is not None], v.kind, v.more, v.lab)
        )
    return None


def _filled(w: Walk, v: Value, given: dict[int, int], drop: int) -> Value:
    if isinstance(v, Data):
        lab = v.lab & ~drop & ~w.marks.mask[Mark.ARGUMENT]
        for bit, marks in given.items():
            if v.lab & bit:
                lab |= marks
        d = Data(lab, tag=v.tag)
        d.parts, d.shape = v.parts, v.shape
        return d
    if isinstance(v, Seq):
        return Seq([_filled(w, i, given, drop) for i in v.items], v.kind, v.more, v.lab)
    return v
