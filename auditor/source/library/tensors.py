"""Functions of torch and numpy by name: which make tensors, which learn, and which only pass marks on."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable

from auditor.source import assign, calls, mixing, tokens
from auditor.source.labels import Mark, Read
from auditor.source.library import functions, iteration, memory, methods, operations, probabilities, search, workers
from auditor.source.sights import coverage, cuts, predictions
from auditor.source.terms import stores
from auditor.source.tokens import AT_TARGET, number
from auditor.source.values import (
    NONE,
    Alt,
    Args,
    Const,
    Data,
    Inst,
    Kw,
    Lib,
    LibObj,
    Native,
    Seq,
    Value,
    all_labels,
    copied_from,
    labels,
)
from auditor.source.walk import Walk
from rules.events import Means, Scope, Sight, Split

_COSTLY = frozenset(["factorial", "comb", "perm", "prod", "lcm", "sumprod"])  # small numbers can ask for hours of work


def count_of(w: Walk, d: Data) -> Value:
    """The number of items, known for a whole run of tokens."""
    r = d.tok
    if isinstance(r, Read) and r.base == 0 and r.start is not None and r.stop is not None:
        return Const(max(0, r.stop - r.start))
    if d.shape and d.shape[0] is not None:
        return Const(d.shape[0]) if len(d.shape) == 1 else Data()
    out = Data(labels(d) & (w.marks.mask[Mark.TURN] | w.marks.bit.get((Mark.STORED, 0), 0)))
    if isinstance(r, Read):
        out.sym = w.number(("count", r.base, r.start, r.stop))
    return out


# Functions by name.


def function(w: Walk, path: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`torch.f(…)`, `numpy.f(…)`, `torch.nn.functional.f(…)`, `math.f(…)`."""
    name = path.rsplit(".", 1)[-1]
    if "out" in k and isinstance(k["out"], Data):
        result = function(w, path, a, {key: v for key, v in k.items() if key != "out"}, n)
        memory.given_out(w, k["out"], result)
        return k["out"]
    handler = BY_NAME.get(name) if path != "torch.nn.functional.pad" else _pad
    if handler is not None:
        return handler(w, path, a, k, n)
    if name in operations.FRESH:
        return fresh(w, name, a, k)
    if path.startswith("math.") and a and name not in _COSTLY and all(isinstance(x, Const) for x in a):
        f = getattr(math, name, None)
        if callable(f):
            try:
                return Const(f(*(x.v for x in a)), all_labels(a, k))  # type: ignore[attr-defined]
            except Exception:
                return Data(all_labels(a, k))
    if name in (
        "device",
        "dtype",
        "Generator",
        "Event",
        "Stream",
        "manual_seed",
        "seed",
        "finfo",
        "iinfo",
        "set_float32_matmul_precision",
        "default_rng",
        "RandomState",
        "set_num_threads",
    ):
        return LibObj(path) if name[0].isupper() or name in ("default_rng",) else Data()
    if name in ("no_grad", "inference_mode"):
        if name == "inference_mode" and a and isinstance(a[0], Const) and a[0].v is False:
            return LibObj("context")
        if a and not isinstance(a[0], (Const, Data)):
            return a[0]
        return LibObj(f"torch.{name}")
    if name == "set_grad_enabled":
        off = a and isinstance(a[0], Const) and not a[0].v
        return LibObj("torch.set_grad_enabled:off" if off else "context")
    if name in ("autocast", "enable_grad", "record_function", "errstate", "fork_rng", "profile"):
        return LibObj("context")
    if name == "compile":
        return a[0] if a else LibObj("decorator")
    if name in ("is_available", "is_initialized"):
        return Const(True)
    if name == "functional_call" and a:
        return functional_call(w, a, k, n)
    if name in ("checkpoint",) and a:
        return calls.call(w, a[0], a[1:], {}, n)
    if (
        name in ("vmap", "grad", "value_and_grad", "grad_and_value", "jit", "njit", "jacrev", "jacfwd", "hessian")
        and "functional" not in path
        and a
        and not isinstance(a[0], Data)
    ):
        return _transformed(w, name, a, k)
    if name in ("vjp", "jvp", "linearize", "jacobian", "hessian", "vhp", "hvp") and a and not isinstance(a[0], Data):
        return _differentiated(w, path, a, k, n)
    if name in ("Tensor", "LongTensor", "FloatTensor", "ndarray"):
        return fresh(w, name, a, k)
    workers.callback(w, path, a, k, n)
    if name[:1].isupper():
        o = LibObj(path, all_labels(a, k))
        o.attrs.update({f"@{i}": v for i, v in enumerate(a)})
        return o
    if a and isinstance(a[0], (Data, Const, Seq, Alt)) and not path.startswith("math."):
        owner = a[0] if isinstance(a[0], Data) else Data(labels(a[0]), tag=mixing.tag_of(a[0]), tok=_one_tok(a[0]))
        return methods.method(w, owner, name, a[1:], k, n)
    return Data(all_labels(a, k), tag=mixing.tag_of(a[0]) if a and name in ("float", "int") else "")


