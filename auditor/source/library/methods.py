"""Methods of tensors and arrays: writes in place, views and copies."""

from __future__ import annotations

import ast

from auditor.source import assign, attributes, mixing, tokens
from auditor.source.labels import Mark, Read
from auditor.source.library import buffers, memory, operations, optimisers, probabilities, search, statistics, tensors
from auditor.source.sights import answers, coverage, losses, predictions, states
from auditor.source.terms import stores
from auditor.source.tokens import AT_TARGET, TOKENISH
from auditor.source.values import NONE, Args, Const, Data, Kw, LibObj, Seq, Value, all_labels, labels
from auditor.source.walk import Walk
from rules.events import Sight


def method(w: Walk, owner: Data, name: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """A method of a tensor or array."""
    if name in operations.COPIES:
        if name == "cpu" and owner.root.holder is None and owner.root.site is None:
            return owner
        v = tensors.snapshot(w, owner)
        if name == "clone" and isinstance(v, Data):
            v.lab |= labels(owner) & w.marks.mask[Mark.PARAMETER] if not w.no_grad else 0
        return v
    if owner.tag and (judged := _judged(w, owner, name, a, k)) is not None:
        return judged
    if name in operations.SHAPE_ONLY:
        return _shaped(w, owner, name, a, k)
    if name in memory.MADE and a:
        return memory.view(a[0])
    if name in ("data_ptr", "data_as") or name in memory.STORAGES or name in memory.VIEWS:
        return Data(base=owner, tag=owner.tag, tok=owner.tok)
    if name == "backward":
        optimisers.backward(w, owner)
        return NONE
    if name in ("size", "__len__") and (not a or name == "__len__"):
        return attributes.get(w, owner, "shape", ast.Constant(None)) if name == "size" else tensors.count_of(w, owner)
    if name in ("numel", "size", "nelement") and (name != "size"):
        return tensors.count_of(w, owner)
    if name == "size":
        if a and isinstance(a[0], Const) and a[0].v == 0:
            return tensors.count_of(w, owner)
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
        return Data(tag="shape")
    if name in (
        "dim",
        "ndimension",
        "stride",
        "element_size",
        "is_floating_point",
        "get_device",
        "is_cuda",
        "nbytes",
    ):
        return Data()
    if name in ("gather", "take_along_dim", "take"):
        return probabilities.gather(w, owner, a[-1] if a else k.get("index", NONE))
    if name in ("index_select",):
        return tokens.subscript(w, owner, a[-1] if a else k.get("index", NONE))
    if name in ("scatter", "scatter_add", "index_add", "index_put", "index_fill", "put"):
        target = Data(labels(owner), tag="lifted" if owner.tag in ("log-probabilities", "probabilities") else owner.tag)
        target.site = w.site
        write_at(w, target, a, k, name)
        return target
    if name in operations.ACCUMULATES:
        write_at(w, owner, a, k, name)
        return owner
    if name in operations.RESETS:
        if name in ("fill", "fill_") and a and w.val_reads(labels(a[0])):
            assign.write(w, owner, labels(a[0]))
        else:
            tensors.reset(w, owner)
        return owner
    if name.endswith("_") and a and statistics.moved(w, owner, name, all_labels(a, k)):
        return owner
    if name == "copy_" and a:
        assign.write(w, owner, labels(a[0]) & ~w.marks.mask[Mark.PARAMETER], value=a[0], index=None)
        if isinstance(a[0], Data) and owner.root.tag == "" and owner.root.holder is None:
            owner.root.tag = a[0].tag
        buffers.copied(owner, a[0], whole=owner.root is owner)
        return owner
    if name == "set_" and a:
        assign.write(w, owner, labels(a[0]), value=a[0])
        buffers.copied(owner, a[0], whole=True)
        return owner
    if name in ("fromfile", "frombytes") and a:
        buffers.fill(w, owner, buffers.file_of(w, a[0]))
        return NONE
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
    if name in operations.FRESH:
        return tensors.fresh(w, name, a, k)
    if name in ("register_hook", "register_post_accumulate_grad_hook"):
        h = owner.root.holder
        if h is not None and a:
            optimisers.hook(w, h, a[0], name == "register_hook")
        return LibObj("hook")
    if name in ("nonzero", "argwhere", "flatnonzero"):
        return Data(labels(owner), tag="subset")
    if name in ("max", "amax") and owner.tag == "tokens" and not a:
        return Data()  # how large the vocabulary is
    if name in ("argmax", "argmin", "topk", "sort", "argsort", "max"):
        least = name in ("argmax", "argmin") and owner.tag in (*AT_TARGET, "total") and w.score_marks(labels(owner))
        d = Data(labels(owner) | all_labels(a, k), tag=mixing.LEAST if least else "")
        if name == "sort" and owner.tag in TOKENISH:
            return Seq([search.in_order(w, owner), Data(d.lab)], "tuple")
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
        name in operations.WHOLE
        and owner.tag == "entropy"
        and not a
        and not k
        and w.val_reads(labels(owner))
        and not w.forward_depth
    ):
        reads = w.val_reads(labels(owner))
        return Data(
            labels(owner)
            | predictions.leak(
                w,
                Sight.FUTURE_STATISTICS,
                "a statistic of all positions of the window, those still to come among them",
                reads,
            ),
            tag="entropy",
        )
    handler = tensors.BY_NAME.get(name)
    if handler is not None and name not in ("array", "tensor", "Parameter", "at", "cat", "stack"):
        return handler(w, name, [owner, *a], k, n)
    if name in ("append", "extend", "add", "update", "insert"):
        owner.root.lab |= all_labels(a, k)
        return NONE
    if name in ("put", "write"):
        return NONE
    if name in ("cumsum", "cumulative_sum", "logcumsumexp") and owner.tag in AT_TARGET:
        scores = w.score_marks(labels(owner))
        return Data(labels(owner) & ~scores | predictions.retagged(w, scores, answers.RUNNING), tag=owner.tag)
    if w.score_marks(labels(owner)) and name in operations.REDUCE:
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
    if name in operations.WHOLE or name == "sum":
        d.lab |= states.over_time(w, owner, a, k)
    return d


