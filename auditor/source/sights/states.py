"""What a model knows at the end of a window, and whether it is handed back to the window's beginning.

A recurrence gives, beside an output for each position, the state after the last one. The next window may
begin with it. The same window may not: a block that is run again on the same positions, from the state that
it ended with, knows at the first position what came later. The same holds for a mean over the window, or its
last value, that is added at all positions. Such values carry a `STATE` mark. Where one meets values of single
positions, the marks tell whether these are of the same window: they hold nothing that the state has not seen.
Cutting a window (`PIECE` marks) makes another one of each part, so a state that goes from part to part is fine.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from auditor.source.labels import Mark
from auditor.source.sights import predictions
from auditor.source.values import Args, Const, Data, Dict, Frame, Kw, LibObj, Seq, Value, labels
from auditor.unpack.parse import walk
from rules.events import Sight

if TYPE_CHECKING:
    from auditor.source.walk import Site, Walk

RECURRENT = ("GRU", "LSTM", "RNN")
_ENDS = ("output_final_state", "return_final_state", "return_final_states", "return_last_state", "return_state")
_BACK = "what the model knows at the end of a window goes back to the beginning of the same window"
_ROUND = "what is computed over all positions of a window goes into each of them"
SURE, LIKE = "state", "statistic"  # given as the last state; a value that seems to be taken over the positions


def window(w: Walk, lab: int) -> int:
    """The marks that tell one window, or a part of it, from another."""
    m = w.marks.mask
    return lab & (m[Mark.READ] | m[Mark.ARGUMENT] | m[Mark.PIECE])


def ended(w: Walk, lab: int, kind: str = SURE) -> int:
    """The mark of a value that has seen a window up to its end; none where no tokens are in it."""
    m = w.marks.mask
    if not w.forward_depth or not lab & (m[Mark.READ] | m[Mark.ARGUMENT]):
        return 0
    return w.marks.make(Mark.STATE, kind)


def piece(w: Walk, out: Value, node: ast.Subscript) -> Value:
    """A part of a window: another one at each place of the code and, unless its bounds are fixed, in each turn."""
    if not isinstance(out, Data) or not w.forward_depth or out.base is None or not window(w, labels(out)):
        return out
    fixed = not any(isinstance(x, ast.Name) for x in walk(node.slice))
    out.lab |= w.marks.make(Mark.PIECE, (id(node), () if fixed else tuple(w.turns[w.forward_turns :])))
    return out


def pieces(w: Walk, items: list[Value], site: Site) -> list[Value]:
    """What `chunk` and its like give: parts that are known by their place in the list."""
    out: list[Value] = []
    for i, v in enumerate(items):
        d = v
        if isinstance(v, Data) and w.forward_depth and window(w, labels(v)):
            d = Data(v.lab | w.marks.make(Mark.PIECE, (site, i)), base=v.base, tag=v.tag, tok=v.tok)
        out.append(d)
    return out


def met(w: Walk, values: list[Value], *, kinds: tuple[str, ...] = (SURE, LIKE)) -> int:
    """The marks for what is made of these values, if one is the end of a window of which another is a position."""
    states, others = 0, []
    bits = w.marks.mask[Mark.STATE]
    for v in values:
        lab = labels(v)
        if lab & bits:
            states |= lab
        elif window(w, lab):
            others.append(lab)
    found = [k for k in w.marks.each(states, Mark.STATE) if k in kinds]
    if not found:
        return 0
    for lab in others:
        m = w.marks.mask
        if lab & (m[Mark.READ] | m[Mark.ARGUMENT]) and not window(w, lab) & ~states:
            sure = SURE in found
            return predictions.leak(w, Sight.NON_CAUSAL, _BACK if sure else _ROUND, sure=sure)
    return 0


def called(w: Walk, values: list[Value], out: Value, kinds: tuple[str, ...] = (SURE,)) -> Value:
    """The result of a library's function of several values."""
    bits = w.marks.mask[Mark.STATE]
    if not bits or not w.forward_depth:
        return out
    extra = met(w, _flat(values), kinds=kinds)
    return _with(w, out, extra) if extra else out


def recurrence(w: Walk, values: list[Value], out: Seq) -> Seq:
    """The outputs of a recurrence: one for each position, and the state after the last as the last of them."""
    bits = w.marks.mask[Mark.STATE]
    extra = met(w, _flat(values), kinds=(SURE,)) if bits else 0
    items = [_with(w, i, extra) for i in out.items]
    lab = labels(items[-1])
    items[-1] = Data(lab | ended(w, lab), tag="activations")
    return Seq(items, out.kind, out.more, (out.lab & ~bits) | extra)


def _with(w: Walk, v: Value, extra: int) -> Value:
    if isinstance(v, Seq):
        return Seq([_with(w, i, extra) for i in v.items], v.kind, v.more, v.lab)
    if isinstance(v, Data):
        d = Data((labels(v) & ~w.marks.mask[Mark.STATE]) | extra, tag=v.tag)
        d.parts, d.shape = v.parts, v.shape
        return d
    return v


