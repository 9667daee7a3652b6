"""Assignments: to names, attributes and items, and what writing into shared state means."""

from __future__ import annotations

import ast

from auditor.source import attributes, calls, expressions, loops, mixing, operators, subscripts, tokens
from auditor.source.labels import Mark, Read
from auditor.source.library import buffers
from auditor.source.sights import answers, cuts, keys, losses, predictions, prefix
from auditor.source.sights.ending import CALIBRATED
from auditor.source.terms import build, stores
from auditor.source.tokens import moved, number
from auditor.source.values import (
    NAME,
    NONE,
    Alt,
    Bound,
    Cls,
    Const,
    Data,
    Dict,
    Frame,
    Func,
    Holder,
    Inst,
    Lib,
    LibObj,
    ModuleValue,
    Native,
    Seq,
    Value,
    View,
    copied_from,
    join,
    labels,
)
from auditor.source.walk import Site, Walk, Written
from rules.events import Means, Scope, Sight


def assign(w: Walk, target: ast.expr, v: Value, f: Frame) -> None:
    """Bind a value to a target."""
    if isinstance(target, ast.Name):
        set_name(f, target.id, v)
    elif isinstance(target, (ast.Tuple, ast.List)):
        unpack(w, target, v, f)
    elif isinstance(target, ast.Attribute):
        owner = expressions.evaluate(w, target.value, f)
        w.site = w.here(target, f)
        set_attribute(w, owner, target.attr, v)
    elif isinstance(target, ast.Subscript):
        owner = expressions.evaluate(w, target.value, f)
        key = expressions.index(w, target.slice, f)
        w.site = w.here(target, f)
        set_item(w, owner, key, v, accumulate=False)
    elif isinstance(target, ast.Starred):
        assign(w, target.value, v, f)


def set_name(f: Frame, name: str, v: Value) -> None:
    if f.global_names:
        if name in f.global_names:
            f.top.frame.locals[name] = v
            return
        if f"^{name}" in f.global_names:
            p = f.parent
            while p is not None:
                if name in p.locals:
                    p.locals[name] = v
                    return
                p = p.parent
    f.locals[name] = v


def unpack(w: Walk, target: ast.Tuple | ast.List, v: Value, f: Frame) -> None:
    items = parts(w, v, len(target.elts))
    star = next((i for i, t in enumerate(target.elts) if isinstance(t, ast.Starred)), -1)
    for i, t in enumerate(target.elts):
        if i == star:
            rest = len(target.elts) - 1 - star
            middle = items[star : len(items) - rest] if len(items) >= len(target.elts) - 1 else []
            assign(w, t, Seq(list(middle), more=not middle), f)
        else:
            at = i if star < 0 or i < star else i - len(target.elts)
            assign(w, t, items[at] if -len(items) <= at < len(items) else Data(labels(v)), f)


def parts(w: Walk, v: Value, count: int) -> list[Value]:
    """The values that unpacking into `count` targets gives."""
    if isinstance(v, Seq):
        if len(v.items) >= count or not v.more:
            return [loops.marked(i, v.lab) for i in v.items]
        joined = v.items[-1] if v.items else Data(v.lab)
        return [*v.items, *[joined] * (count - len(v.items))]
    if isinstance(v, Const) and isinstance(v.v, (tuple, str, range, bytes)):
        return [Const(i, v.lab) for i in v.v[:1000]]
    if isinstance(v, Alt):
        columns = [parts(w, x, count) for x in v.values if not (isinstance(x, Const) and x.v is None)]
        columns = [c for c in columns if len(c) >= count]
        if columns:
            out: list[Value] = []
            for i in range(count):
                one: Value | None = None
                for c in columns:
                    one = join(one, c[i])
                out.append(one or NONE)
            return out
    if isinstance(v, Dict):
        return [Const(k, v.lab) for k in list(v.items)[:count]]
    if isinstance(v, Inst) and v.cls.fields:
        return [v.attrs.get(name, NONE) for name, _ in v.cls.fields]
    made: list[Value] = []
    for _ in range(count):
        d = Data(labels(v), base=v if isinstance(v, Data) else None, tag=v.tag if isinstance(v, Data) else "")
        d.sym = w.symbol()
        made.append(d)
    return made