def _judged(w: Walk, owner: Data, name: str, a: Args, k: Kw) -> Value | None:
    """Losses that are cut by how large they are, or put in order of size; None for all else."""
    if not losses.tagged(owner) or not w.score_marks(labels(owner)):
        return None
    if name.rstrip("_") in ("clamp", "clip", "clamp_max", "clamp_min"):
        plain = name.rstrip("_")
        low = k.get("min", k.get("a_min", a[0] if a and plain != "clamp_max" else None))
        high = k.get("max", k.get("a_max", a[-1] if a and (plain == "clamp_max" or len(a) > 1) else None))
        cut = losses.bounded(w, owner, low, high if plain != "clamp_min" else None)
    elif name in ("masked_fill", "masked_fill_", "masked_select") and a:
        cut = losses.chosen(w, owner, a[0], losses.DROPPED if name == "masked_select" else losses.CAPPED)
    elif name in ("median", "nanmedian", "quantile", "nanquantile", "kthvalue", "mode", "percentile"):
        cut = Data(losses.cut(w, labels(owner), losses.STATISTIC), tag=owner.tag)
        if name in ("kthvalue", "mode") or "dim" in k or (name.endswith("median") and a):
            return Seq([cut, Data(cut.lab)], "tuple")
    elif name in ("sort", "msort", "topk", "argsort"):
        bit = losses.ordered(w, owner)
        row = Data(
            losses.cut(w, labels(owner), losses.DROPPED) if name == "topk" else labels(owner) | bit, tag=owner.tag
        )
        places = Data(labels(owner) | bit)
        return places if name == "argsort" else row if name == "msort" else Seq([row, places], "tuple")
    else:
        return None
    if cut is not None and name.endswith("_"):
        owner.root.lab, owner.lab = cut.lab, cut.lab
        return owner
    return cut


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
    root = owner.root
    if not add and isinstance(source, Const) and root.site is not None and root.born == tuple(w.turns):
        stores.written(w, owner, index, source, False)
        root.lab |= labels(index)  # a row per token with one entry set, made and used in this turn: no table
        return
    if not add and isinstance(source, Const) and root.site is None and root.holder is None:
        root.lab |= labels(index) | predictions.singled_out(w, labels(index))  # of something computed here: no table
        return
    spelling = labels(index) & w.marks.mask[Mark.TEXT_BYTES]  # by the next byte of every token that is still possible
    if (
        add
        and isinstance(source, Data)
        and source.tag == "probabilities"
        and (spelling or not w.val_reads(labels(index)))
    ):
        owner.root.tag = "byte row"
        owner.tag = "byte row"
    assign.write(
        w,
        owner,
        labels(source),
        index=index,
        accumulate=True,
        value=source if isinstance(source, Data) else None,
        amount=source,
    )
    if not add:
        stores.spoilt(w, owner)


def _shaped(w: Walk, owner: Data, name: str, a: Args, k: Kw) -> Value:
    lab = 0
    for x in [*a, *k.values()]:
        lab |= labels(x) & ~w.marks.mask[Mark.TURN]
    if name in operations.SEVERAL:
        if isinstance(owner.tok, Read):
            r0: Read = owner.tok
            piece = Read(r0.split, r0.at, r0.turns, r0.base, None, None, r0.parts, r0.sidecar)
            part = Seq([tokens.narrow(w, owner, piece, 0)], "tuple", True)
            part.loose = True
            part.pieces = (owner, tuple(part.items))
            return part
        v = Data(lab, base=owner, tag=owner.tag)
        several = Seq(states.pieces(w, [v, v], w.site), "tuple", True)
        several.pieces = (owner, tuple(several.items))
        return several
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
    if name in ("view", "reshape", "unfold", "as_strided", "unflatten", "view_as", "reshape_as"):
        d.tok = coverage.folded(d.tok)
    d.sym, d.off, d.parts, d.pure = owner.sym, owner.off, owner.parts, owner.pure
    if name in ("view", "reshape", "flatten", "expand", "unsqueeze", "squeeze", "repeat", "transpose", "permute"):
        d.shape = None
    else:
        d.shape = owner.shape
    return d
