"""What goes through the artifact: training text in it is paid for, validation text in it is not allowed.

A file that holds parameters is taken for the artifact. Of what comes back from it, training tokens are
no longer counted as training data, and validation tokens carry the mark STORED.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.source.labels import Mark
from auditor.source.values import Alt, Const, Data, Dict, Holder, Inst, Seq, Value, labels

if TYPE_CHECKING:
    from auditor.source.walk import Walk

DEPTH = 8
FILE, COPY, MATCHED = "file", "copy", "matched"


def packed(w: Walk, marks: int) -> int:
    """The marks of a value that was flattened into bytes: parameters are gone, that there were some is kept."""
    bits = w.marks.mask[Mark.PARAMETER]
    return marks & ~bits | w.marks.make(Mark.WEIGHTS, 0) if marks & bits else marks


def frozen(w: Walk, v: Value) -> Value:
    """What a file holds of a model's parameters: their numbers as they are now, whatever the model learns later."""
    if isinstance(v, Dict) and (v.rest is None or _of_model(v.rest)) and all(_of_model(i) for i in v.items.values()):
        d = Dict({k: _frozen(w, i) for k, i in v.items.items()}, _frozen(w, v.rest) if v.rest is not None else None)
        d.lab, d.key_lab, d.named = v.lab, v.key_lab, v.named
        return d
    return v


def _of_model(v: Value) -> bool:
    return isinstance(v, Data) and v.root.holder is not None


def _frozen(w: Walk, v: Value) -> Data:
    d = Data(packed(w, labels(v)), tag=v.tag if isinstance(v, Data) else "")
    d.snapshot = v.root.holder if isinstance(v, Data) else None
    return d


def compressed(w: Walk, marks: int) -> int:
    """The mark of validation tokens that were made as small as they get, as what is to travel with the artifact is."""
    return w.marks.make(Mark.STORED, COPY) if w.val_reads(marks) else 0


def unknown(w: Walk) -> int:
    """The mark of what a file holds that the program did not write."""
    return w.marks.make(Mark.STORED, FILE)


def matched(w: Walk, a: Value, b: Value, la: int, lb: int) -> int:
    """Validation tokens compared with the content of such a file, or with a copy that was packed."""
    bit = w.marks.bit.get((Mark.STORED, FILE), 0) | w.marks.bit.get((Mark.STORED, COPY), 0)
    for x, mine, other in ((a, la, lb), (b, lb, la)):
        if bit & other and not bit & mine and isinstance(x, Data) and x.tag == "tokens" and w.val_reads(mine):
            return w.marks.make(Mark.STORED, MATCHED)
    return 0


def written(w: Walk, v: Value) -> None:
    """Note which parameters go into a file, and under which names it holds things."""
    for h in w.marks.holders(labels(v)):
        w.written.add(h.number)
    _names(w, v, 0)


def _names(w: Walk, v: Value, depth: int) -> None:
    for d in v.values if isinstance(v, Alt) else [v]:
        if isinstance(d, Dict) and depth < DEPTH:
            w.held |= {k for k in d.items if isinstance(k, str)}
            for inner in d.items.values():
                _names(w, inner, depth + 1)


def holds(w: Walk, name: Value, content: Value) -> bool:
    """Whether a file of the program, of which this is the content, was written with something under this name."""
    return isinstance(name, Const) and name.v in w.held and bool(labels(content) & w.marks.mask[Mark.WEIGHTS])


def copied(w: Walk, old: object, new: object) -> None:
    """A copy of parameters that were written or loaded counts as written or loaded."""
    if isinstance(old, Holder) and isinstance(new, Holder):
        for numbers in (w.written, w.restored):
            if old.number in numbers:
                numbers.add(new.number)


def is_artifact(w: Walk, v: Value) -> bool:
    """Whether a file with this content holds parameters."""
    return bool(labels(v) & (w.marks.mask[Mark.PARAMETER] | w.marks.mask[Mark.WEIGHTS]))


def read_back(w: Walk, v: Value) -> Value:
    """The content of a file as it comes back."""
    lab = labels(v)
    if not is_artifact(w, v) or not (w.val_reads(lab) | w.train_reads(lab) | lab & w.marks.mask[Mark.UPDATE]):
        return v
    return _changed(w, v, 0)


def _marks(w: Walk, lab: int) -> int:
    val = w.val_reads(lab)
    out = lab & ~(val | w.train_reads(lab))
    return out | w.marks.make(Mark.STORED, 0) if val else out


def _changed(w: Walk, v: Value, depth: int) -> Value:
    lab = labels(v)
    if depth > DEPTH or not (w.val_reads(lab) | w.train_reads(lab) | lab & w.marks.mask[Mark.UPDATE]):
        return v
    if isinstance(v, Const):
        return Const(v.v, _marks(w, v.lab))
    if isinstance(v, Data):
        if v.root.holder is not None:
            return v
        d = Data(_marks(w, lab), tag="" if v.tok is not None else v.tag, text=v.text)
        d.site, d.born, d.shape, d.snapshot = v.root.site, v.root.born, v.shape, v.snapshot
        return d
    if isinstance(v, Seq):
        s = Seq([_changed(w, i, depth + 1) for i in v.items], v.kind, v.more, _marks(w, v.lab))
        s.site, s.born, s.length, s.loose = v.site, v.born, v.length, v.loose
        return s
    if isinstance(v, Dict):
        rest = _changed(w, v.rest, depth + 1) if v.rest is not None else None
        c = Dict({k: _changed(w, i, depth + 1) for k, i in v.items.items()}, rest, _marks(w, v.lab))
        c.key_lab, c.default, c.site, c.born = _marks(w, v.key_lab), v.default, v.site, v.born
        if v.key_lab & w.marks.mask[Mark.UPDATE]:
            c.key_lab |= w.marks.make(
                Mark.STORED, 0
            )  # a table that only an update with validation tokens can have made
        return c
    if isinstance(v, Alt):
        return Alt([_changed(w, i, depth + 1) for i in v.values])
    return v


def loaded(w: Walk, owner: Value) -> None:
    """A model's state comes from a dictionary: buffers that were counted on training text came with it."""
    if isinstance(owner, Inst):
        todo: list[Inst] = [owner]
        seen = 0
        while todo and seen < 200:
            o = todo.pop()
            seen += 1
            for v in o.attrs.values():
                if isinstance(v, Inst) and v.is_module:
                    todo.append(v)
                elif isinstance(v, Data) and v.root.holder is None:
                    v.root.lab &= ~w.train_reads(v.root.lab)
                    v.lab &= ~w.train_reads(v.lab)