def set_attribute(w: Walk, owner: Value, name: str, v: Value) -> None:
    if isinstance(owner, Inst):
        put = attributes.class_lookup(owner.cls, name)
        if isinstance(put, Func) and "@set" in put.kw_defaults:  # a property with a setter
            calls.call(w, put.kw_defaults["@set"], [owner, v], {}, None)
            return
        if isinstance(put, Inst) and (method := attributes.find_method(put, "__set__")) is not None:
            calls.call(w, method, [owner, v], {}, None)
            return
        v = _in_branch(w, owner, name, v)
        if labels(v) & w.marks.mask[Mark.ARGUMENT]:
            w.stored.append((owner, name, owner.attrs.get(name)))
        owner.attrs[name] = v
        if owner.is_module and isinstance(v, Inst) and v.holder is None and owner.holder is not None and v.is_module:
            v.holder = owner.holder
        if w.val_reads(labels(v)):
            w.version += 1
            w.learned += 1
    elif isinstance(owner, Cls):
        owner.attrs[name] = v
    elif isinstance(owner, ModuleValue):
        owner.frame.locals[name] = v
    elif isinstance(owner, Data):
        _set_on_data(w, owner, name, v)
    elif isinstance(owner, LibObj):
        if name in ("weight", "bias") and owner.holder is not None:
            write_parameters(w, owner.holder, taken_over(w, v), w.site, strong=copied_from(v) is owner.holder)
            if isinstance(v, Data) and v.holder is None:
                return
        owner.attrs[name] = v
    elif isinstance(owner, Lib):
        if isinstance(v, (Func, Bound, Native)):
            full = f"{owner.path}.{name}"
            w.patched[full] = join(w.patched.get(full, Lib(full)), v) if w.guards else v
    elif isinstance(owner, Alt):
        for x in owner.values:
            set_attribute(w, x, name, v)


def _in_branch(w: Walk, owner: Inst, name: str, v: Value) -> Value:
    """What an attribute holds after a write for all that anybody knows; inside the branch at hand it is what was written.

    A write in a branch inside another changes what the outer branch holds, not what stood before both.
    """
    key = owner.number, name
    held = owner.attrs.get(name)
    here = attributes.as_written(w, owner, name, held) if key in w.branched and held is not None else held
    outer = w.branched.get(key)
    guards = frozenset(w.guards)
    if outer is not None and (outer.branch == guards or isinstance(here, Const)):
        guards, before, outer = outer.branch, outer.before, outer.outer
    elif here is None or not guards or isinstance(here, Const):
        w.branched.pop(key, None)
        return v
    else:
        before = here
    if w.summarising:
        w.branched.pop(key, None)
        return join(before, v)
    w.branched[key] = Written(guards, v, before, outer)
    either: Value = join(before, v)
    while outer is not None:
        either, outer = join(outer.before, either), outer.outer
    return either


def _set_on_data(w: Walk, owner: Data, name: str, v: Value) -> None:
    root = owner.root
    if name == "data":
        if root.holder is not None:
            write_parameters(w, root.holder, labels(v), w.site, strong=copied_from(v) is root.holder)
        else:
            root.lab |= labels(v)
    elif name == "grad":
        if root.holder is not None:
            root.holder.grad = labels(v) & ~w.marks.mask[Mark.PARAMETER]
    elif name == "requires_grad" and isinstance(v, Const) and v.v:
        make_trainable(w, owner)


def make_trainable(w: Walk, d: Data) -> None:
    """A tensor whose gradient is wanted becomes a parameter of its own."""
    if d.root.holder is None:
        h = w.holder("tensor", d.site or w.site)
        h.adapted = True
        h.shared = is_shared(d)
        d.root.holder = h


def is_shared(d: Data) -> bool:
    """Whether one set of values serves a whole batch: its first extent is 1 and it has several."""
    return d.shape is not None and len(d.shape) > 1 and d.shape[0] == 1


