"""Copies: `copy.deepcopy` and `dataclasses.replace` keep the marks and share nothing."""

from __future__ import annotations

from typing import Any

from auditor.source import attributes
from auditor.source.labels import Mark
from auditor.source.library import tensors
from auditor.source.sights import artifact
from auditor.source.values import (
    NONE,
    Alt,
    Args,
    Data,
    Dict,
    Holder,
    Inst,
    Kw,
    LibObj,
    Seq,
    Value,
    all_labels,
    copied_from,
    labels,
)
from auditor.source.walk import Walk


def _replaced(a: Args, k: Kw) -> Value:
    if a and isinstance(a[0], Inst):
        o = Inst(a[0].cls, a[0].number)
        o.attrs = {**a[0].attrs, **k}
        return o
    return Data(all_labels(a, k))


def _copied(w: Walk, v: Value, done: dict[int, Any]) -> Value:
    """A deep copy: the same marks, nothing shared. `done` holds the copies of values and of holders by identity."""
    made = done.get(id(v))
    if isinstance(made, Value):
        return made
    if isinstance(v, Data):
        d = Data(labels(v) & ~w.marks.mask[Mark.PARAMETER], tag=v.tag, tok=v.tok, text=v.text)
        d.site, d.born = w.site, tuple(w.turns)
        d.snapshot = v.root.holder or copied_from(v)
        if v.root.holder is not None and v.root is v:
            p = attributes.parameter(w, _copied_holder(w, v.root.holder, done))
            done[id(v)] = p
            return p
        done[id(v)] = d
        return d
    if isinstance(v, Seq):
        s = Seq([], v.kind, v.more, v.lab)
        s.site, s.born, s.length = w.site, tuple(w.turns), v.length
        done[id(v)] = s
        s.items = [_copied(w, i, done) for i in v.items]
        return s
    if isinstance(v, Dict):
        c = Dict({}, None, v.lab)
        c.key_lab, c.default = v.key_lab, v.default
        done[id(v)] = c
        snapshot = v.items.get("@snapshot")
        c.items = {k: _copied(w, i, done) if snapshot is None else i for k, i in v.items.items()}
        c.rest = tensors.snapshot(w, v.rest) if v.rest is not None else None
        return c
    if isinstance(v, Inst):
        w.objects += 1
        o = Inst(v.cls, w.objects)
        o.is_module, o.is_optimizer, o.lab, o.hooks = v.is_module, v.is_optimizer, v.lab, list(v.hooks)
        done[id(v)] = o
        if v.holder is not None:
            o.holder = _copied_holder(w, v.holder, done)
        o.attrs = {k: _copied(w, x, done) for k, x in v.attrs.items()}
        return o
    if isinstance(v, LibObj):
        lo = LibObj(v.path, v.lab)
        done[id(v)] = lo
        lo.holder = _copied_holder(w, v.holder, done) if v.holder is not None else None
        lo.attrs = {k: _copied(w, x, done) for k, x in v.attrs.items()}
        lo.holders = v.holders
        return lo
    if isinstance(v, Alt):
        return Alt([_copied(w, x, done) for x in v.values])
    return v


def _copied_holder(w: Walk, h: Holder, done: dict[int, Any]) -> Holder:
    found = done.get(id(h))
    if isinstance(found, Holder):
        return found
    new = w.holder(h.name, w.site)
    new.lab = h.lab
    artifact.copied(w, h, new)
    new.trained, new.adapted = h.trained, h.adapted
    done[id(h)] = new
    return new


FUNCTIONS = {
    "dataclasses.replace": lambda w, p, a, k, n: _replaced(a, k),
    "copy.copy": lambda w, p, a, k, n: _copied(w, a[0], {}) if a else NONE,
    "copy.deepcopy": lambda w, p, a, k, n: _copied(w, a[0], {}) if a else NONE,
}
