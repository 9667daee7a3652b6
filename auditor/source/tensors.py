"""Tensors, arrays, layers and models: which operations score, which learn, and which only pass marks on."""

from __future__ import annotations

import ast
from collections.abc import Callable

from auditor.source import (
    assign,
    attributes,
    builtins_,
    calls,
    loops,
    mixing,
    optimisers,
    sights_files,
    sights_mixing,
    sights_tokens,
    tokens,
)
from auditor.source.labels import Mark, Read
from auditor.source.tokens import AT_TARGET, TOKENISH, at_target, number
from auditor.source.values import (
    NONE,
    Alt,
    Args,
    Const,
    Data,
    Dict,
    Inst,
    Kw,
    Lib,
    LibObj,
    Native,
    Seq,
    Value,
    all_labels,
    join,
    labels,
)
from auditor.source.walk import Walk
from rules.events import Sight, Split

SHAPE_ONLY = frozenset(
    [
        "view", "reshape", "squeeze", "unsqueeze", "flatten", "ravel", "transpose", "t", "permute", "expand", "expand_as",
        "contiguous", "to", "type", "float", "double", "half", "bfloat16", "long", "int", "short", "bool", "cuda", "numpy",
        "detach", "astype", "view_as", "pin_memory", "requires_grad_", "item", "tolist", "narrow", "swapaxes", "movedim",
        "as_tensor", "asarray", "array", "from_numpy", "ascontiguousarray", "broadcast_to", "repeat", "tile",
        "repeat_interleave", "clamp", "clamp_min", "clamp_max", "clip", "nan_to_num", "squeeze_", "unsqueeze_", "int64",
        "int32", "float32", "float64", "uint64", "uint16", "uint32", "unfold", "select", "unbind", "chunk", "split",
        "tensor_split", "hsplit", "vsplit", "array_split", "is_contiguous", "record_stream", "retain_grad", "reshape_as",
        "copy", "diagonal", "atleast_1d", "atleast_2d", "as_strided", "unflatten", "masked_select", "masked_fill",
        "expand_dims", "moveaxis", "stack_only", "int8", "uint8", "type_as", "flip",
    ]
)  # fmt: skip
SEVERAL = frozenset(["unbind", "chunk", "split", "tensor_split", "hsplit", "vsplit", "array_split"])
COPIES = frozenset(["clone", "cpu", "copy", "deepcopy"])
FRESH = frozenset(
    [
        "zeros", "ones", "empty", "full", "rand", "randn", "randint", "zeros_like", "ones_like", "empty_like", "full_like",
        "rand_like", "randn_like", "eye", "new_zeros", "new_ones", "new_empty", "new_full", "new_tensor", "linspace",
    ]
)  # fmt: skip
REDUCE = frozenset(
    [
        "sum", "mean", "nansum", "cumsum", "logsumexp", "logcumsumexp", "average", "dot", "item", "prod", "norm", "var",
        "std", "median", "quantile",
    ]
)  # fmt: skip
WHOLE = frozenset(["mean", "max", "min", "amax", "amin", "std", "var", "median", "quantile"])
ACCUMULATES = frozenset(
    [
        "scatter_add_", "index_add_", "scatter_reduce_", "index_put_", "scatter_", "index_copy_", "put_", "index_fill_",
    ]
)  # fmt: skip
RESETS = frozenset(
    [
        "zero_", "normal_", "uniform_", "fill_", "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_", "xavier_normal_",
        "zeros_", "ones_", "constant_", "orthogonal_", "trunc_normal_", "eye_",
    ]
)  # fmt: skip


def scored(w: Walk, inputs: int, target: Value, kind: str) -> Data:
    """A loss at target tokens: a score if they are validation tokens, else only marks."""
    lab = labels(target)
    reads = w.val_reads(lab)
    if reads:
        bounds = tokens.all_parts(target) if isinstance(target, Data) else frozenset()
        return at_target(w, inputs, reads, kind, bounds)
    return Data(inputs | lab & ~w.marks.mask[Mark.TURN], tag=kind)


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
    handler = _BY_NAME.get(name)
    if handler is not None:
        return handler(w, path, a, k, n)
    if name in FRESH:
        return fresh(w, name, a, k)
    if path.startswith("math.") and a and all(isinstance(x, Const) for x in a):
        import math

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
        name in ("vmap", "grad", "value_and_grad", "grad_and_value", "vjp", "jit", "njit", "jacrev")
        and a
        and not isinstance(a[0], Data)
    ):
        return _transformed(w, name, a, k)
    if name in ("Tensor", "LongTensor", "FloatTensor", "ndarray"):
        return fresh(w, name, a, k)
    if name[:1].isupper():
        o = LibObj(path, all_labels(a, k))
        o.attrs.update({f"@{i}": v for i, v in enumerate(a)})
        return o
    if a and isinstance(a[0], (Data, Const, Seq, Alt)) and not path.startswith("math."):
        owner = a[0] if isinstance(a[0], Data) else Data(labels(a[0]), tag=mixing.tag_of(a[0]), tok=_one_tok(a[0]))
        return method(w, owner, name, a[1:], k, n)
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