def write_parameters(
    w: Walk, h: Holder, marks: int, site: Site, *, strong: bool = False, gradient: bool = False
) -> None:
    """Numbers are written into parameters. New knowledge of validation tokens makes it an update."""
    fresh = w.val_reads(marks) | w.score_marks(marks)
    if marks & w.marks.mask[Mark.WEIGHTS]:
        w.restored.add(h.number)
    if not gradient and marks & (w.marks.mask[Mark.GENERATED] | w.marks.mask[Mark.READ]):
        w.note(CALIBRATED, site, marks, "after" if w.trained_once else "")
    old = marks & w.marks.mask[Mark.UPDATE]
    other = marks & w.marks.mask[Mark.ENVIRONMENT]
    if fresh:
        by_gradient = gradient or marks & w.marks.mask[Mark.GRADIENT]
        means = (
            Means.BY_HAND
            if by_gradient
            else Means.CHOICE
            if w.score_marks(marks) and not w.val_reads(marks)
            else Means.STORE
        )
        if means is Means.STORE and marks & w.marks.mask[Mark.ACTIVATION]:
            means = Means.CALIBRATION
        u = w.update(site, means, scope_of(w, h), h.name, marks, tuple(h.grad_sites), shared=h.shared)
        h.lab = (_beside(w, h.lab) if strong else h.lab) | u | old | other
    elif strong:
        left = _beside(w, h.lab) | old | other
        if h.lab != left:
            w.version += 1
            w.learned += 1
        h.lab = left
    elif h.lab | old != h.lab:
        w.version += 1
        w.learned += 1
        h.lab |= old
    if w.train_reads(marks):
        h.trained = True


def _beside(w: Walk, marks: int) -> int:
    """What stays of the marks of parameters that are written anew here: what was not learned under the same conditions."""
    if not w.guards:
        return 0
    here = frozenset(w.guards)
    for n in w.marks.numbers(marks, Mark.UPDATE):
        around = frozenset(w.updates[n].guards)
        if here <= around.union(*(w.implied.get(g, ()) for g in around)):
            marks &= ~w.marks.make(Mark.UPDATE, n)
    return marks


def scope_of(w: Walk, h: Holder) -> Scope:
    if h.trained or (not h.adapted and not h.born):
        return Scope.MODEL if h.trained or not h.adapted else Scope.ADAPTER
    around = {loop for loop, _ in w.turns}  # an adapter made for each layer in turn is made in a loop, too
    return Scope.WINDOW if any(loop in around for loop, _ in h.born) else Scope.ADAPTER


def set_item(w: Walk, owner: Value, key: Value, v: Value, *, accumulate: bool) -> None:
    """`owner[key] = v`, or `owner[key] += v` when `accumulate`."""
    if isinstance(owner, Dict):
        if not accumulate:
            stores.stored(w, owner, key, v)
        set_in_dict(w, owner, key, v)
    elif isinstance(owner, Seq):
        if (
            isinstance(key, Const)
            and type(key.v) is int
            and -len(owner.items) <= key.v < len(owner.items)
            and not owner.more
        ):
            owner.items[key.v] = v
        else:
            lab = w.val_reads(labels(key))
            if lab:
                owner.lab |= table_update(w, owner, lab | labels(v), "list")
            elif isinstance(v, Data):
                owner.lab |= labels(v)
                if owner.items and all(isinstance(i, Const) and i.v is None for i in owner.items):
                    owner.items = [v]  # places that were set aside, and filled in a loop
            else:
                add_item(owner, v)
    elif isinstance(owner, Data):
        write(w, owner, labels(v), index=key, accumulate=accumulate, value=v)
        if not accumulate and isinstance(key, Seq):
            buffers.copied(owner, v, whole=subscripts.is_whole(key))
    elif isinstance(owner, LibObj):
        if owner.path == attributes.REGISTRY:
            set_registered(w, owner.attrs["@owner"], v)
        elif owner.path == "os.environ" and isinstance(key, Const):
            w.env[str(key.v)] = v
        elif isinstance(key, Const) and isinstance(key.v, str):
            owner.attrs[key.v] = v
        else:
            owner.lab |= (
                labels(v) | table_update(w, owner, w.val_reads(labels(key)) | labels(v), owner.path)
                if w.val_reads(labels(key))
                else labels(v)
            )
    elif isinstance(owner, Inst):
        method = attributes.find_method(owner, "__setitem__")
        if method is not None:
            calls.call(w, method, [key, v], {}, None)
    elif isinstance(owner, Alt):
        for x in owner.values:
            set_item(w, x, key, v, accumulate=accumulate)


def set_registered(w: Walk, owner: Value, v: Value) -> None:
    """`module._parameters[name] = v`."""
    h = owner.holder if isinstance(owner, (Inst, LibObj)) else None
    if h is not None:
        write_parameters(w, h, taken_over(w, v) & ~w.marks.mask[Mark.PARAMETER], w.site)


