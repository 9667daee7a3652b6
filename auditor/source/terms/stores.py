"""Arrays and dicts as tables: what they were filled with, and under which keys something was added since."""

from __future__ import annotations

import ast

from auditor.source import tokens
from auditor.source.terms.term import BINARY, Store, Term, everything, has, key_of, leaf, make, number, of, split, table
from auditor.source.values import NONE, Args, Const, Data, Dict, Kw, Seq, Value
from auditor.source.walk import Walk


def table_of(w: Walk, v: Value) -> Value:
    if id(v) not in w.stores:
        w.kept.append(v)
        w.stores[id(v)] = Store(None, number(0))
    return v


def fresh(w: Walk, name: str, a: Args, k: Kw, out: Data) -> None:
    """An array that was just made: everywhere the same number, until it is written."""
    fill: Term | None = None
    if name.startswith(("zeros", "new_zeros", "empty", "new_empty")):
        fill = number(0)
    elif name.startswith(("ones", "new_ones")):
        fill = number(1)
    elif "full" in name and len(a) > 1:
        fill = of(w, a[1])
    like = "_like" in name
    w.kept.append(out)
    w.stores[id(out)] = Store(None if like else len(out.shape or ()) or None, fill)
    out.term = Term("store", id(out), 0)


def written(w: Walk, target: Data, index: Value | None, value: Value | None, accumulate: bool) -> None:
    """An array is written: as a table by tokens, or as a row that was made for the tokens at hand."""
    root = target.root
    s = w.stores.get(id(root))
    now = root.site is not None and root.born == tuple(w.turns)
    parts = index.items if isinstance(index, Seq) and index.kind == "tuple" else [index or NONE]
    keys = [key_of(w, p) for p in parts if not everything(p)]
    key = keys[-1] if keys and all(k is not None for k in keys) else None
    own = root.term if s is None or target.term is None else target.term
    if s is not None and isinstance(own, Term) and own.op == "store":
        if now and s.fill is not None and not s.writes and value is not None and len(keys) < 2:
            place = key or (leaf(w, index) if index is not None else None)
            put_in = make("put", s.fill, place, leaf(w, value), accumulate) if place is not None else None
            root.term = target.term = put_in or False
        else:
            _note(w, s, [k for k in keys if k is not None] if key is not None else [], value, accumulate)
        return
    was = target.term
    for d in (target, root):
        if d.term is not None or d.tag in tokens.AT_TARGET:
            d.term = False
    if isinstance(was, Term) and key is not None and value is not None and not has(key, "tok"):
        target.term = make("put", was, key, leaf(w, value), accumulate) or False


def _note(w: Walk, s: Store, keys: list[Term], value: Value | None, accumulate: bool) -> None:
    """Something is written into a table: added under keys made of tokens, or anything else."""
    amount = of(w, value) if value is not None else None
    if amount is not None and amount.op == "store":
        made = table(w, amount)
        amount = made.fill if made is not None and not made.writes else None
    v = amount.args[0] if amount is not None and amount.op == "num" else None
    if not accumulate or not keys or not isinstance(v, float) or v <= 0:
        s.writes.add("set")
        return
    s.writes.add("add")
    when = (v, tuple(w.turns), tuple(w.guards))
    s.adds.append((split(tuple(keys)), when))


def counted(w: Walk, owner: Value, key: Value, v: Value, accumulate: bool) -> None:
    """`d[key] += v` for a dict."""
    if isinstance(owner, Dict) and not w.forward_depth:
        k = key_of(w, key)
        s = w.stores.setdefault(id(table_of(w, owner)), Store(None, number(0)))
        _note(w, s, [k] if k is not None else [], v, accumulate)


def stored(w: Walk, owner: Dict, key: Value, v: Value) -> None:
    """`d[key] = v`: where v is what stood there and some more, it is a count."""
    t = of(w, v)
    old = [p for p in t.parts if p.op == "cell"] if t is not None and t.op == "+" else []
    more = [p for p in t.parts if p.op == "num"] if t is not None else []
    k = key_of(w, key)
    same = k is not None and len(old) == len(more) == 1 and old[0].args[1:] == split((k,))
    if same and not w.forward_depth and old[0].parts[0].args[0] == id(owner):
        counted(w, owner, key, Const(more[0].args[0]), True)
        return
    if not w.forward_depth:
        counted(w, owner, key, v, False)


def spoilt(w: Walk, target: Data) -> None:
    """Something was taken away from an array, or its entries were replaced."""
    s = w.stores.get(id(target.root))
    if s is not None:
        s.writes.add("set")


def changed(w: Walk, target: Data, op: ast.operator, v: Value) -> None:
    """`x op= v` on a whole array."""
    t = of(w, target)
    s = w.stores.get(id(target.root))
    if s is not None and t is not None and t.op == "store":
        more = isinstance(v, Data) and v.tag == "histogram" and isinstance(op, ast.Add)
        s.writes.add("add" if more else "set")
        s.adds.append(((), id(v)))
        return
    if t is not None or target.root.term is not None:
        target.root.term = False
        target.term = (make(BINARY.get(type(op), "f"), t, leaf(w, v)) if t is not None else None) or False