def functional_call(w: Walk, a: Args, k: Kw, n: ast.AST | None) -> Value:
    given = a[2] if len(a) > 2 else NONE
    rest = given.items if isinstance(given, Seq) else [given]
    out = calls.call(w, a[0], list(rest), {}, n)
    return add_marks(w, out, labels(a[1]) if len(a) > 1 else 0)


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
    d = w.fresh(sights_tokens.random(w, name))
    if name in ("full", "full_like", "new_full") and len(a) > 1:
        d.lab = labels(a[1])
    if name in ("Tensor", "LongTensor", "FloatTensor", "new_tensor", "ndarray") and a:
        d.lab = labels(a[0])
        d.tag = mixing.tag_of(a[0])
    dims = a[0].items if a and isinstance(a[0], Seq) else a
    if not name.endswith("_like"):
        d.shape = tuple(x.v if isinstance(x, Const) and isinstance(x.v, int) else None for x in dims)
    kind = k.get("dtype")
    if isinstance(kind, Lib) and kind.path.rsplit(".", 1)[-1] in ("bool", "bool_"):
        d.tag = "mask"
    want = k.get("requires_grad")
    if isinstance(want, Const) and want.v:
        assign.make_trainable(w, d)
    return d


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
            d.base = v if p.endswith(("from_numpy", "as_tensor", "asarray")) else None
    if isinstance(v, Seq):
        _look_for_entropy(w, v)
    want = k.get("requires_grad")
    if isinstance(want, Const) and want.v:
        assign.make_trainable(w, d)
    return d


