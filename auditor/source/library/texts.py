"""Texts: what is known of a string, and the methods of constants."""

from __future__ import annotations

import re
from typing import Any

from auditor.source.values import Args, Const, Data, Dict, Kw, Seq, Value, all_labels, labels
from auditor.source.walk import Walk

MAX_TEXT = 100_000
MAX_TEMPLATE = 2000
# A width of five digits, or one that is given as an argument, would make a huge text of a small one.
_WIDE = re.compile(r"%(?:\([^)]*\))?[^%a-zA-Z]*(?:\d{5}|\*)|:[^{}]*(?:\d{5}|\{)")


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


def grows(template: str | bytes) -> bool:
    """Whether filling in a template could give a text far longer than the template and what is filled in."""
    text = template if isinstance(template, str) else template.decode("latin-1")
    return len(text) > MAX_TEMPLATE or _WIDE.search(text) is not None


def _too_long(owner: Any, name: str, args: list[Any]) -> bool:
    """Whether a method would take long, or its result be longer than any text that is kept."""
    if isinstance(owner, range):
        return True  # its methods look at number after number
    if not isinstance(owner, (str, bytes)):
        return False
    sizes = [len(x) for x in args if isinstance(x, (str, bytes, tuple, range))]
    if name == "format":
        return grows(owner) or owner.count("{") * max([100, *sizes]) > MAX_TEXT  # type: ignore[arg-type]
    if name == "join":
        return any(n * (len(owner) + 1) > MAX_TEXT for n in sizes)
    if name == "replace" and len(sizes) == 2:
        return len(owner) > MAX_TEXT or (len(owner) + 1) * (sizes[1] + 1) > 10 * MAX_TEXT
    return False


def constant_method(w: Walk, owner: Const, name: str, args: Args, kw: Kw) -> Value:
    if name == "join" and args and isinstance(args[0], Seq):
        items = args[0].items
        if not args[0].more and all(isinstance(i, Const) for i in items) and len(items) * len(owner.v) <= MAX_TEXT:
            try:
                return Const(owner.v.join(i.v for i in items), labels(args[0]))  # type: ignore[attr-defined]
            except Exception:
                return Data(labels(args[0]))
        return Data(labels(args[0]), text=str(owner.v).join(text_of(i) for i in items)[:2000])
    if (
        name in _SAFE
        and all(isinstance(a, Const) for a in [*args, *kw.values()])
        and name not in ("ljust", "rjust", "center", "zfill")
        and not _too_long(owner.v, name, [a.v for a in [*args, *kw.values()] if isinstance(a, Const)])
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
