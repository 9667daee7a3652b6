"""Statistics that a model keeps of what passes through it, and the mode (`train`, `eval`) that moves them.

A batch normalisation in training mode takes the mean of the window at hand, and moves its running mean towards
it. So a pass over tokens without any gradient teaches the model all the same.
"""

from __future__ import annotations

from auditor.source import assign
from auditor.source.labels import Mark
from auditor.source.sights import predictions
from auditor.source.values import Const, Data, Dict, Inst, Kw, LibObj, Seq, Value
from auditor.source.walk import Walk
from rules.events import Means, Scope, Sight

MODE = "@training"
RUNNING = "@running"
MAX_PARTS = 2000
NAME = "running statistics"
_ALL = "a normalisation by the statistics of all positions of the window: a position sees later ones"
_MOVES = frozenset(["lerp_", "add_", "sub_", "mul_", "addcmul_", "addcdiv_"])  # the old content counts on


def set_mode(w: Walk, owner: Value, on: Value) -> None:
    """`owner.train(on)`: the mode of a model and of all its parts."""
    known = isinstance(on, Const) and not w.open_guards()
    mode: Value = Const(bool(on.v)) if known and isinstance(on, Const) else Data()
    seen: set[int] = set()
    todo = [owner]
    while todo and len(seen) < MAX_PARTS:
        v = todo.pop()
        if id(v) in seen:
            continue
        seen.add(id(v))
        if isinstance(v, Inst):
            if v.is_module:
                v.attrs[MODE] = mode
                todo += v.attrs.values()
        elif isinstance(v, LibObj):
            if v.path.startswith("torch.nn."):
                v.attrs[MODE] = mode
                todo += v.attrs.values()
        elif isinstance(v, Seq):
            todo += v.items
        elif isinstance(v, Dict):
            todo += [*v.items.values(), *([v.rest] if v.rest is not None else [])]


def made(o: LibObj, name: str, k: Kw) -> None:
    """Note of a layer whether it keeps running statistics."""
    if not name.startswith(("BatchNorm", "SyncBatchNorm", "InstanceNorm")):
        return
    track = k.get("track_running_stats")
    o.attrs[RUNNING] = track if track is not None else Const(not name.startswith("InstanceNorm"))


def is_kept(v: LibObj, path: str) -> bool:
    """Whether a layer is of the class that all batch normalisations come from."""
    return RUNNING in v.attrs and path.rsplit(".", 1)[-1] in ("_BatchNorm", "_NormBase")


def normalised(w: Walk, o: LibObj, lab: int) -> int:
    """Marks of the result of a normalisation over the batch; in training mode its running statistics move."""
    tracked = o.attrs.get(RUNNING)
    if not isinstance(tracked, Const):
        return 0
    mode = o.attrs.get(MODE)
    training = isinstance(mode, Const) and bool(mode.v)
    if tracked.v and not training:
        return 0
    if w.summarising:
        w.stored.append((o, "@moved", o.attrs.get("@moved")))  # not to be summarised: it wants the real tokens
    elif tracked.v and o.holder is not None and w.val_reads(lab):
        bit = w.update(w.site, Means.BY_HAND, assign.scope_of(w, o.holder), NAME, lab & w.marks.mask[Mark.READ])
        o.holder.lab |= bit
    return predictions.leak(w, Sight.NON_CAUSAL, _ALL, sure=False)


def registered(w: Walk, v: Value) -> None:
    """A buffer of a model: a tensor that is no parameter and is kept with them."""
    if isinstance(v, Data) and v.root.holder is None:
        w.buffers.add(id(v.root))
        w.kept.append(v.root)


def moved(w: Walk, target: Data, name: str, marks: int) -> bool:
    """A buffer of a model takes in, while the model runs, what it made of validation tokens: an update of it."""
    root = target.root
    reads = w.val_reads(marks)
    if name not in _MOVES or id(root) not in w.buffers or not w.forward_depth or not reads:
        return False
    if w.summarising:
        w.learned += 1  # not to be summarised: it wants the real tokens
        return False
    old = root.lab & w.marks.mask[Mark.UPDATE]
    root.lab |= w.update(w.site, Means.BY_HAND, Scope.MODEL, NAME, reads | old) | marks & w.marks.mask[Mark.UPDATE]
    return True
