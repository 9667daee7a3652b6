"""Subscripts: which item of a list, dict, text or run of tokens is meant."""

from __future__ import annotations

import ast

from auditor.source import assign, attributes, calls, loops, mixing, tokens
from auditor.source.labels import Mark
from auditor.source.sights import coverage, states
from auditor.source.values import (
    NONE,
    Alt,
    Cls,
    Const,
    Data,
    Dict,
    Func,
    Inst,
    Lib,
    LibObj,
    Native,
    Seq,
    Value,
    View,
    join,
    labels,
)
from auditor.source.walk import Walk


def is_whole(v: Value) -> bool:
    """Whether an index names everything: `[:]` or `[...]`."""
    if isinstance(v, Seq) and v.kind == "slice":
        return all(isinstance(i, Const) and i.v is None for i in v.items)
    if isinstance(v, Seq) and v.kind == "tuple":
        return all(is_whole(i) for i in v.items)
    return isinstance(v, Const) and v.v is Ellipsis


def item(w: Walk, owner: Value, key: Value, n: ast.AST) -> Value:
    """`owner[key]`."""
    if isinstance(owner, Const):
        return _constant_item(owner, key)
    if isinstance(owner, (Data, Seq)):
        mixing.picked(w, owner, key)
    if isinstance(owner, Seq):
        if (
            isinstance(key, Data)
            and key.tag in ("hash", "mixed")
            and w.val_reads(labels(key))
            and owner.items
            and all(isinstance(i, (Const, Data)) for i in owner.items[:3])
        ):
            return tokens.table_lookup(w, owner, labels(owner), key)
        found = _sequence_item(w, owner, key)
        return found if isinstance(key, Const) or not isinstance(n, ast.Subscript) else states.piece(w, found, n)
    if isinstance(owner, Dict):
        return _dict_item(w, owner, key)
    if isinstance(owner, Data):
        got = tokens.subscript(w, owner, key)
        if w.forward_depth and isinstance(n, ast.Subscript) and owner.tok is None and not is_whole(key):
            states.piece(w, got, n)
            if isinstance(got, Data) and (end := states.last_position(w, owner, key)):
                got.lab |= end
        return got
    if isinstance(owner, Alt):
        out: Value | None = None
        for x in owner.values:
            if not (isinstance(x, Const) and x.v is None):
                out = join(out, item(w, x, key, n))
        return out or Data(labels(key))
    if isinstance(owner, LibObj):
        return attributes.library_item(w, owner, key)
    if isinstance(owner, Inst):
        method = attributes.find_method(owner, "__getitem__")
        if method is not None:
            return calls.call(w, method, [key], {}, n)
        return Data(labels(owner) | labels(key))
    if isinstance(owner, (Lib, Cls)):
        return owner
    if isinstance(owner, Func):  # a kernel and its grid
        return Native(lambda w, args, kw, node: tokens.launched(w, [*args, *kw.values()]), owner.name)
    return loops.marked(Data(labels(owner)), labels(key))


def row(w: Walk, owner: Dict, empty: Value | None, found: Data) -> Value | None:
    """The container that stands for all rows of a dict of tables, with the marks of how it was found.

    `empty` is what stands under a key that is not there yet.
    """
    if owner.rest is None and (isinstance(empty, (Dict, Seq)) or (isinstance(empty, Data) and empty.site is not None)):
        owner.rest = empty
    rows = owner.rest
    if isinstance(rows, Dict):
        return View(rows.base if isinstance(rows, View) else rows, labels(found))
    if isinstance(rows, Data) and rows.root.site is not None:
        return Data(labels(found), base=rows, tag=found.tag)
    return loops.marked(rows, labels(found), w) if rows is not None and not isinstance(rows, (Data, Const)) else None


def _constant_item(owner: Const, key: Value) -> Value:
    try:
        if isinstance(key, Const):
            return Const(owner.v[key.v], owner.lab | key.lab)
        if isinstance(key, Seq) and key.kind == "slice" and all(isinstance(i, Const) for i in key.items):
            return Const(owner.v[slice(*(i.v for i in key.items))], owner.lab)  # type: ignore[attr-defined]
    except Exception:
        pass
    return Data(owner.lab | labels(key))


def _sequence_item(w: Walk, owner: Seq, key: Value) -> Value:
    if id(owner) in w.ranked and isinstance(key, Const) and key.v in (0, -1):
        found = mixing.smaller(w, owner.items, "the first in order of size")
        if found is not None:
            return found
    lab = owner.lab | (labels(key) & (w.marks.mask[Mark.TURN] | w.marks.mask[Mark.READ] | w.marks.mask[Mark.UPDATE]))
    if (
        isinstance(key, Const)
        and type(key.v) is int
        and -len(owner.items) <= key.v < len(owner.items)
        and (not owner.more or (key.v in (0, 1, -1) and not owner.inexact) or (key.v == 0 and owner.led))
    ):
        return loops.marked(owner.items[key.v], lab, w)
    if isinstance(key, Seq) and key.kind == "slice":
        low, high, step = key.items
        turns = labels(key) & w.marks.mask[Mark.TURN]
        if all(isinstance(i, Const) for i in key.items) and not owner.more:
            try:
                got = owner.items[slice(low.v, high.v, step.v)]  # type: ignore[attr-defined]
                return Seq(list(got), owner.kind, False, owner.lab | turns)
            except Exception:
                pass
        bounds = frozenset(f"L{b}" for b in tokens.edges(w, Seq([NONE, key], "tuple")))
        part = Seq(
            [tokens.cut(w, i, bounds) for i in owner.items] if bounds else list(owner.items),
            owner.kind,
            True,
            owner.lab | turns,
        )
        part.loose = True
        coverage.part(w, owner, low, high, step, part)
        part.led = _from_the_first(w, low, step) and (owner.led or not owner.inexact)
        return part
    out: Value | None = None
    for i in owner.items[:6]:
        out = join(out, loops.loosened(w, i))
    return loops.marked(out, lab, w) if out is not None else Data(lab)


def _from_the_first(w: Walk, low: Value, step: Value) -> bool:
    """Whether a slice begins with the first item, such as the share of the first rank."""
    ahead = isinstance(step, Const) and (step.v is None or (type(step.v) is int and step.v > 0))
    return ahead and ((isinstance(low, Const) and low.v is None) or tokens.number(w, low) == (0, 0))


def _dict_item(w: Walk, owner: Dict, key: Value) -> Value:
    reads = w.val_reads(labels(key))
    if reads or owner.key_lab & w.marks.mask[Mark.UPDATE]:
        found = tokens.table_lookup(w, owner, labels(owner), key)
        if owner.rest is None and owner.default is not None:
            made = calls.call(w, owner.default, [], {}, ast.Constant(None))
            return row(w, owner, made, found) or found
        return row(w, owner, owner.rest, found) or found
    k = assign.constant_key(key)
    if k is not assign.NO_KEY and k in owner.items:
        return owner.items[k]
    if owner.rest is not None:
        return loops.marked(owner.rest, labels(key) & w.marks.mask[Mark.TURN], w)
    if owner.default is not None:
        made = calls.call(w, owner.default, [], {}, ast.Constant(None))
        if k is not assign.NO_KEY:
            owner.items[k] = made
        else:
            owner.rest = made
        return made
    if k is assign.NO_KEY and owner.items:
        out: Value | None = None
        for v in list(owner.items.values())[:6]:
            out = join(out, v)
        return loops.marked(out, labels(key) & w.marks.mask[Mark.TURN], w) if out is not None else Data()
    return Data(labels(key) | owner.lab)
