"""Texts: what is known of a string, and the methods of constants."""

from __future__ import annotations

import re

from auditor.source.values import Args, Const, Data, Dict, Kw, Seq, Value, all_labels, labels
from auditor.source.walk import Walk

MAX_TEXT = 100_000


def text_of(v: Value) -> str:
    """The known part of what a value prints as."""
    if isinstance(v, Const):
        return str(v.v)[:2000]
    if isinstance(v, Data):
        return v.text or "{}"
    if isinstance(v, Seq):
        return " ".join(text_of(i) for i in v.items[:20])
    if isinstance(v, Dict):
        return " ".join(f"{k}: {text_of(i)}" for k, i in list(v.items.items())[:40])
    return "{}"


_SAFE = frozenset(
    [
        "upper", "lower", "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith", "replace",
        "join", "format", "find", "rfind", "index", "count", "title", "capitalize", "encode", "decode", "isdigit",
        "isalpha", "isnumeric", "isspace", "isupper", "islower", "zfill", "ljust", "rjust", "center", "partition",
        "rpartition", "removeprefix", "removesuffix", "translate", "casefold", "bit_length", "hex", "is_integer",
        "as_integer_ratio", "keys", "values", "items", "get", "tobytes", "isidentifier",
    ]
)  # fmt: skip


def constant_method(w: Walk, owner: Const, name: str, args: Args, kw: Kw) -> Value:
    if name == "join" and args and isinstance(args[0], Seq):
        items = args[0].items
        if not args[0].more and all(isinstance(i, Const) for i in items):
            try:
                return Const(owner.v.join(i.v for i in items), labels(args[0]))  # type: ignore[attr-defined]
            except Exception:
                return Data(labels(args[0]))
        return Data(labels(args[0]), text=str(owner.v).join(text_of(i) for i in items)[:2000])
    if (
        name in _SAFE
        and all(isinstance(a, Const) for a in [*args, *kw.values()])
        and name not in ("ljust", "rjust", "center", "zfill")
    ):
        try:
            out = getattr(owner.v, name)(*(a.v for a in args), **{k: v.v for k, v in kw.items()})  # type: ignore[attr-defined]
            if isinstance(out, (list, tuple)) and not isinstance(out, str):
                return Seq([Const(i, owner.lab) for i in out[:2000]], "list" if isinstance(out, list) else "tuple")
            if isinstance(out, (str, bytes)) and len(out) > MAX_TEXT:
                return Data(owner.lab)
            return Const(out, owner.lab | all_labels(args, kw))
        except Exception:
            return Data(owner.lab | all_labels(args, kw))
    if name == "format" and isinstance(owner.v, str):
        return Data(all_labels(args, kw) | owner.lab, text=re.sub(r"\{[^{}]*\}", "{}", owner.v)[:2000])
    if name in (
        "item",
        "numpy",
        "cpu",
        "to",
        "float",
        "int",
        "long",
        "double",
        "detach",
        "clone",
        "cuda",
        "conjugate",
        "unsqueeze",
        "squeeze",
    ):
        return owner
    return Data(owner.lab | all_labels(args, kw))