def taken_over(w: Walk, v: Value) -> int:
    """The marks of a parameter that takes the place of a model's own: what it was made of, the model now knows."""
    marks = labels(v)
    for n in w.marks.numbers(marks, Mark.UPDATE):
        u = w.updates[n]
        if u.scope is Scope.MODEL or not isinstance(v, Data) or v.root.holder is None or u.site != w.site:
            continue
        marks = marks & ~w.marks.make(Mark.UPDATE, n) | u.marks | u.scored
        if u.means is Means.BY_HAND:
            marks |= w.marks.make(Mark.GRADIENT, 0)
    return marks


def add_item(s: Seq, v: Value) -> None:
    """Append; a long list keeps its first two and its last item."""
    if len(s.items) < 64:
        s.items.append(v)
    else:
        s.items[-1] = v
        s.more = True


def set_in_dict(w: Walk, d: Dict, key: Value, v: Value) -> None:
    reads = w.val_reads(labels(key))
    if reads and _by_token(key):
        d.key_lab |= table_update(w, d, reads | labels(v), "dict")
        d.rest = join(d.rest, _without_reads(w, v)) if not isinstance(v, Const) else d.rest or Data()
        return
    k = constant_key(key)
    if k is not NO_KEY and len(d.items) < 400:
        d.items[k] = join(d.items[k], v) if w.guards and k in d.items and not isinstance(v, Const) else v
    else:
        d.rest = join(d.rest, v)
        d.key_lab |= labels(key) & ~w.marks.mask[Mark.TURN]
        if isinstance(key, Data) and key.tag == NAME and copied_from(v) is not None:
            d.named = frozenset(w.guards) & (d.named if d.named is not None else frozenset(w.guards))


NO_KEY = object()


def constant_key(key: Value) -> object:
    if isinstance(key, Const):
        try:
            hash(key.v)
        except TypeError:
            return NO_KEY
        return key.v
    if isinstance(key, Seq) and key.kind == "tuple" and all(isinstance(i, Const) for i in key.items):
        return tuple(i.v for i in key.items)  # type: ignore[attr-defined]
    if isinstance(key, (Inst, LibObj, Cls)):
        return id(key)
    if isinstance(key, Data) and key.root.holder is not None:
        return id(key.root)
    return NO_KEY


def _without_reads(w: Walk, v: Value) -> Value:
    if isinstance(v, Data):
        return Data(labels(v) & ~w.marks.mask[Mark.READ], tag=v.tag)
    return v


def table_update(w: Walk, owner: Value, marks: int, name: str) -> int:
    """A table took validation tokens in; returns the UPDATE mark."""
    table = owner.root if isinstance(owner, Data) else owner.base if isinstance(owner, View) else owner
    key = ("table", table, w.site, marks & w.marks.mask[Mark.READ], tuple(w.turns), tuple(w.guards))
    found = w.derived.get(key)
    if found is None:
        bit = w.update(w.site, Means.TABLE, Scope.TABLE, name, marks)
        w.derived[key] = bit
        return bit
    return found


def stale(w: Walk, marks: int) -> int:
    """READ marks of tokens that an earlier turn of a loop around here had chosen."""
    now = dict(w.turns)
    out = 0
    m = marks & w.marks.mask[Mark.READ]
    while m:
        low = m & -m
        r = w.marks.of[low.bit_length() - 1][1]
        if isinstance(r, Read) and any(loop in now and now[loop] != k for loop, k in r.turns):
            out |= low
        m ^= low
    return out