def _flat(values: list[Value]) -> list[Value]:
    out: list[Value] = []
    for v in values:
        out += v.items if isinstance(v, Seq) else list(v.items.values()) if isinstance(v, Dict) else [v]
    return out


def unknown_call(w: Walk, args: Args, kw: Kw, out: Value) -> Value:
    """The result of a function of a library that nobody described, which may be a recurrence."""
    final = any(isinstance(v := kw.get(name), Const) and bool(v.v) for name in _ENDS)
    if final and w.forward_depth and isinstance(out, Data):
        return recurrence(w, [*args, *kw.values()], Seq([out, Data(labels(out))], "tuple"))
    return called(w, [*args, *kw.values()], out)


def combined(w: Walk, op: ast.operator, a: Value, b: Value, out: Data) -> None:
    """Arithmetic of two values inside a model."""
    bits = w.marks.mask[Mark.STATE]
    if not w.forward_depth or not bits or not out.lab & bits:
        return
    extra = met(w, [a, b], kinds=(SURE,)) if isinstance(op, ast.MatMult) else met(w, [a, b])
    if extra:
        out.lab = (out.lab & ~bits) | extra


def last_position(w: Walk, owner: Data, key: Value) -> int:
    """The mark of `h[:, -1]`, the value at the last position."""
    if (
        owner.tag == "activations"
        and owner.root.site is None
        and isinstance(key, Seq)
        and key.kind == "tuple"
        and len(key.items) == 2
        and _everything(key.items[0])
        and isinstance(key.items[1], Const)
        and key.items[1].v == -1
    ):
        return ended(w, labels(owner), LIKE)
    return 0


def _everything(v: Value) -> bool:
    return isinstance(v, Seq) and v.kind == "slice" and all(isinstance(i, Const) and i.v is None for i in v.items)


def over_time(w: Walk, owner: Value, a: Args, k: Kw) -> int:
    """The mark of a statistic over the second extent of activations, which is time behind the batch."""
    dim = a[0] if a else k.get("dim", k.get("axis"))
    if (
        isinstance(owner, Data)
        and owner.tag == "activations"
        and owner.root.site is None
        and isinstance(dim, Const)
        and dim.v == 1
        and type(dim.v) is int
    ):
        return ended(w, labels(owner), LIKE)
    return 0


class Passes:
    """One run of a loop over positions: which names come in with what an earlier run of the loop ended with."""

    def __init__(self, w: Walk, source: Value, f: Frame, names: tuple[str, ...]) -> None:
        self.w, self.f = w, f
        stop = source.attrs.get("stop") if isinstance(source, LibObj) and source.path == "range" else None
        self.turn = (-1, 0)
        self.on = bool(w.forward_depth) and isinstance(stop, Data) and stop.tag == "shape"
        self.names = names
        self.came: dict[str, int] = {}
        self.before: dict[str, Value] = {}
        if not self.on:
            return
        bits = w.marks.mask[Mark.STATE]
        for name in names:
            v = f.locals.get(name)
            if not isinstance(v, (Data, Const)):
                continue
            self.before[name] = v
            if isinstance(v, Data) and labels(v) & bits:
                self.came[name] = labels(v)
                f.locals[name] = Data(labels(v) & ~bits, tag=v.tag)

    def first_turn(self) -> None:
        """After the first turn: did what came in meet the first positions of the window that it comes from?"""
        for name, was in self.came.items():
            now = self.f.locals.get(name)
            if now is None:
                continue
            cut = 0
            for p in self.w.marks.each(labels(now), Mark.PIECE):
                if _turned(p, *self.turn):
                    cut |= self.w.marks.make(Mark.PIECE, p)
            if cut and not window(self.w, labels(now)) & ~was & ~cut:
                extra = predictions.leak(self.w, Sight.NON_CAUSAL, _BACK)
                self.f.locals[name] = Data(labels(now) | extra, tag=now.tag if isinstance(now, Data) else "")

    def end(self) -> None:
        """After the last turn: what was carried from turn to turn knows the end of the window."""
        if not self.on:
            return
        loop = self.turn[0]
        for name, was in self.before.items():
            now = self.f.locals.get(name)
            if not isinstance(now, Data) or now is was:
                continue
            if any(_turned(p, loop, k) for p in self.w.marks.each(labels(now), Mark.PIECE) for k in (1, 2)):
                now = Data(labels(now), tag=now.tag)
                now.lab |= ended(self.w, now.lab)
                self.f.locals[name] = now


def _turned(p: object, loop: int, k: int) -> bool:
    """Whether a piece was cut in this turn of a loop."""
    return isinstance(p, tuple) and isinstance(p[1], tuple) and (loop, k) in p[1]
