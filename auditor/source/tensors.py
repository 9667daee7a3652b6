"""Tensors, arrays, layers and models: which operations score, which learn, and which only pass marks on."""

from __future__ import annotations

import ast
from collections.abc import Callable

from auditor.source import (
    assign,
    builtins_,
    calls,
    methods,
    mixing,
    operations,
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
    Inst,
    Kw,
    Lib,
    LibObj,
    Native,
    Seq,
    Value,
    all_labels,
    labels,
)
from auditor.source.walk import Walk
from rules.events import Sight, Split


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
    handler = BY_NAME.get(name)
    if handler is not None:
        return handler(w, path, a, k, n)
    if name in operations.FRESH:
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


def cross_entropy(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    logits = a[0] if a else k.get("input", NONE)
    target = a[1] if len(a) > 1 else k.get("target", NONE)
    inputs = labels(logits) | (labels(k["weight"]) if "weight" in k else 0)
    out = scored(w, inputs, target, "nll")
    tag = mixing.tag_of(logits)
    if p.endswith("nll_loss") and tag in ("lifted", "tempered"):
        sights_mixing.unpaid(w, tag, w.score_marks(labels(out)))
    return out


def gather(w: Walk, owner: Data, idx: Value) -> Value:
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


def softmax(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
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
BY_NAME: dict[str, Handler] = {
    "cross_entropy": cross_entropy,
    "nll_loss": cross_entropy,
    "linear_cross_entropy": cross_entropy,
    "softmax": softmax,
    "log_softmax": softmax,
    "_log_softmax": softmax,
    "_softmax": softmax,
    "gather": lambda w, p, a, k, n: gather(w, _data(a[0]), a[2] if len(a) > 2 else k.get("index", NONE)),
    "take_along_dim": lambda w, p, a, k, n: gather(w, _data(a[0]), a[1] if len(a) > 1 else k.get("indices", NONE)),
    "take_along_axis": lambda w, p, a, k, n: gather(w, _data(a[0]), a[1] if len(a) > 1 else k.get("indices", NONE)),
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
    "Parameter": parameter,
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


# Layers and models.


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