def write(
    w: Walk,
    target: Data,
    marks: int,
    *,
    index: Value | None = None,
    accumulate: bool = False,
    value: Value | None = None,
    amount: Value | None = None,
    site: Site | None = None,
) -> None:
    """Write into a tensor or array in place. `index` says where, `accumulate` that the old content counts on.

    `amount` is what is written, where it is no `value` of interest by itself.
    """
    root = target.root
    at = site or w.site
    if root.holder is not None:
        if accumulate and w.guards and not w.val_reads(marks) | w.score_marks(marks):
            marks |= losses.asked(w)  # done or not done because of a loss
        write_parameters(w, root.holder, marks, at, strong=value is not None and copied_from(value) is root.holder)
        return
    w.levels.pop(id(root), None)
    if index is not None or not accumulate:
        stores.written(w, target, index, value if value is not None else amount, accumulate)
    where = labels(index) if index is not None else 0
    table = w.val_reads(where) if index is not None and _by_token(index) else 0
    if table and id(root) in w.passing and marks & w.marks.mask[Mark.PARAMETER]:
        marks, table = marks | where, 0  # what a layer gives each token of its input, such as the weights of a pointer
    kept = marks | where & w.marks.mask[Mark.STORED]
    for loop, k in w.turns:  # a turn writes over what the turn before had chosen
        bits = w.marks.loop_mask.get(loop, 0)
        if root.lab & bits:
            root.lab &= ~bits | w.marks.make(Mark.TURN, (loop, k))
    cuts.hidden(w, root, index, value)
    if index is not None and losses.decided(w, root.lab, where):
        root.lab = losses.cut(w, root.lab, losses.CAPPED)
        return
    made = marks & w.marks.mask[Mark.PARAMETER] and root.born == tuple(w.turns) and root.site is not None
    if made and table & w.val_reads(marks):  # a model's own context decides where, too, as the neighbours of a state do
        root.lab |= table & marks
        table &= ~marks
    if table:
        counted = (
            marks & ~w.marks.mask[Mark.READ] if made else marks
        )  # what a model says of its context stays in the turn
        bit = table_update(w, target, table | counted, "table")
        if root.site is not None and root.born == tuple(w.turns):  # a row of this turn knows how its place was found
            root.lab |= where & (w.marks.mask[Mark.ANSWER] | w.marks.mask[Mark.SOUGHT] | w.marks.mask[Mark.LOOKUP])
        root.lab |= bit | (kept & ~w.marks.mask[Mark.READ] & ~w.marks.mask[Mark.SCORE])
        root.tag = root.tag if root.tag not in ("", "tokens") else "table"
        return
    if isinstance(index, (Const, Data)) and marks & w.marks.mask[Mark.UPDATE] and not table:
        predictions.stored(w, number(w, index), root, marks)
    if id(root) in w.unfilled:
        w.unfilled[id(root)] |= where
        if id(root) not in w.knows:
            kept &= ~prefix.ahead_of(w, index, kept)
    if root.site is None or root.born == tuple(w.turns):
        kept |= where & w.marks.mask[Mark.UPDATE]  # a row of this turn knows what chose the place
    found = where & w.marks.mask[Mark.LOOKUP]
    if found:  # where something is written depends on what a table holds
        kept |= found
        if isinstance(value, Data) and w.score_marks(kept):
            keys.gated(w, w.score_marks(kept), found)
    if isinstance(index, Data) and isinstance(value, Data) and (bits := answers.lifted(w, index, value, target)):
        root.lab = root.lab & ~w.score_marks(root.lab) | bits
        kept &= ~w.score_marks(kept)
    if (
        isinstance(value, Const)
        and value.v == 0
        and isinstance(index, Data)
        and root.tag == "nll"
        and w.score_marks(root.lab)
    ):
        scores = w.score_marks(root.lab)
        root.lab = root.lab & ~scores | answers.dropped(w, scores, index)
    root.pure = ""
    if not accumulate:
        root.lab &= ~stale(w, root.lab)
        if index is None or subscripts.is_whole(index):
            root.lab = 0
    if index is not None and isinstance(value, Const) and value.v and not kept:
        root.parts = tokens.edges(w, index) or root.parts  # a mask that is set from or up to a place
    root.lab |= moved(w, kept, index, -1) if isinstance(value, Data) and value.tag == "hash" else kept
    if w.train_reads(where):
        root.lab |= w.train_reads(where)
        root.tag = root.tag or "table"
    if isinstance(value, Data) and value.tag == "histogram" and w.val_reads(kept):
        root.lab = (root.lab & ~w.val_reads(kept)) | table_update(w, target, kept, "table")
        root.tag = root.tag or "table"
        return
    if (
        isinstance(value, Const)
        and isinstance(index, Seq)
        and index.kind == "tuple"
        and isinstance(index.items[-1], Const)
    ):
        mixing.constant_expert(w, root, value)
    if (
        isinstance(value, Data)
        and value.tag == "entropy"
        and w.score_marks(root.lab)
        and root.tag in ("nll", "target probability")
    ):
        w.see(
            Sight.ENTROPY_EXPERT,
            at,
            "the entropy of the model stands among the losses of the experts",
            w.score_marks(root.lab),
        )
    if (
        isinstance(value, Data)
        and value.tag in ("nll", "total", "entropy", "tokens", "hash", "target probability")
        and not root.tag
    ):
        root.tag = value.tag
    if w.val_reads(kept) or w.score_marks(kept):
        w.version += 1


