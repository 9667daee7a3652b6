"""Methods of lists, dicts, sets, queues and lists of modules."""

from __future__ import annotations

import ast

from auditor.source import assign, calls, expressions, loops, subscripts, tokens
from auditor.source.labels import Mark
from auditor.source.library import iteration, layers, search, statistics
from auditor.source.sights import losses, prefix
from auditor.source.values import NONE, Args, Const, Data, Dict, Kw, Seq, Value, join, labels
from auditor.source.walk import Walk


def method(w: Walk, owner: Seq | Dict, name: str, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    return _seq(w, owner, name, args, kw, n) if isinstance(owner, Seq) else _dict(w, owner, name, args, kw, n)


def _seq(w: Walk, s: Seq, name: str, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    if name in ("append", "add", "appendleft", "put", "put_nowait", "insert", "push"):
        if args:
            v = losses.summed(w, args[-1])
            if w.conditions:
                turned = 0
                for c in w.conditions:
                    turned |= c
                v = loops.marked(v, turned, w)
            if isinstance(v, Data) and name == "append" and (before := prefix.ahead_of(w, None, labels(v))):
                v = Data(labels(v) & ~before, tag=v.tag)
            if w.val_reads(labels(v)) or w.score_marks(labels(v)):
                w.version += 1
            assign.add_item(s, v)
            if w.turns and {t[0] for t in w.turns} - {t[0] for t in s.born}:
                s.more = True
                base = s
                while base.base is not None:
                    base = base.base
                base.loose = True
        return NONE
    if name in ("extend", "update", "extendleft", "union", "union_update"):
        for a in args:
            items, more = loops.sample(w, a)
            for i in items:
                assign.add_item(s, i)
            s.more = s.more or more
        return s if name == "union" else NONE
    if name in ("pop", "popleft", "get", "get_nowait"):
        if s.items:
            at = args[0] if args else None
            place = at.v if isinstance(at, Const) and isinstance(at.v, int) else (0 if name != "pop" else -1)
            if not s.more and -len(s.items) <= place < len(s.items):
                return s.items.pop(place)
            return s.items[place] if -len(s.items) <= place < len(s.items) else s.items[-1]
        return Data(s.lab)
    if name == "send" and s.again is not None and args and len(w.sent) < 3:
        w.sent.append(args[0])
        answer = s.again()  # walked with what was sent, it hands back what it makes of that
        w.sent.pop()
        return answer.items[-1] if isinstance(answer, Seq) and answer.items else Data(s.lab)
    if name == "sort" and "key" in kw:
        s.lab |= iteration.judged(w, s.items, kw, n)
    if name == "clear":
        s.items[:] = []
        s.more, s.lab = False, 0
        return NONE
    if name in ("copy", "__iter__", "tolist", "to", "union", "difference", "intersection"):
        return Seq(list(s.items), s.kind, s.more, s.lab)
    if name in ("train", "eval"):
        statistics.set_mode(w, s, Const(name == "train"))
    if name in ("sort", "reverse", "remove", "discard", "train", "eval", "zero_grad", "requires_grad_"):
        return s if name in ("train", "eval", "requires_grad_") else NONE
    if name in ("index", "count"):
        if name == "count" and args and w.val_reads(labels(s)):
            return search.found(w, s, args[0])
        known = [i.v for i in s.items if isinstance(i, Const)]
        if args and isinstance(args[0], Const) and not s.more and len(known) == len(s.items):
            try:
                return Const(known.index(args[0].v) if name == "index" else known.count(args[0].v))
            except ValueError:
                return Data()
        return Data(labels(s))
    if name in (
        "parameters",
        "named_parameters",
        "modules",
        "named_modules",
        "children",
        "buffers",
        "named_buffers",
        "state_dict",
        "named_children",
    ):
        return layers.module_method(w, s, name, args, kw, n)
    if name == "__len__":
        return length(s)
    if name == "item":
        return Data(labels(s))
    if name in ("forward", "__call__"):
        out: Value = args[0] if args else NONE
        for m in s.items:
            out = calls.call(w, m, [out], {}, n)
        return out
    lab = labels(s)
    for a in args:
        lab |= labels(a)
    return Data(lab)


def length(s: Seq) -> Value:
    if s.length is not None:
        return Const(s.length)
    if not s.more:
        return Const(len(s.items))
    return Data(s.lab)


def _dict(w: Walk, d: Dict, name: str, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    node = n or ast.Constant(None)
    if name == "items":
        out: list[Value] = [
            Seq([Const(k, d.lab | d.key_lab) if _plain(k) else Data(d.key_lab), v], "tuple")
            for k, v in list(d.items.items())[:64]
        ]
        if d.rest is not None:
            out.append(Seq([Data(d.lab | d.key_lab, text="{}"), d.rest], "tuple"))
        return Seq(out, "list", d.rest is not None, d.lab)
    if name == "keys":
        keys: list[Value] = [Const(k, d.lab | d.key_lab) if _plain(k) else Data(d.key_lab) for k in list(d.items)[:64]]
        if d.rest is not None:
            keys.append(Data(d.lab | d.key_lab))
        return Seq(keys, "list", d.rest is not None, d.lab)
    if name == "values":
        values = list(d.items.values())[:64] + ([d.rest] if d.rest is not None else [])
        return Seq(values, "list", d.rest is not None, d.lab | d.key_lab & w.marks.mask[Mark.UPDATE])
    if name in ("get", "pop", "setdefault"):
        if not args:
            return Data()
        k = assign.constant_key(args[0])
        if k is not assign.NO_KEY and k in d.items:
            return d.items.pop(k) if name == "pop" and not w.guards else d.items[k]
        default = args[1] if len(args) > 1 else kw.get("default", NONE)
        if name == "setdefault":
            if k is assign.NO_KEY and w.val_reads(labels(args[0])):
                entry = tokens.table_lookup(w, d, labels(d), args[0])
                if (row := subscripts.row(w, d, default, entry)) is not None:
                    return row
            if k is not assign.NO_KEY or w.val_reads(labels(args[0])):
                assign.set_in_dict(w, d, args[0], default)
            return default
        if d.rest is not None or d.key_lab or k is assign.NO_KEY:
            found = subscripts.item(w, d, args[0], node)
            if isinstance(found, Data) and not isinstance(default, Const):
                return join(found, default)
            return found if not (isinstance(default, Const) and default.v is None) else _maybe(found)
        return default
    if name == "update":
        for a in args:
            reads = w.val_reads(labels(a))
            if isinstance(a, Seq) and reads:
                d.key_lab |= assign.table_update(w, d, reads, "counter")
                d.rest = d.rest or Data()
            else:
                expressions.merge_dict(d, a)
        d.items.update(kw)
        return NONE
    if name in ("copy", "to"):
        c = Dict(dict(d.items), d.rest, d.lab)
        c.key_lab, c.default = d.key_lab, d.default
        return c
    if name == "clear":
        d.items, d.rest, d.lab, d.key_lab = {}, None, 0, 0
        return NONE
    if name in ("most_common", "elements", "total"):
        return Data(labels(d))
    if name == "move_to_end":
        return NONE
    if name in ("parameters", "named_parameters", "state_dict", "modules"):
        return layers.module_method(w, d, name, args, kw, n)
    return Data(labels(d))


def _plain(k: object) -> bool:
    return isinstance(k, (str, int, float, bytes, tuple, bool)) or k is None


def _maybe(v: Value) -> Value:
    if isinstance(v, Data) and not v.tag:
        v.tag = "maybe none"
    return v