def _one_tok(v: Value) -> object:
    if isinstance(v, Seq) and len(v.items) == 1 and isinstance(v.items[0], Data):
        return v.items[0].tok
    return None


def _transformed(w: Walk, name: str, a: Args, k: Kw) -> Value:
    fn = a[1] if isinstance(a[0], Inst) and len(a) > 1 else a[0]

    def run(w: Walk, args: Args, kw: Kw, node: ast.AST) -> Value:
        out = calls.call(w, fn, args, kw, node)
        if name in ("vmap", "jit", "njit"):
            return out
        g = Data(labels(out) | all_labels(args, kw) | w.marks.make(Mark.GRADIENT, 0), tag="gradient")
        return Seq([g, out], "tuple") if "value" in name else g

    return Native(run, name)


def _differentiated(w: Walk, path: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`torch.func.vjp(f, *primals)`, `torch.autograd.functional.vjp(f, inputs)`: f is called at once."""
    name = path.rsplit(".", 1)[-1]
    old = ".autograd." in path
    given = list(a[1].items) if old and len(a) > 1 and isinstance(a[1], Seq) else a[1:2] if old else a[1:]
    if name in ("jvp", "linearize") and not old:
        given = [x for v in given for x in (v.items if isinstance(v, Seq) else [v])]
    out = calls.call(w, a[0], given, {}, n)
    g = Data(labels(out) | all_labels(a[1:], k) | w.marks.make(Mark.GRADIENT, 0), tag="gradient")

    def pull(w: Walk, args: Args, kw: Kw, node: ast.AST) -> Value:
        return Seq([g], "tuple", True)

    if name in ("jacobian", "hessian"):
        return g
    return Seq([out, Native(pull, name) if name in ("vjp", "linearize") and not old else g], "tuple")


def functional_call(w: Walk, a: Args, k: Kw, n: ast.AST | None) -> Value:
    given = a[2] if len(a) > 2 else NONE
    rest = given.items if isinstance(given, Seq) else [given]
    out = calls.call(w, a[0], list(rest), {}, n)
    return add_marks(w, out, _stepped(w, labels(a[1])) if len(a) > 1 else 0)


def _stepped(w: Walk, marks: int) -> int:
    """The marks of parameters that are handed to a model; made with gradients, they are the result of a step."""
    m = w.marks.mask
    taken = w.val_reads(marks) | w.score_marks(marks)
    if not marks & m[Mark.GRADIENT] or not taken:
        return marks
    key = ("stepped", marks, w.site, tuple(w.turns), tuple(w.guards))
    if key not in w.derived:
        now, reads = set(w.turns), w.marks.reads(w.scored_reads(marks) | w.val_reads(marks))
        around = {loop for loop, _ in now}
        fresh = bool(reads) and all(
            {t for t in r.turns if t[0] in around} <= now and any(t in now for t in r.turns) for r in reads
        )
        scope = Scope.WINDOW if fresh else Scope.MODEL
        w.derived[key] = w.update(w.site, Means.BY_HAND, scope, "parameters", marks, parts=w.parts_of(marks))
    return marks & ~(m[Mark.SCORE] | m[Mark.READ] | m[Mark.GRADIENT]) | w.derived[key]


def add_marks(w: Walk, v: Value, marks: int) -> Value:
    """The same value depending on more. A score made meanwhile takes it as an input."""
    if isinstance(v, Data):
        scores = w.score_marks(labels(v))
        if scores and marks & (w.marks.mask[Mark.UPDATE] | w.marks.mask[Mark.READ]):
            new = w.derive(scores, marks & ~w.marks.mask[Mark.SCORE], w.site)
            return Data((labels(v) & ~scores) | new | (marks & w.marks.mask[Mark.PARAMETER]), tag=v.tag)
        return Data(labels(v) | marks, tag=v.tag)
    if isinstance(v, Seq):
        return Seq([add_marks(w, i, marks) for i in v.items], v.kind, v.more, v.lab)
    return v


def fresh(w: Walk, name: str, a: Args, k: Kw) -> Value:
    d = w.fresh(cuts.random(w, name))
    if name == "randint":
        d.lab |= coverage.drawn(w)
    if name in ("full", "full_like", "new_full") and len(a) > 1:
        d.lab = labels(a[1])
        filled(w, d, a[1])
        if isinstance(a[1], Const) and isinstance(a[1].v, (int, float)) and a[1].v < 0:
            w.unfilled[id(d)] = 0
            w.kept.append(d)
    if name in ("Tensor", "LongTensor", "FloatTensor", "new_tensor", "ndarray") and a:
        d.lab = labels(a[0])
        d.tag = mixing.tag_of(a[0])
    dims = a[0].items if a and isinstance(a[0], Seq) else a
    if not name.endswith("_like"):
        d.shape = tuple(x.v if isinstance(x, Const) and isinstance(x.v, int) else None for x in dims)
    if not w.forward_depth:
        stores.fresh(w, name, a, k, d)
    kind = k.get("dtype")
    if isinstance(kind, Lib) and kind.path.rsplit(".", 1)[-1] in ("bool", "bool_"):
        d.tag = "mask"
    want = k.get("requires_grad")
    if isinstance(want, Const) and want.v:
        assign.make_trainable(w, d)
    return d


def filled(w: Walk, d: Data, v: Value) -> None:
    """Remember of a tensor that it holds one known number at all places."""
    if isinstance(v, Const) and isinstance(v.v, (int, float)):
        w.levels[id(d)] = float(v.v)
        w.kept.append(d)


def _tensor(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`torch.tensor(x)`, `numpy.array(x)`: a copy."""
    if not a:
        return w.fresh()
    v = a[0]
    lab = labels(v)
    d = w.fresh(lab & ~w.marks.mask[Mark.PARAMETER], mixing.tag_of(v))
    if isinstance(v, Data):
        d.tok = v.tok
        d.sym, d.off = v.sym, v.off
        if v.tok is not None or v.root.site is not None:
            d.base = v if p.endswith(("from_numpy", "as_tensor", "asarray", "frombuffer")) else None
    filled(w, d, v)
    if isinstance(v, Seq):
        probabilities.look_for_entropy(w, v)
    want = k.get("requires_grad")
    if isinstance(want, Const) and want.v:
        assign.make_trainable(w, d)
    return d


def parameter(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if w.building:
        h = w.building[-1]
        if a and labels(a[0]) & (w.marks.mask[Mark.READ] | w.marks.mask[Mark.UPDATE]):
            h.lab |= labels(a[0]) & w.marks.mask[Mark.UPDATE]
        d = Data(holder=h)
        d.site = w.site
        return d
    d = w.fresh()
    if a and isinstance(a[0], Data):
        d.shape = a[0].shape
    h = w.holder("parameter", w.site)
    h.adapted = True
    h.shared = assign.is_shared(d)
    d.holder = h
    if a:
        h.lab |= labels(a[0]) & w.marks.mask[Mark.UPDATE]
        if w.val_reads(labels(a[0])) | w.score_marks(labels(a[0])):
            assign.write_parameters(w, h, labels(a[0]), w.site)
    return d


def _arange(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    d = w.fresh(all_labels(a, k), "positions")
    start = a[0] if len(a) > 1 else Const(0)
    at = number(w, start)
    if at is not None:
        d.sym, d.off = at[0] or tokens.zero(w), at[1]
    return d


def _sum(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    if isinstance(v, Seq):
        return iteration.total(w, p, a, k, n)
    tag = mixing.tag_of(v)
    if tag == "p log p":
        return Data(labels(v), tag="entropy")
    if tag in AT_TARGET and len(a) < 2 and not {"dim", "axis"} & set(k):
        return Data(labels(v), tag="total")
    d = Data(labels(v), tag=tag if tag in (*AT_TARGET, "entropy", "spread", "probabilities", "bytes") else "")
    d.pure = v.pure if isinstance(v, Data) and tag == "count" else ""
    return d


def _add_at(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if len(a) >= 2 and isinstance(a[0], Data):
        added = a[2] if len(a) > 2 else NONE
        assign.write(w, a[0], labels(added), index=a[1], accumulate=True, amount=added)
    return NONE


def _histogram(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    d = w.fresh(all_labels(a, k) & ~w.marks.mask[Mark.PARAMETER], "histogram")
    r = a[0].tok if a and isinstance(a[0], Data) else None
    if (
        isinstance(r, Read)
        and r.split is Split.VALIDATION
        and not r.base
        and (r.start or 0) <= cuts.HEADER
        and not r.turns
    ):
        d.lab |= predictions.leak(
            w, Sight.FUTURE_STATISTICS, "all tokens of the split are counted before they are scored"
        )
    if p.endswith("unique"):
        counts = k.get("return_counts")
        if counts is not None or "return_inverse" in k:
            u = Data(labels(a[0]) if a else 0, tag=mixing.tag_of(a[0]) if a else "")
            found: list[Value] = [u, d, d]
            return Seq(found[: 3 if len(k) > 1 else 2], "tuple")
        return Data(d.lab, tag=mixing.tag_of(a[0]) if a else "")
    return d


def _sampled(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return Data(all_labels(a, k) | w.marks.make(Mark.GENERATED, 0), tag="generated")


def _one_hot(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return Data(all_labels(a, k), tag="one hot")


def _embedding(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return Data(all_labels(a, k), tag="activations")


def _gradients(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    loss = labels(a[0]) if a else 0
    lab = loss & ~w.marks.mask[Mark.PARAMETER] | w.marks.make(Mark.GRADIENT, 0)
    functions.backward(w, loss, lab)
    params = a[1] if len(a) > 1 else k.get("inputs", NONE)
    if isinstance(params, Seq):
        return Seq([Data(lab, tag="gradient") for _ in params.items], "tuple", params.more)
    return Seq([Data(lab, tag="gradient")], "tuple", True)


def attention(w: Walk, path: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """Attention of any library: whether later positions are masked."""
    name = path.rsplit(".", 1)[-1]
    if "attn" not in name and "attention" not in name:
        return LibObj(path) if name[:1].isupper() else Data(all_labels(a, k))
    causal = k.get("is_causal", k.get("causal"))
    mask = k.get("attn_mask", k.get("mask"))
    mask = mask if mask is not None else (a[3] if len(a) > 3 and "scaled_dot" in name else None)
    window = k.get("window_size")
    open_ = causal is None or (isinstance(causal, Const) and not causal.v)
    masked = mask is not None and not (isinstance(mask, Const) and mask.v is None)
    windowed = (
        isinstance(window, Seq) and window.items and isinstance(window.items[-1], Const) and window.items[-1].v == 0
    )
    d = Data(all_labels(a, k), tag="activations")
    if open_ and not masked and not windowed and len(a) >= 3:
        d.lab |= predictions.attention(w, cuts.apart(w, a[0], a[1]))
    return d


def _identity(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return a[0] if a else NONE


def _roll(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    by = a[1] if len(a) > 1 else k.get("shifts", k.get("shift", NONE))
    ahead = isinstance(by, Const) and isinstance(by.v, int) and by.v < 0
    extra = (
        predictions.leak(w, Sight.NON_CAUSAL, "the value at the next position is brought to this one") if ahead else 0
    )
    if isinstance(v, Data) and v.tok is not None and isinstance(by, Const) and isinstance(by.v, int):
        r: Read = v.tok
        start = r.start - by.v if r.start is not None else None
        new = Read(r.split, r.at, r.turns, r.base, start, None, r.parts, r.sidecar)
        return tokens.narrow(w, v, new, extra if w.forward_depth else 0)
    return Data(all_labels(a, k) | extra, tag=mixing.tag_of(v))


def _pad(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    if not isinstance(v, Data):
        return Data(all_labels(a, k), tag=mixing.tag_of(v))
    out = methods.method(w, v, "pad", a[1:], k, n)
    if isinstance(out, Data):
        cuts.padded(w, v, a[1] if len(a) > 1 else k.get("pad", NONE), out)
    return out


def _permuted(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return w.fresh(all_labels(a, k) | w.marks.make(Mark.DRAWN, "order"))


Handler = Callable[[Walk, str, Args, Kw, "ast.AST | None"], Value]
BY_NAME: dict[str, Handler] = {
    "cross_entropy": probabilities.cross_entropy,
    "nll_loss": probabilities.cross_entropy,
    "linear_cross_entropy": probabilities.cross_entropy,
    "softmax": probabilities.softmax,
    "log_softmax": probabilities.softmax,
    "_log_softmax": probabilities.softmax,
    "_softmax": probabilities.softmax,
    "gather": lambda w, p, a, k, n: probabilities.gather(w, _data(a[0]), a[2] if len(a) > 2 else k.get("index", NONE)),
    "take_along_dim": lambda w, p, a, k, n: probabilities.gather(
        w, _data(a[0]), a[1] if len(a) > 1 else k.get("indices", NONE)
    ),
    "take_along_axis": lambda w, p, a, k, n: probabilities.gather(
        w, _data(a[0]), a[1] if len(a) > 1 else k.get("indices", NONE)
    ),
    "where": probabilities.where,
    "minimum": probabilities.least,
    "fmin": probabilities.least,
    "maximum": probabilities.least,
    "fmax": probabilities.least,
    "cat": probabilities.joined,
    "concat": probabilities.joined,
    "stack": probabilities.joined,
    "concatenate": probabilities.joined,
    "hstack": probabilities.joined,
    "vstack": probabilities.joined,
    "column_stack": probabilities.joined,
    "exp": probabilities.exp,
    "exp2": probabilities.exp,
    "log": probabilities.log,
    "log2": probabilities.log,
    "log1p": probabilities.log,
    "sum": _sum,
    "nansum": _sum,
    "logsumexp": probabilities.logsumexp,
    "logaddexp": probabilities.logsumexp,
    "tensor": _tensor,
    "array": _tensor,
    "from_numpy": _tensor,
    "as_tensor": _tensor,
    "asarray": _tensor,
    "frombuffer": _tensor,
    "arange": _arange,
    "randperm": _permuted,
    "permutation": _permuted,
    "at": _add_at,
    "sort": search.ordered,
    "searchsorted": search.searched,
    "bucketize": search.searched,
    "bincount": _histogram,
    "histc": _histogram,
    "unique": _histogram,
    "multinomial": _sampled,
    "one_hot": _one_hot,
    "embedding": _embedding,
    "Parameter": parameter,
    "scaled_dot_product_attention": attention,
    "flex_attention": _embedding,
    "roll": _roll,
    "bitwise_xor": lambda w, p, a, k, n: mixing.combine(w, ast.BitXor(), a[0], a[1]),
    "bitwise_and": lambda w, p, a, k, n: mixing.combine(w, ast.BitAnd(), a[0], a[1]),
    "remainder": lambda w, p, a, k, n: cuts.fraction(w, a[1], mixing.combine(w, ast.Mod(), a[0], a[1])),
    "fmod": lambda w, p, a, k, n: mixing.combine(w, ast.Mod(), a[0], a[1]),
    "multiply": lambda w, p, a, k, n: mixing.combine(w, ast.Mult(), a[0], a[1]),
    "mul": lambda w, p, a, k, n: mixing.combine(w, ast.Mult(), a[0], a[1]),
    "add": lambda w, p, a, k, n: mixing.combine(w, ast.Add(), a[0], a[1]),
    "sub": lambda w, p, a, k, n: mixing.combine(w, ast.Sub(), a[0], a[1]),
    "subtract": lambda w, p, a, k, n: mixing.combine(w, ast.Sub(), a[0], a[1]),
    "div": lambda w, p, a, k, n: mixing.combine(w, ast.Div(), a[0], a[1]),
    "divide": lambda w, p, a, k, n: mixing.combine(w, ast.Div(), a[0], a[1]),
    "true_divide": lambda w, p, a, k, n: mixing.combine(w, ast.Div(), a[0], a[1]),
    "eq": lambda w, p, a, k, n: mixing.compared(w, ast.Eq(), a[0], a[1]),
    "lt": lambda w, p, a, k, n: mixing.compared(w, ast.Lt(), a[0], a[1]),
    "gt": lambda w, p, a, k, n: mixing.compared(w, ast.Gt(), a[0], a[1]),
}


def _data(v: Value) -> Data:
    return v if isinstance(v, Data) else Data(labels(v), tag=mixing.tag_of(v))


FUNCTIONS: dict[str, Handler] = {
    "torch.autograd.grad": _gradients,
    "numpy.add.at": _add_at,
    "torch.nn.Parameter": parameter,
    "torch.nn.parameter.Parameter": parameter,
    "torch.nn.parallel.DistributedDataParallel": _identity,
    "torch.nn.DataParallel": _identity,
    "torch.jit.script": _identity,
    "torch.jit.trace": _identity,
    "torch.compile": lambda w, p, a, k, n: a[0] if a else LibObj("decorator"),
    "torch.get_default_dtype": lambda w, p, a, k, n: Data(),
    "torch.distributions.Categorical": lambda w, p, a, k, n: LibObj("distribution", all_labels(a, k)),
    "torch.special.entr": lambda w, p, a, k, n: Data(all_labels(a, k), tag="p log p"),
    "torch.nn.Buffer": lambda w, p, a, k, n: a[0] if a else NONE,
}


def quiet(w: Walk, path: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if path.endswith("is_available"):
        return Const(True)
    if path.endswith("device_count"):
        return Const(w.config.world_size)
    return LibObj("context") if path.rsplit(".", 1)[-1][:1].isupper() or path.endswith(("graph", "stream")) else Data()


def distributed(w: Walk, path: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """Every rank does the same here; a reduction keeps the marks of what it reduces."""
    name = path.rsplit(".", 1)[-1]
    if name in ("is_available", "is_initialized"):
        return Const(True)
    if name == "get_world_size":
        return Const(w.config.world_size)
    if name == "get_rank":
        return Const(0, w.marks.make(Mark.RANK, 0))
    _received(w, *_gathered(name, a, k))
    return LibObj("work") if "async_op" in k else NONE


def _gathered(name: str, a: Args, k: Kw) -> tuple[Value, Value]:
    """What a collective operation writes into, and what it puts there: some name the source first."""
    first, second = a[0] if a else NONE, a[1] if len(a) > 1 else NONE
    if name in ("all_gather_into_tensor", "all_gather", "all_gather_object", "reduce_scatter_tensor", "scatter"):
        source = second if len(a) > 1 else k.get("tensor", k.get("input_tensor", k.get("input", k.get("obj", NONE))))
        return (first, source) if source is not NONE else (NONE, NONE)
    if name in ("gather", "gather_object"):
        return (second if len(a) > 1 else k.get("gather_list", k.get("object_gather_list", NONE))), first
    return NONE, NONE


def _received(w: Walk, target: Value, sent: Value) -> None:
    """What the ranks sent now stands in a tensor or a list that was made for it."""
    if isinstance(target, Data):
        assign.write(w, target, labels(sent), accumulate=True, value=sent if isinstance(sent, Data) else None)
    elif isinstance(target, Seq):
        target.items, target.more = [sent], True


def initialise(w: Walk, path: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if a and isinstance(a[0], Data):
        reset(w, a[0])
    return a[0] if a else NONE


def reset(w: Walk, d: Data) -> None:
    """Numbers are set anew: what they had learned is gone."""
    h = d.root.holder
    if h is not None:
        if not w.guards and h.lab:
            h.lab = 0
            w.version += 1
            w.learned += 1
    elif d.base is None:
        d.lab = 0
        d.tag = ""


# Layers and models.


# Methods of tensors.


def snapshot(w: Walk, v: Value) -> Value:
    """A copy of a tensor as it is now."""
    if not isinstance(v, Data):
        return v
    d = Data(labels(v) & ~w.marks.mask[Mark.PARAMETER], tag=v.tag, tok=v.tok)
    d.site, d.born = w.site, tuple(w.turns)
    d.snapshot = v.root.holder or copied_from(v)
    d.parts, d.shape, d.pure = v.parts, v.shape, v.pure
    d.sym, d.off = v.sym, v.off
    return d