def _by_token(index: Value) -> bool:
    """Whether an index is made of token values (and not of positions)."""
    if isinstance(index, Data):
        return index.tag in ("tokens", "hash", "mixed") or index.tok is not None
    if isinstance(index, Seq):
        return any(_by_token(i) for i in index.items)
    return False


def augment(w: Walk, n: ast.AugAssign, f: Frame) -> None:
    """`x += v` and its like."""
    v = mixing.kept(w, expressions.evaluate(w, n.value, f))
    if isinstance(n.op, ast.Add):
        v = losses.summed(w, v)
    w.site = w.here(n, f)
    build.scored(w, "+=", [v])
    t = n.target
    if isinstance(t, ast.Subscript):
        owner = expressions.evaluate(w, t.value, f)
        key = expressions.index(w, t.slice, f)
        w.site = w.here(n, f)
        if isinstance(owner, Data):
            if isinstance(n.op, ast.Mult) and owner.tag == "nll" and mixing.tag_of(v) == "hit":
                root = owner.root
                scores = w.score_marks(root.lab)
                root.lab = root.lab & ~scores | answers.dropped(w, scores, v)
            write(w, owner, labels(v), index=key, accumulate=True, value=v)
            if not isinstance(n.op, ast.Add):
                stores.spoilt(w, owner)
            return
        stores.counted(w, owner, key, v, isinstance(n.op, ast.Add))
        old = subscripts.item(w, owner, key, n)
        if isinstance(old, Data) and (old.root.site is not None or old.root.holder is not None):
            in_place(w, old, v, n.op)
            return
        new = operators.binary(w, n.op, old, v, n, f)
        set_item(w, owner, key, new, accumulate=True)
        return
    if isinstance(t, ast.Attribute):
        owner = expressions.evaluate(w, t.value, f)
        old = attributes.get(w, owner, t.attr, n)
        w.site = w.here(n, f)
        if isinstance(old, Data) and old.root.site is not None:
            in_place(w, old, v, n.op)
            return
        new = operators.binary(w, n.op, old, v, n, f)
        if w.turns and isinstance(new, (Const, Data)) and not w.score_marks(labels(new)):
            loop, k = w.turns[-1]
            bit = w.marks.make(Mark.TURN, (loop, k))
            new = Data((labels(new) & ~w.marks.loop_mask[loop]) | bit, tag=new.tag if isinstance(new, Data) else "")
            new.sym = w.symbol()
        set_attribute(w, owner, t.attr, new)
        return
    if isinstance(t, ast.Name):
        old = expressions.evaluate(w, ast.copy_location(ast.Name(t.id, ast.Load()), t), f)
        w.site = w.here(n, f)
        if isinstance(old, Data) and (old.root.site is not None or old.root.holder is not None):
            in_place(w, old, v, n.op)
            return
        if isinstance(old, Seq) and isinstance(n.op, ast.Add):
            for x in v.items if isinstance(v, Seq) else [v]:
                add_item(old, x)
            old.more = old.more or (isinstance(v, Seq) and v.more)
            return
        set_name(f, t.id, operators.binary(w, n.op, old, v, n, f))


def in_place(w: Walk, old: Data, v: Value, op: ast.operator) -> None:
    """An in-place operation on a tensor. Losses that are subtracted or multiplied in teach a weight."""
    marks = labels(v)
    root = old.root
    stores.changed(w, old, op, v)
    learns = (
        isinstance(op, (ast.Sub, ast.Mult, ast.Div))
        and root.holder is None
        and w.score_marks(marks)
        and not w.score_marks(root.lab)
        and not (
            isinstance(op, ast.Sub) and root.shape == () and mixing.tag_of(v) == "total"
        )  # a sum of log-probabilities
    )
    if learns:
        bit = w.update(w.site, Means.WEIGHTS, Scope.TABLE, "weights", marks)
        root.lab |= bit | (marks & w.marks.mask[Mark.UPDATE])
        return
    if isinstance(op, (ast.Add, ast.Sub)) and w.score_marks(marks):
        marks = mixing.settled(w, marks)
    tag = mixing.combine(w, op, Data(tag=root.tag), Data(tag=mixing.tag_of(v))).tag if root.holder is None else ""
    write(w, old, marks, accumulate=True, value=v)
    if tag in ("hash", "mixed"):
        root.tag = tag
        w.hashed_at.setdefault(w.val_reads(root.lab), w.site)
