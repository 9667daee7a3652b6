"""Keys that are searched, in order or one by one: they are a table, and it took in what is in it."""

from __future__ import annotations

import ast

from auditor.source import assign, mixing, tokens
from auditor.source.labels import Mark
from auditor.source.library import containers
from auditor.source.tokens import TOKENISH
from auditor.source.values import NONE, Args, Const, Data, Kw, Seq, Value, all_labels, labels
from auditor.source.walk import Walk


def found(w: Walk, keys: Value, wanted: Value) -> Data:
    """Where a key stands among others, or how often: a count under that key."""
    held = w.val_reads(labels(keys))
    if not held or mixing.tag_of(keys) not in TOKENISH or not w.val_reads(labels(wanted)):
        return Data(labels(keys) | labels(wanted))
    if all(r.base for r in w.marks.reads(w.val_reads(labels(wanted)))):
        for r in w.marks.reads(
            held
        ):  # nobody knows where the wanted tokens stand, so not whether these stand before them
            held &= ~w.read(r) if r.start is not None and not r.base else -1
    m = w.marks.mask
    root = keys.root if isinstance(keys, Data) else keys
    own = labels(keys) & ~(m[Mark.READ] | m[Mark.TURN])
    if held:
        own |= assign.table_update(w, root, held, "keys")
    return tokens.table_lookup(w, Data(own, tag="table"), own, wanted, root)


def searched(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`searchsorted(keys, x)`, `bucketize(x, keys)`, `bisect_left(keys, x)`."""
    if len(a) < 2:
        return Data(all_labels(a, k))
    return found(w, a[1], a[0]) if p.endswith("bucketize") else found(w, a[0], a[1])


def put_in_order(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`insort(keys, x)`."""
    if len(a) > 1 and isinstance(a[0], Seq):
        return containers.method(w, a[0], "append", [a[1]], {}, n)
    return NONE


def in_order(w: Walk, v: Value) -> Data:
    """Keys that were sorted are still keys; single tokens are, too, from then on."""
    tag = mixing.tag_of(v)
    return Data(labels(v), tag="mixed" if tag == "tokens" else tag if tag in TOKENISH else "")


def ordered(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`numpy.sort(x)`; of a tensor, also where the values stood."""
    v = a[0] if a else NONE
    if isinstance(v, Const):
        return Data(all_labels(a, k))
    return in_order(w, v) if p.startswith("numpy.") else Seq([in_order(w, v), Data(labels(v))], "tuple")


FUNCTIONS = {
    **{f"bisect.{name}": searched for name in ("bisect", "bisect_left", "bisect_right")},
    **{f"bisect.{name}": put_in_order for name in ("insort", "insort_left", "insort_right")},
}
