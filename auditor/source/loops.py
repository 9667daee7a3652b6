"""Loops are walked for a few of their turns: the first, the second where it is cheap, and the last.

What a turn chooses carries the turn's mark, so that the same line read in two turns gives tokens that
are known to differ, while a line whose value no loop variable touches reads the same tokens again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from auditor.source import assign, calls, expressions, statements, tokens
from auditor.source.labels import Mark, Read
from auditor.source.sights import branches, coverage, prefix, states
from auditor.source.values import Alt, Const, Data, Dict, Frame, Inst, Item, LibObj, Seq, Value, labels
from auditor.source.walk import Walk
from auditor.unpack.parse import walk

FEW = 3
_assigned: dict[int, tuple[ast.AST, tuple[str, ...]]] = {}


def run_for(w: Walk, n: ast.For, f: Frame) -> str | None:
    source = expressions.evaluate(w, n.iter, f)
    loop = w.loop(n, w.here(n, f))
    coverage.over(w, source, loop)
    names = carried(n)
    entry = {k: f.locals[k] for k in names if k in f.locals}
    first, signal = True, None
    passes = states.Passes(w, source, f, names)
    for k, item in turns(w, source, loop):
        with w.turn(loop, k) as bit:
            passes.turn = (loop, k)
            if w.forward_depth:
                bit = 0  # layers and heads choose no tokens
            _renew(w, f, entry, bit, loop, widen=not first)
            prefix.turn(w, loop, k, item)
            assign.assign(w, n.target, marked(item, bit, w, loop), f)
            signal = statements.block(w, n.body, f)
        if signal in ("return", "raise"):
            w.went(n, True, f)
            return signal
        if first:
            passes.first_turn()
        first = False
        if signal == "break":
            break
    passes.end()
    w.went(n, not first, f)
    if n.orelse and signal != "break":
        return statements.block(w, n.orelse, f)
    return None


def run_while(w: Walk, n: ast.While, f: Frame) -> str | None:
    loop = w.loop(n, w.here(n, f))
    names = carried(n)
    before: dict[str, Value] = {}
    for k in (0, 1):
        entry = {name: f.locals[name] for name in names if name in f.locals}
        counted = _last_turn(w, n, f, before) if k else {}
        before = entry
        with w.turn(loop, k) as bit:
            _renew(w, f, entry, bit, loop, widen=k > 0, numbers=True)
            for name, value in counted.items():
                f.locals[name] = Const(value, bit)
            test = expressions.evaluate(w, n.test, f)
            branches.while_test(w, n, labels(test), f)
            known = expressions.decide(w, test)
            w.went(n, known if isinstance(test, Const) else None, f)
            if known is False:
                return None
            signal = statements.block(w, n.body, f)
        if signal in ("return", "raise"):
            return signal
        if signal == "break":
            return None
    return statements.block(w, n.orelse, f) if n.orelse else None


def _last_turn(w: Walk, n: ast.While, f: Frame, before: dict[str, Value]) -> dict[str, int]:
    """The counters of `while i < limit` as they are in the last turn, where step and limit are known."""
    t = n.test
    if not (
        isinstance(t, ast.Compare)
        and len(t.ops) == 1
        and isinstance(t.ops[0], (ast.Lt, ast.LtE, ast.NotEq))
        and isinstance(t.left, ast.Name)
    ):
        return {}
    limit = expressions.evaluate(w, t.comparators[0], f)
    steps: dict[str, tuple[int, int]] = {}
    for name, was in before.items():
        now = f.locals.get(name)
        if (
            isinstance(was, Const)
            and isinstance(now, Const)
            and type(was.v) is int
            and type(now.v) is int
            and now.v > was.v
        ):
            steps[name] = (was.v, now.v - was.v)
    if t.left.id not in steps or not isinstance(limit, Const) or type(limit.v) is not int:
        return {}
    first, step = steps[t.left.id]
    turns_left = (
        (limit.v - first + step - 1) // step if not isinstance(t.ops[0], ast.LtE) else (limit.v - first) // step + 1
    )
    if turns_left <= 1:  # the first turn was the only one: the test says so by itself
        return {name: a + s for name, (a, s) in steps.items()}
    return {name: a + s * (turns_left - 1) for name, (a, s) in steps.items()}


def carried(n: ast.For | ast.While) -> tuple[str, ...]:
    """The names that the body of a loop assigns, in an order that is the same in every run."""
    found = _assigned.get(id(n))
    if found is not None and found[0] is n:
        return found[1]
    names = {s.id for b in n.body for s in walk(b) if isinstance(s, ast.Name) and isinstance(s.ctx, ast.Store)}
    if len(_assigned) > 20_000:
        _assigned.clear()
    _assigned[id(n)] = (n, tuple(sorted(names)))
    return _assigned[id(n)][1]


def _renew(
    w: Walk, f: Frame, entry: dict[str, Value], bit: int, loop: int, *, widen: bool, numbers: bool = False
) -> None:
    """Mark what a turn takes over from the turn before; numbers that grow are no longer known."""
    old = w.marks.loop_mask.get(loop, 0)
    for name, was in entry.items():
        v = f.locals.get(name)
        if v is None:
            continue
        if isinstance(v, Const):
            if type(v.v) not in (int, float):
                continue
            if widen and (numbers or not (isinstance(was, Const) and was.v == v.v)):
                d = Data((v.lab & ~old) | bit)
                d.sym = w.symbol()
                f.locals[name] = d
            elif numbers:
                f.locals[name] = Const(v.v, (v.lab & ~old) | bit)
        elif isinstance(v, Data) and numbers and v.base is None and v.holder is None and v.site is None and not v.tok:
            d = Data((v.lab & ~old) | bit, tag=v.tag)
            d.sym = w.symbol()
            f.locals[name] = d
        elif isinstance(v, Data) and widen and v is not was and _counter(w, v):
            d = Data((v.lab & ~old) | bit)  # what the turn before counted up to: this turn goes on from there
            d.sym, d.off = v.sym, v.off
            f.locals[name] = d


def _counter(w: Walk, v: Data) -> bool:
    """Whether a value may be a number that is counted up, and neither tokens nor what is made of them."""
    plain = v.base is None and v.holder is None and v.site is None and v.tok is None and not v.tag
    return plain and not v.text and v.snapshot is None and not w.score_marks(v.lab) and not w.val_reads(v.lab)


def chosen(count: int, w: Walk) -> list[int]:
    if count <= 2:
        return list(range(count))
    if w.forward_depth or w.building:
        return [0, count - 1]
    if len(w.turns) < 2:
        return [0, 1, count - 1] if count > FEW else list(range(count))
    return [0, count - 1]


def turns(w: Walk, source: Value, loop: int) -> Iterator[tuple[int, Value]]:
    """The turns to walk: (number of the turn, the item). Numbers are 0, 1, 2 in the order walked."""
    items, _ = sample(w, source)
    yield from enumerate(items)


def sample(w: Walk, source: Value) -> tuple[list[Value], bool]:
    """A few items of an iterable, and whether it holds more."""
    if isinstance(source, Seq):
        items, more = source.items, source.more
        pick = chosen(len(items), w) if not (more and len(items) == 1) else [0, 0]
        if len(items) <= 6 and not more and source.kind in ("tuple", "list") and not (w.forward_depth or w.building):
            pick = list(range(len(items)))  # written out in the code: each may be another thing
        if source.kind == "kinds" or (items and all(isinstance(i, LibObj) and i.path == "hook" for i in items)):
            pick = list(range(len(items)))
        lab = source.lab
        chosen_items = [items[i] for i in pick]
        if source.inexact:
            chosen_items = [loosened(w, v) for v in chosen_items]
        return [marked(v, lab) for v in chosen_items], more or len(pick) < len(items)
    if isinstance(source, Const) and isinstance(source.v, (str, tuple, bytes, range, frozenset)):
        seq = list(source.v)[:100_000] if not isinstance(source.v, range) else source.v
        pick = chosen(len(seq), w)
        values: list[Value] = [Const(seq[i], source.lab) for i in pick]
        return values, len(pick) < len(seq)
    if isinstance(source, Dict):
        keys: list[Value] = [Const(k, source.lab | source.key_lab) for k in list(source.items)[:200]]
        pick = chosen(len(keys), w)
        out = [keys[i] for i in pick]
        if source.rest is not None:
            out.append(Data(source.lab | source.key_lab))
        return out, source.rest is not None
    if isinstance(source, LibObj) and source.path == "range":
        start = source.attrs["start"]
        stop = source.attrs["stop"]
        second = Data(labels(start) | labels(stop) | source.lab)
        second.sym = w.symbol()
        first = start if isinstance(start, (Const, Data)) else Data(labels(start))
        return [_with(first, source.lab | labels(stop)), second], True
    if isinstance(source, Alt):
        found = [sample(w, v) for v in source.values if not (isinstance(v, Const) and v.v is None)]
        if found:
            best = max(found, key=lambda p: len(p[0]))
            return best[0], True
        return [], False
    if isinstance(source, Const) and source.v is None:
        return [], False
    if isinstance(source, Inst):
        return calls.iterate_object(w, source)
    if isinstance(source, Data) and source.tok is not None:
        count = 3 if len(w.turns) < 2 else 2
        some: list[Value] = [tokens.item_of(w, source, k) for k in range(count)]
        last = tokens.last_of(w, source)
        return [*some, last] if last is not None else some, True
    lab = labels(source)
    out = []
    kind = Item if w.score_marks(lab) and isinstance(source, Data) and source.tag in tokens.AT_TARGET else Data
    for _ in range(2):
        d = kind(
            lab, base=source if isinstance(source, Data) else None, tag=source.tag if isinstance(source, Data) else ""
        )
        d.sym = w.symbol()
        out.append(d)
    return list(out), True


def loosened(w: Walk, v: Value) -> Value:
    """A number that stands for others of its kind is not known."""
    if isinstance(v, Const) and type(v.v) is int:
        d = Data(v.lab)
        d.sym = w.number(("stands for", id(v)))
        w.kept.append(v)
        return d
    if isinstance(v, Seq) and v.kind == "tuple":
        return Seq([loosened(w, i) for i in v.items], "tuple", v.more, v.lab)
    return v


def _with(v: Value, lab: int) -> Value:
    return marked(v, lab)


def marked(v: Value, lab: int, w: Walk | None = None, loop: int = -1) -> Value:
    """The same value with further marks. Objects keep their identity and take no marks."""
    if not lab:
        return v
    if isinstance(v, Const):
        return v if v.v is None or v.lab | lab == v.lab else Const(v.v, v.lab | lab)
    if isinstance(v, Data):
        if isinstance(v, Item) and w is not None and loop >= 0 and (picked := w.marks.turns(lab)):
            row = tokens.row(w, v, labels(v) | lab, Const(0), picked)
            row.term = v.term
            return row
        if w is not None and v.tok is not None and v.lab:
            return _turned(w, v, lab)
        d = Data(v.lab | lab, base=v, tag=v.tag, tok=v.tok, text=v.text)
        d.sym, d.off, d.shape, d.pure, d.term = v.sym, v.off, v.shape, v.pure, v.term
        return d
    if isinstance(v, Seq) and v.kind == "tuple":
        return Seq([marked(i, lab, w, loop) for i in v.items], v.kind, v.more, v.lab | lab)
    if isinstance(v, Alt):
        return Alt([marked(i, lab, w, loop) for i in v.values])
    if isinstance(v, Seq) and v.kind == "list":
        if v.site is None:
            return Seq([marked(i, lab, w, loop) for i in v.items], v.kind, v.more, v.lab | lab)
        view = Seq(v.items, v.kind, v.more, v.lab | lab)  # the same list: what is appended to one is in both
        view.site, view.born, view.length, view.base = v.site, v.born, v.length, v
        return view
    return v


def _turned(w: Walk, v: Data, bit: int) -> Data:
    """A run of tokens that was picked by a turn of a loop."""
    r = v.tok
    picked = w.marks.turns(bit)
    if not isinstance(r, Read) or {t[0] for t in picked} & {t[0] for t in r.turns}:
        return Data(v.lab | bit, base=v, tag=v.tag, tok=v.tok)
    new = Read(r.split, r.at, r.turns | picked, r.base, r.start, r.stop, r.parts, r.sidecar)
    return Data((v.lab & ~w.marks.mask[Mark.READ]) | w.read(new) | bit, tag=v.tag, tok=new)