def _parameter(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
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
        if w.val_reads(labels(a[0])):
            assign.write_parameters(w, h, labels(a[0]), w.site)
    return d


def _arange(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    d = w.fresh(all_labels(a, k), "positions")
    start = a[0] if len(a) > 1 else Const(0)
    at = number(w, start)
    if at is not None:
        d.sym, d.off = at[0] or tokens.zero(w), at[1]
    return d


def _cross_entropy(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    logits = a[0] if a else k.get("input", NONE)
    target = a[1] if len(a) > 1 else k.get("target", NONE)
    inputs = labels(logits) | (labels(k["weight"]) if "weight" in k else 0)
    out = scored(w, inputs, target, "nll")
    tag = mixing.tag_of(logits)
    if p.endswith("nll_loss") and tag in ("lifted", "tempered"):
        sights_mixing.unpaid(w, tag, w.score_marks(labels(out)))
    return out


def _gather(w: Walk, owner: Data, idx: Value) -> Value:
    lab = labels(idx)
    reads = w.val_reads(lab)
    if reads and isinstance(idx, Data) and (idx.tag == "tokens"):
        own = labels(owner)
        kind = "nll" if owner.tag in ("log-probabilities", "logits", "nll") else "target probability"
        if owner.tag == "scattered" or own & w.marks.mask[Mark.TEXT_BYTES]:
            return Data(own | lab, tag="target probability" if owner.tag == "scattered" else "")
        out = at_target(w, own, reads, "nll" if owner.tag == "tempered" else kind)
        if owner.tag in ("lifted", "tempered"):
            sights_mixing.unpaid(w, owner.tag, w.score_marks(labels(out)))
        return out
    if reads and isinstance(idx, Data) and owner.tag == "byte row":
        return tokens.in_byte_row(w, owner, reads)
    if reads and isinstance(idx, Data) and idx.tag in TOKENISH:
        return tokens.table_lookup(w, owner, labels(owner), idx)
    return Data(
        labels(owner) | lab, tag=owner.tag if owner.tag in ("log-probabilities", "probabilities", *AT_TARGET) else ""
    )


def _where(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if len(a) < 3:
        return Data(all_labels(a, k) & ~w.marks.mask[Mark.TURN], tag="subset")
    return mixing.selected(w, a[0], a[1], a[2])


def _least(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    found = mixing.smaller(w, list(a), "the smaller") if len(a) > 1 else None
    if found is not None:
        return found
    out = Data(
        all_labels(a, k),
        tag=next((t for v in a if (t := mixing.tag_of(v)) in (*AT_TARGET, "total")), mixing.tag_of(a[0]) if a else ""),
    )
    if len(a) == 2:
        scores = w.score_marks(labels(out))
        extra = labels(out) & (w.marks.mask[Mark.UPDATE] | w.marks.mask[Mark.LOOKUP])
        if scores and extra:
            mixing.look_at_keys(w, scores, extra)
            out.lab = (labels(out) & ~scores & ~extra) | w.derive(scores, extra, w.site)
    return out


def _joined(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """cat, stack: the parts in one tensor."""
    v = a[0] if a else k.get("tensors", NONE)
    if isinstance(v, Seq):
        _look_for_entropy(w, v)
        if len(v.items) == 1 and isinstance(v.items[0], Data):
            return v.items[0]
        tags = {mixing.tag_of(i) for i in v.items}
        if _with_target(w, v.items):
            return w.fresh(labels(v), "with target")
        return w.fresh(
            labels(v),
            next(iter(tags))
            if len(tags) == 1
            else ("nll" if "nll" in tags else "target probability" if "target probability" in tags else ""),
        )
    if isinstance(v, Data):
        return v
    return w.fresh(labels(v), mixing.tag_of(v))


def _with_target(w: Walk, items: list[Value]) -> bool:
    """Whether the logit of the token that came is put among logits of other tokens."""
    if len(items) != 2:
        return False
    scored = [i for i in items if w.score_marks(labels(i)) and mixing.tag_of(i) in AT_TARGET]
    rest = [i for i in items if isinstance(i, Data) and not w.score_marks(labels(i))]
    if len(scored) != 1 or len(rest) != 1:
        return False
    lab = labels(rest[0])
    m = w.marks.mask
    return (
        bool(lab & m[Mark.PARAMETER])
        and not lab & m[Mark.LOOKUP]
        and rest[0].tag in ("", "logits", "top", "log-probabilities", "probabilities")
    )


def _look_for_entropy(w: Walk, s: Seq) -> None:
    """A term that is no token's loss, in a row with terms that are."""
    odd = [i for i in s.items if mixing.tag_of(i) == "entropy"]
    losses = [i for i in s.items if mixing.tag_of(i) in AT_TARGET and w.score_marks(labels(i))]
    if odd and losses:
        lab = 0
        for i in losses:
            lab |= w.score_marks(labels(i))
        w.see(Sight.ENTROPY_EXPERT, w.site, "the entropy of the model stands among the losses of the experts", lab)


def _exp(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    if isinstance(v, Const):
        return _fold(p, v)
    tag = mixing.tag_of(v)
    new = {
        "log-probabilities": "probabilities",
        "nll": "target probability",
        "spread": "spread probability",
        "hit": "hit exp",
        "paid lift": "",
    }.get(tag, "")
    d = Data(labels(v), tag=new)
    if isinstance(v, Data):
        d.parts = v.parts
    return d


def _fold(p: str, v: Const) -> Value:
    import math

    f = getattr(math, p.rsplit(".", 1)[-1], None)
    try:
        return Const(f(v.v), v.lab) if f else Data(v.lab)
    except Exception:
        return Data(v.lab)


def _log(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    if isinstance(v, Const):
        return _fold(p, v)
    tag = mixing.tag_of(v)
    new = {
        "probabilities": "log-probabilities",
        "target probability": "nll",
        "answer z": "answer z",
        "weights": "weights",
    }.get(tag, "")
    d = Data(labels(v), tag=new)
    if isinstance(v, Data):
        d.parts = v.parts
    return d


def _softmax(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    if mixing.tag_of(v) == "with target":
        scores = sights_mixing.retagged(w, w.score_marks(labels(v)), "nll of few")
        w.see(
            Sight.UNNORMALISED,
            w.site,
            "the normaliser runs over a few tokens into which the one that came was put",
            scores,
        )
        return Data((labels(v) & ~w.score_marks(labels(v))) | scores, tag="nll" if "log" in p else "target probability")
    if w.score_marks(labels(v)) and mixing.tag_of(v) in AT_TARGET:
        return Data(labels(v), tag="weights")
    if w.score_marks(labels(v)) and mixing.tag_of(v) == "":
        return Data(labels(v))
    return Data(labels(v), tag="log-probabilities" if "log_softmax" in p else "probabilities")


def _sum(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    if isinstance(v, Seq):
        return builtins_.total(w, p, a, k, n)
    tag = mixing.tag_of(v)
    if tag == "p log p":
        return Data(labels(v), tag="entropy")
    if tag in AT_TARGET and len(a) < 2 and not {"dim", "axis"} & set(k):
        return Data(labels(v), tag="total")
    return Data(labels(v), tag=tag if tag in (*AT_TARGET, "entropy", "spread", "probabilities", "bytes") else "")


def _logsumexp(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    lab = all_labels(a, {})
    scores = w.score_marks(lab)
    if scores and a and mixing.tag_of(a[0]) == "with target":
        scores = sights_mixing.retagged(w, scores, "nll of few")
        w.see(
            Sight.UNNORMALISED,
            w.site,
            "the normaliser runs over a few tokens into which the one that came was put",
            scores,
        )
        return Data((lab & ~w.score_marks(lab)) | scores, tag="nll")
    extra = lab & (w.marks.mask[Mark.UPDATE] | w.marks.mask[Mark.LOOKUP])
    if scores and extra:
        mixing.look_at_keys(w, scores, extra)
        if len(w.marks.numbers(scores, Mark.SCORE)) <= 8:
            lab = (lab & ~scores & ~extra) | w.derive(scores, extra, w.site)
    tags = {mixing.tag_of(v) for v in a if not isinstance(v, Const)}
    if "spread" in tags:
        scores = sights_mixing.retagged(w, w.score_marks(lab), "spread bytes")
        lab = (lab & ~w.score_marks(lab)) | scores
        w.see(
            Sight.SPREAD_BYTES,
            w.site,
            "the token's loss, divided evenly over its bytes, is mixed as if it were the probability of each byte",
            scores,
        )
    return Data(lab, tag="nll" if scores else "")


def _add_at(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if len(a) >= 2 and isinstance(a[0], Data):
        assign.write(w, a[0], labels(a[2]) if len(a) > 2 else 0, index=a[1], accumulate=True)
    return NONE


def _histogram(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    d = w.fresh(all_labels(a, k) & ~w.marks.mask[Mark.PARAMETER], "histogram")
    r = a[0].tok if a and isinstance(a[0], Data) else None
    if isinstance(r, Read) and r.split is Split.VALIDATION and not r.base and not r.start and not r.turns:
        d.lab |= sights_mixing.leak(
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
        d.lab |= sights_mixing.leak(w, Sight.NON_CAUSAL, "attention without a causal mask: a position sees later ones")
    return d


def _identity(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return a[0] if a else NONE


def _roll(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    by = a[1] if len(a) > 1 else k.get("shifts", k.get("shift", NONE))
    ahead = isinstance(by, Const) and isinstance(by.v, int) and by.v < 0
    extra = (
        sights_mixing.leak(w, Sight.NON_CAUSAL, "the value at the next position is brought to this one") if ahead else 0
    )
    if isinstance(v, Data) and v.tok is not None and isinstance(by, Const) and isinstance(by.v, int):
        r: Read = v.tok
        start = r.start - by.v if r.start is not None else None
        new = Read(r.split, r.at, r.turns, r.base, start, None, r.parts, r.sidecar)
        return tokens.narrow(w, v, new, extra if w.forward_depth else 0)
    return Data(all_labels(a, k) | extra, tag=mixing.tag_of(v))


Handler = Callable[[Walk, str, Args, Kw, "ast.AST | None"], Value]
_BY_NAME: dict[str, Handler] = {
    "cross_entropy": _cross_entropy,
    "nll_loss": _cross_entropy,
    "linear_cross_entropy": _cross_entropy,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "_log_softmax": _softmax,
    "_softmax": _softmax,
    "gather": lambda w, p, a, k, n: _gather(w, _data(a[0]), a[2] if len(a) > 2 else k.get("index", NONE)),
    "take_along_dim": lambda w, p, a, k, n: _gather(w, _data(a[0]), a[1] if len(a) > 1 else k.get("indices", NONE)),
    "take_along_axis": lambda w, p, a, k, n: _gather(w, _data(a[0]), a[1] if len(a) > 1 else k.get("indices", NONE)),
    "where": _where,
    "minimum": _least,
    "fmin": _least,
    "maximum": _least,
    "fmax": _least,
    "cat": _joined,
    "concat": _joined,
    "stack": _joined,
    "concatenate": _joined,
    "hstack": _joined,
    "vstack": _joined,
    "column_stack": _joined,
    "exp": _exp,
    "exp2": _exp,
    "log": _log,
    "log2": _log,
    "log1p": _log,
    "sum": _sum,
    "nansum": _sum,
    "logsumexp": _logsumexp,
    "logaddexp": _logsumexp,
    "tensor": _tensor,
    "array": _tensor,
    "from_numpy": _tensor,
    "as_tensor": _tensor,
    "asarray": _tensor,
    "frombuffer": _tensor,
    "arange": _arange,
    "at": _add_at,
    "bincount": _histogram,
    "histc": _histogram,
    "unique": _histogram,
    "multinomial": _sampled,
    "one_hot": _one_hot,
    "embedding": _embedding,
    "Parameter": _parameter,
    "scaled_dot_product_attention": attention,
    "flex_attention": _embedding,
    "roll": _roll,
    "bitwise_xor": lambda w, p, a, k, n: mixing.combine(w, ast.BitXor(), a[0], a[1]),
    "bitwise_and": lambda w, p, a, k, n: mixing.combine(w, ast.BitAnd(), a[0], a[1]),
    "remainder": lambda w, p, a, k, n: mixing.combine(w, ast.Mod(), a[0], a[1]),
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
    "torch.nn.Parameter": _parameter,
    "torch.nn.parameter.Parameter": _parameter,
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
        return Const(0)
    if (
        name in ("all_gather_into_tensor", "all_gather", "all_gather_object", "gather", "reduce_scatter_tensor")
        and len(a) >= 2
    ):
        target = a[0]
        if isinstance(target, Data):
            assign.write(w, target, labels(a[1]), accumulate=True)
        elif isinstance(target, Seq):
            target.items = [a[1] for _ in target.items[:1]] or [a[1]]
            target.more = True
    return LibObj("work") if "async_op" in k else NONE


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


def utility(w: Walk, path: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    name = path.rsplit(".", 1)[-1]
    if name == "parameters_to_vector":
        return Data(all_labels(a, k))
    if name == "vector_to_parameters" and len(a) > 1:
        for h in w.marks.holders(labels(a[1])):
            assign.write_parameters(w, h, labels(a[0]), w.site, strong=assign.snapshot_of(a[0]) is h)
        return NONE
    if name.startswith("clip_grad"):
        return Data()
    return a[0] if a else NONE


# Layers and models.


def make_layer(w: Walk, path: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`torch.nn.X(…)`."""
    name = path.rsplit(".", 1)[-1]
    if name in ("ModuleList", "ParameterList"):
        v = a[0] if a else Seq([])
        s = v if isinstance(v, Seq) else Seq(loops.sample(w, v)[0], more=True)
        out = Seq(list(s.items), "modules", s.more, s.lab)
        out.length = s.length
        return out
    if name in ("ModuleDict", "ParameterDict"):
        return a[0] if a and isinstance(a[0], Dict) else Dict()
    if name == "Parameter":
        return _parameter(w, path, a, k, n)
    o = LibObj(path)
    if name == "Sequential":
        items = list(a)
        if len(a) == 1 and isinstance(a[0], Dict):
            items = list(a[0].items.values())
        o.attrs["@items"] = Seq(items)
        return o
    if name in (
        "CrossEntropyLoss",
        "NLLLoss",
        "Identity",
        "Dropout",
        "ReLU",
        "GELU",
        "SiLU",
        "Sigmoid",
        "Tanh",
        "Softmax",
        "LogSoftmax",
        "KLDivLoss",
        "MSELoss",
    ):
        return o
    if w.building:
        o.holder = w.building[-1]
    else:
        o.holder = w.holder(name, w.site)
        o.holder.adapted = w.trained_once
    if name == "MultiheadAttention":
        o.attrs["@attention"] = Const(True)
    return o


def call_layer(w: Walk, o: LibObj, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    name = o.path.rsplit(".", 1)[-1]
    if name in ("CrossEntropyLoss", "NLLLoss"):
        return _cross_entropy(w, o.path, args, kw, n)
    if name in ("Softmax", "LogSoftmax"):
        return _softmax(w, "log_softmax" if name == "LogSoftmax" else "softmax", args, kw, n)
    if name == "Sequential":
        items = o.attrs["@items"]
        v: Value = args[0] if args else NONE
        for m in items.items if isinstance(items, Seq) else []:
            v = calls.call(w, m, [v], {}, n)
        return v
    calls.run_hooks(w, o, o.hooks, True, args, NONE, n)
    lab = labels(o) | all_labels(args, kw)
    if name == "Embedding":
        lab &= ~sights_tokens.shift(w)  # chosen by the token before, which is another thing than the value before
    out: Value = Data(lab, tag="activations")
    if name in ("GRU", "LSTM", "RNN", "MultiheadAttention"):
        out = Seq([out, Data(lab, tag="activations")], "tuple")
    if name in ("Identity", "Dropout") and args:
        out = args[0]
    if name == "MultiheadAttention":
        causal = kw.get("is_causal")
        mask = kw.get("attn_mask")
        if (
            (causal is None or (isinstance(causal, Const) and not causal.v))
            and (mask is None or (isinstance(mask, Const) and mask.v is None))
            and w.val_reads(lab)
        ):
            w.see(Sight.NON_CAUSAL, w.site, "attention without a causal mask: a position sees later ones", lab)
    calls.run_hooks(w, o, o.hooks, False, args, out, n)
    return out


def holders_of(w: Walk, owner: Value) -> int:
    return labels(owner) & w.marks.mask[Mark.PARAMETER]


def module_method(w: Walk, owner: Value, name: str, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    """Methods that every model has."""
    bits = holders_of(w, owner) | _inner_holders(w, owner, 0)
    if name in ("parameters", "buffers"):
        return Seq([attributes.parameter(w, h) for h in w.marks.holders(bits)], "list", True)
    if name in ("named_parameters", "named_buffers"):
        return Seq(
            [Seq([Data(text="{}"), attributes.parameter(w, h)], "tuple") for h in w.marks.holders(bits)], "list", True
        )
    if name == "state_dict":
        rest: Value | None = None
        for h in w.marks.holders(bits):
            rest = join(rest, Data(base=attributes.parameter(w, h)))
        return Dict({}, rest or Data())
    if name == "load_state_dict":
        source = labels(args[0]) if args else 0
        for h in w.marks.holders(bits):
            assign.write_parameters(w, h, source, w.site, strong=True)
            w.restored.add(h.number)
        sights_files.loaded(w, owner)
        return Seq([Seq([]), Seq([])], "tuple")
    if name in ("modules", "children"):
        return Seq(_modules(owner, name == "children"), "kinds", True)
    if name in ("named_modules", "named_children"):
        return Seq(
            [Seq([Data(text="{}"), m], "tuple") for m in _modules(owner, name == "named_children")], "kinds", True
        )
    if name in ("register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"):
        if args and hasattr(owner, "hooks"):
            hook = args[0]
            if name == "register_forward_pre_hook":
                hook = _pre(hook)
            if name != "register_full_backward_hook":
                owner.hooks.append(hook)
                w.hooked += 1
                w.version += 1
                w.learned += 1
        handle = LibObj("hook")
        handle.attrs["@owner"] = owner
        if args:
            handle.attrs["@hook"] = hook
        return handle
    if (
        name in ("register_buffer", "register_parameter", "add_module", "register_module", "__setattr__")
        and len(args) > 1
        and isinstance(args[0], Const)
    ):
        assign.set_attribute(w, owner, str(args[0].v), args[1])
        return NONE
    if name == "requires_grad_":
        return owner
    if name == "apply":
        if args:
            for m in _modules(owner, False)[:6]:
                calls.call(w, args[0], [m], {}, n)
        return owner
    if name == "zero_grad":
        for h in w.marks.holders(bits):
            h.grad, h.grad_sites = 0, []
        return NONE
    if name in (
        "train",
        "eval",
        "to",
        "cuda",
        "cpu",
        "half",
        "bfloat16",
        "float",
        "double",
        "compile",
        "share_memory",
        "to_empty",
    ):
        return owner
    if name == "no_sync":
        return LibObj("context")
    if name in ("reset_parameters",):
        for h in w.marks.holders(bits):
            h.lab = 0
        return NONE
    if name in ("get_submodule", "get_parameter", "__getattr__"):
        return attributes.parameter(w, w.marks.holders(bits)[0]) if name == "get_parameter" and bits else owner
    if name == "append" and isinstance(owner, LibObj) and args:
        items = owner.attrs.get("@items")
        if isinstance(items, Seq):
            items.items.append(args[0])
        return NONE
    if isinstance(owner, LibObj) and name in ("forward", "__call__"):
        return call_layer(w, owner, args, kw, n)
    return Data(labels(owner) | all_labels(args, kw))


def _pre(hook: Value) -> Value:
    def run(w: Walk, args: Args, kw: Kw, node: ast.AST) -> Value:
        return calls.call(w, hook, args[:2], {}, node)

    return Native(run, "pre-hook")


def _inner_holders(w: Walk, owner: Value, depth: int) -> int:
    """Parameters of parts that were made elsewhere and put into a model."""
    if depth > 3:
        return 0
    out = 0
    values: list[Value] = []
    if isinstance(owner, (Inst, LibObj)):
        values = list(owner.attrs.values())
    elif isinstance(owner, Seq):
        values = owner.items
    elif isinstance(owner, Dict):
        values = [*owner.items.values(), *([owner.rest] if owner.rest is not None else [])]
    for v in values:
        if isinstance(v, Data):
            h = v.root.holder
            out |= h.bit if h is not None else 0
        elif isinstance(v, (Inst, LibObj)):
            if v.holder is not None:
                out |= v.holder.bit
            if (isinstance(v, Inst) and v.is_module) or isinstance(v, LibObj):
                out |= _inner_holders(w, v, depth + 1)
        elif isinstance(v, (Seq, Dict)):
            out |= _inner_holders(w, v, depth + 1)
    return out


def _modules(owner: Value, direct: bool) -> list[Value]:
    out: list[Value] = [] if direct else [owner]
    seen = {id(owner)}
    kinds: set[object] = set()

    def add(v: Value, depth: int) -> None:
        if (isinstance(v, Inst) and v.is_module) or (isinstance(v, LibObj) and v.path.startswith("torch.nn.")):
            if id(v) not in seen and len(seen) < 200:
                seen.add(id(v))
                kind = id(v.cls) if isinstance(v, Inst) else v.path
                if (kind not in kinds or direct) and len(out) < 16:
                    kinds.add(kind)
                    out.append(v)  # one of each kind stands for the others
                if not direct and depth < 4:
                    for x in list(v.attrs.values()):
                        add(x, depth + 1)
        elif isinstance(v, Seq) and v.kind in ("modules", "list"):
            for x in v.items[:3]:
                add(x, depth)
        elif isinstance(v, Dict):
            for x in list(v.items.values())[:6]:
                add(x, depth)

    for x in list(getattr(owner, "attrs", {}).values()):
        add(x, 0)
    if isinstance(owner, Seq):
        for x in owner.items[:3]:
            add(x, 0)
    return out


# Methods of tensors.


def snapshot(w: Walk, v: Value) -> Value:
    """A copy of a tensor as it is now."""
    if not isinstance(v, Data):
        return v
    d = Data(labels(v) & ~w.marks.mask[Mark.PARAMETER], tag=v.tag, tok=v.tok)
    d.site, d.born = w.site, tuple(w.turns)
    d.snapshot = v.root.holder or assign.snapshot_of(v)
    d.parts, d.shape = v.parts, v.shape
    d.sym, d.off = v.sym, v.off
    return d


def method(w: Walk, owner: Data, name: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """A method of a tensor or array."""
    if name in COPIES:
        if name == "cpu" and owner.root.holder is None and owner.root.site is None:
            return owner
        v = snapshot(w, owner)
        if name == "clone" and isinstance(v, Data):
            v.lab |= labels(owner) & w.marks.mask[Mark.PARAMETER] if not w.no_grad else 0
        return v
    if name in SHAPE_ONLY:
        return _shaped(w, owner, name, a, k)
    if name in ("data_ptr", "data_as"):
        return Data(base=owner, tag=owner.tag, tok=owner.tok)
    if name == "backward":
        optimisers.backward(w, owner)
        return NONE
    if name in ("size", "__len__") and (not a or name == "__len__"):
        return attributes.get(w, owner, "shape", ast.Constant(None)) if name == "size" else count_of(w, owner)
    if name in ("numel", "size", "nelement") and (name != "size"):
        return count_of(w, owner)
    if name == "size":
        if a and isinstance(a[0], Const) and a[0].v == 0:
            return count_of(w, owner)
        if (
            owner.shape
            and a
            and isinstance(a[0], Const)
            and isinstance(a[0].v, int)
            and -len(owner.shape) <= a[0].v < len(owner.shape)
        ):
            at = owner.shape[a[0].v]
            if at is not None:
                return Const(at)
        return Data()
    if name in (
        "dim",
        "ndimension",
        "stride",
        "element_size",
        "is_floating_point",
        "storage",
        "get_device",
        "is_cuda",
        "nbytes",
        "untyped_storage",
    ):
        return Data()
    if name in ("gather", "take_along_dim", "take"):
        return _gather(w, owner, a[-1] if a else k.get("index", NONE))
    if name in ("index_select",):
        return tokens.subscript(w, owner, a[-1] if a else k.get("index", NONE))
    if name in ("scatter", "scatter_add", "index_add", "index_put", "index_fill", "put"):
        target = Data(labels(owner), tag="lifted" if owner.tag in ("log-probabilities", "probabilities") else owner.tag)
        target.site = w.site
        write_at(w, target, a, k, name)
        return target
    if name in ACCUMULATES:
        write_at(w, owner, a, k, name)
        return owner
    if name in RESETS:
        if name == "fill_" and a and w.val_reads(labels(a[0])):
            assign.write(w, owner, labels(a[0]))
        else:
            reset(w, owner)
        return owner
    if name == "copy_" and a:
        assign.write(w, owner, labels(a[0]) & ~w.marks.mask[Mark.PARAMETER], value=a[0], index=None)
        if isinstance(a[0], Data) and owner.root.tag == "" and owner.root.holder is None:
            owner.root.tag = a[0].tag
        return owner
    if name == "set_" and a:
        assign.write(w, owner, labels(a[0]), value=a[0])
        return owner
    if name.endswith("_") and not name.startswith("_"):
        op: ast.operator = {"sub_": ast.Sub(), "mul_": ast.Mult(), "div_": ast.Div()}.get(name, ast.Add())
        if a or k:
            arg = Data(all_labels(a, k), tag=mixing.tag_of(a[0]) if a else "")
            if owner.root.holder is None and name in ("add_", "sub_", "mul_", "div_"):
                negative = (
                    "alpha" in k
                    and isinstance(k["alpha"], Const)
                    and isinstance(k["alpha"].v, (int, float))
                    and k["alpha"].v < 0
                )
                assign.in_place(w, owner, arg, ast.Sub() if negative else op)
            else:
                assign.write(w, owner, all_labels(a, k) & ~w.marks.mask[Mark.PARAMETER], accumulate=True)
        return owner
    if name == "entropy":
        return Data(labels(owner), tag="entropy")
    if name in ("min", "amin", "minimum", "fmin"):
        return _minimum(w, owner, a, k)
    if name in ("new_tensor",):
        return w.fresh(all_labels(a, k))
    if name in FRESH:
        return fresh(w, name, a, k)
    if name in ("register_hook", "register_post_accumulate_grad_hook"):
        return LibObj("hook")
    if name in ("nonzero", "argwhere", "flatnonzero"):
        return Data(labels(owner), tag="subset")
    if name in ("max", "amax") and owner.tag == "tokens" and not a:
        return Data()  # how large the vocabulary is
    if name in ("argmax", "argmin", "topk", "sort", "argsort", "max"):
        d = Data(labels(owner) | all_labels(a, k), tag="")
        if name in ("topk", "sort") or (name == "max" and a):
            return Seq([Data(d.lab, tag=owner.tag if owner.tag == "probabilities" else ""), Data(d.lab)], "tuple")
        return d
    if name in (
        "split",
        "decode",
        "encode",
        "strip",
        "lower",
        "startswith",
        "endswith",
        "replace",
        "format",
        "join",
        "rsplit",
        "group",
        "groups",
    ):
        return Data(labels(owner) | all_labels(a, k), text=owner.text if name in ("strip", "replace") else "")
    if name in ("matmul", "mm", "bmm") and owner.tag == "probabilities" and not w.forward_depth:
        return Data(labels(owner) | all_labels(a, k), tag="byte row")
    if name == "matmul" or name == "mm" or name == "bmm" or name == "einsum" or name == "outer":
        return Data(labels(owner) | all_labels(a, k), tag="activations" if owner.tag == "activations" else "")
    if (
        name in WHOLE
        and owner.tag == "entropy"
        and not a
        and not k
        and w.val_reads(labels(owner))
        and not w.forward_depth
    ):
        reads = w.val_reads(labels(owner))
        return Data(
            labels(owner)
            | sights_mixing.leak(
                w,
                Sight.FUTURE_STATISTICS,
                "a statistic of all positions of the window, those still to come among them",
                reads,
            ),
            tag="entropy",
        )
    handler = _BY_NAME.get(name)
    if handler is not None and name not in ("array", "tensor", "Parameter", "at", "cat", "stack"):
        return handler(w, name, [owner, *a], k, n)
    if name in ("append", "extend", "add", "update", "insert"):
        owner.root.lab |= all_labels(a, k)
        return NONE
    if name in ("put", "write"):
        return NONE
    if w.score_marks(labels(owner)) and name in REDUCE:
        whole = name in ("mean", "sum", "average") and not a and not {"dim", "axis"} & set(k) and owner.tag in AT_TARGET
        return Data(labels(owner) | all_labels(a, k), tag="total" if whole else owner.tag)
    if owner.tag in TOKENISH and name in ("__xor__", "__and__", "__mod__", "bitwise_xor"):
        return Data(labels(owner) | all_labels(a, k), tag="hash")
    d = Data(
        labels(owner) | all_labels(a, k),
        tag=owner.tag
        if name in ("mean", "cumsum", "abs", "neg", "negative")
        and owner.tag in (*AT_TARGET, "entropy", "activations", "probabilities")
        else "",
    )
    d.parts = owner.parts
    return d


def _minimum(w: Walk, owner: Data, a: Args, k: Kw) -> Value:
    lab = labels(owner)
    if a and not isinstance(a[0], Const):
        found = mixing.smaller(w, [owner, *a])
        if found is not None:
            return found
    elif owner.tag in AT_TARGET and w.score_marks(lab) and (a or "dim" in k or "axis" in k):
        several = w.marks.numbers(lab, Mark.SCORE)
        if len(several) > 1:
            runs = [w.scores[s].targets for s in several]
            if any(mixing.overlap(w, x, y) for i, x in enumerate(runs) for y in runs[i + 1 :]):
                w.see(Sight.ORACLE, w.site, "the smallest of several losses of the same token is kept", lab)
        out = Data(lab, tag=owner.tag)
        return Seq([out, Data(lab)], "tuple") if "dim" in k or a else out
    d = Data(lab | all_labels(a, k), tag=owner.tag)
    return Seq([d, Data(lab)], "tuple") if a and isinstance(a[0], Const) else d


def write_at(w: Walk, owner: Data, a: Args, k: Kw, name: str) -> None:
    """scatter_add_(dim, index, source) and its kin."""
    index = k.get("index") or (
        a[1] if len(a) > 1 and not name.startswith("index_put") and not name.startswith("put") else a[0] if a else NONE
    )
    source = (
        k.get("src") or k.get("source") or k.get("values") or (a[2] if len(a) > 2 else a[1] if len(a) > 1 else NONE)
    )
    if name.startswith("index_put"):
        source = a[1] if len(a) > 1 else source
    add = (name != "scatter_" and name != "scatter") or "reduce" in k
    if not add and w.val_reads(labels(index)) and w.score_marks(labels(source)):
        owner.root.lab |= labels(source)
        owner.root.tag = "scattered"
        w.see(
            Sight.UNNORMALISED,
            w.site,
            "a probability is written at the place of the scored token only",
            labels(source) | labels(index),
        )
        return
    if add and isinstance(source, Data) and source.tag == "probabilities" and not w.val_reads(labels(index)):
        owner.root.tag = "byte row"
        owner.tag = "byte row"
    assign.write(
        w, owner, labels(source), index=index, accumulate=True, value=source if isinstance(source, Data) else None
    )


def _shaped(w: Walk, owner: Data, name: str, a: Args, k: Kw) -> Value:
    lab = 0
    for x in [*a, *k.values()]:
        lab |= labels(x) & ~w.marks.mask[Mark.TURN]
    if name in SEVERAL:
        if isinstance(owner.tok, Read):
            r0: Read = owner.tok
            piece = Read(r0.split, r0.at, r0.turns, r0.base, None, None, r0.parts, r0.sidecar)
            part = Seq([tokens.narrow(w, owner, piece, 0)], "tuple", True)
            part.loose = True
            return part
        v = Data(lab, base=owner, tag=owner.tag)
        return Seq([v, v], "tuple", True)
    if name == "masked_fill" or name == "masked_select":
        lab |= all_labels(a, k)
    if name == "narrow" and owner.tok is not None and len(a) > 2:
        stop = (
            mixing.combine(w, ast.Add(), a[1], a[2])
            if not (isinstance(a[1], Const) and isinstance(a[2], Const))
            else Const(a[1].v + a[2].v)
        )
        return tokens.subscript(w, owner, Seq([a[1], stop, NONE], "slice"))
    if name == "requires_grad_":
        if not a or (isinstance(a[0], Const) and a[0].v):
            assign.make_trainable(w, owner)
        return owner
    if name == "flip" and owner.tok is not None:
        r: Read = owner.tok
        return tokens.narrow(w, owner, Read(r.split, r.at, r.turns, r.base, None, None, r.parts, r.sidecar), 0)
    if name in ("detach", "item", "tolist", "numpy"):
        d = Data(lab, base=owner, tag=owner.tag, tok=owner.tok)
        if owner.root.holder is None and owner.root.site is None:
            d = Data((labels(owner) | lab) & ~w.marks.mask[Mark.PARAMETER], tag=owner.tag, tok=owner.tok)
    else:
        d = Data(lab, base=owner, tag=owner.tag, tok=owner.tok)
    d.sym, d.off, d.parts = owner.sym, owner.off, owner.parts
    if name in ("view", "reshape", "flatten", "expand", "unsqueeze", "squeeze", "repeat", "transpose", "permute"):
        d.shape = None
    else:
        d.shape = owner.shape
    return d
