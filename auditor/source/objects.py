"""Methods of objects that libraries made: files, paths, parsers of arguments, threads and pools."""

from __future__ import annotations

import ast
from contextlib import suppress

from auditor.source import assign, attributes, calls, loops
from auditor.source.labels import Mark
from auditor.source.library import buffers, environment, executed, files, probabilities, texts, workers
from auditor.source.sights import artifact
from auditor.source.values import (
    NAME,
    NONE,
    Args,
    Bound,
    Const,
    Data,
    Dict,
    Func,
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
from rules.events import Setting, Sight
from rules.place import Location


def _add_argument(w: Walk, o: LibObj, args: Args, kw: Kw) -> None:
    names = [str(a.v) for a in args if isinstance(a, Const)]
    if not names:
        return
    long = next((x for x in names if x.startswith("--")), names[0])
    dest = kw.get("dest")
    name = str(dest.v) if isinstance(dest, Const) else long.lstrip("-").replace("-", "_")
    space = o.attrs["@namespace"]
    assert isinstance(space, LibObj)
    action = kw.get("action")
    default: Value = kw.get("default", NONE)
    if isinstance(action, Const) and "default" not in kw:
        default = Const(action.v == "store_false") if str(action.v).startswith("store_") else NONE
    given = _given(w, names)
    if given is not None:
        if isinstance(action, Const) and str(action.v).startswith("store_"):
            default = Const(action.v == "store_true")
        else:
            default = Const(given)
            kind = kw.get("type")
            if isinstance(kind, Lib) and kind.path in ("int", "float", "str"):
                with suppress(ValueError):
                    default = Const({"int": int, "float": float, "str": str}[kind.path](given))
            elif kind is not None and not isinstance(kind, Lib):
                default = calls.call(w, kind, [Const(given)], {}, None)
    if given is None:
        default = environment.configured(w, name, default, w.site, True)
        if isinstance(default, Const) and default.v is not None:
            at = Location(w.site.path, w.site.line)
            w.settings.setdefault(name, Setting(name, str(default.v), "default", at))
    space.attrs[name] = default


def _given(w: Walk, names: list[str]) -> str | None:
    args = w.config.arguments
    for i, a in enumerate(args):
        for name in names:
            if a == name:
                return args[i + 1] if i + 1 < len(args) else ""
            if a.startswith(name + "="):
                return a.split("=", 1)[1]
    return None


WRITES = frozenset(
    [
        "write", "writelines", "info", "log", "warning", "warn", "error", "debug", "critical", "print", "log_metrics",
        "summary", "add_scalar",
    ]
)  # fmt: skip


NO_GRADIENTS = ("torch.no_grad", "torch.inference_mode", "torch.set_grad_enabled:off")


def object_method(w: Walk, o: LibObj, name: str, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    """Methods of files, paths, environments, parsers, tokenizers and other library objects."""
    lab = all_labels(args, kw)
    if name in ("__enter__", "__exit__") and o.path in NO_GRADIENTS:
        w.no_grad = max(0, w.no_grad + (1 if name == "__enter__" else -1))
        return NONE
    if name == "enter_context" and args:  # of an ExitStack: until the `with` statement around ends
        if isinstance(args[0], LibObj):
            w.no_grad += args[0].path in NO_GRADIENTS
            return args[0]
        w.no_grad += isinstance(args[0], Seq) and args[0].quiet
        return calls.enter_context(w, args[0], n or ast.Constant(None))
    if o.path == "os.environ":
        if name in ("get", "setdefault", "pop"):
            if not args:
                return NONE
            default = args[1] if len(args) > 1 else kw.get("default")
            v = environment.environment(w, args[0], default, w.site)
            if name == "setdefault" and isinstance(args[0], Const) and default is not None:
                w.env[str(args[0].v)] = v
            return v
        if name == "update" and args and isinstance(args[0], Dict):
            w.env.update({str(k): v for k, v in args[0].items.items()})
            return NONE
        return Dict({}, Data())
    if o.path == "argparse":
        if name == "add_argument":
            _add_argument(w, o, args, kw)
            return NONE
        if name in ("parse_args", "parse_known_args"):
            space = o.attrs["@namespace"]
            return Seq([space, Seq([])], "tuple") if name == "parse_known_args" else space
        if name in ("add_argument_group", "add_mutually_exclusive_group", "add_subparsers", "add_parser"):
            return o
        return NONE
    if o.path == "file":
        if name in ("read", "readlines", "read_bytes"):
            found = files.load_tokens(w, o, {})
            known = labels(found) & ~w.marks.mask[Mark.TURN] if found is not None else 0
            if (
                w.turns and not known and not files.text_of_path(o).endswith(".py")
            ):  # a counter shared by processes: another value each time
                return Data(files.turns_now(w))
            if found is None and files.text_of_path(o).endswith(".py"):
                return Data(labels(o), text=f"{executed.FILE}{files.text_of_path(o)}")
            return found if found is not None else Data(labels(o) | artifact.unknown(w))
        if name in ("readinto", "readinto1") and args:
            buffers.fill(w, args[0], files.load_tokens(w, o, {}) or Data(labels(o) | artifact.unknown(w)))
            return Data()
        if name in ("fileno", "__enter__", "detach"):
            return o
        if name in WRITES:
            if w.score_marks(lab):
                w.report(w.site, " ".join(texts.text_of(a) for a in args)[:400], lab)
            elif args:
                files.store(w, o.attrs.get("path", NONE), args[0])
            return NONE
        return NONE if name in ("close", "seek", "flush") else Data(labels(o))
    if o.path == attributes.REGISTRY:
        return _registered(w, o.attrs["@owner"], name, args)
    if o.path == "module spec":
        return executed.loaded(w, o) if name == "load_module" else NONE
    if o.path == "buffer":
        content = o.attrs.get("@content")
        if name in ("getvalue", "read", "getbuffer"):
            return Data(artifact.packed(w, labels(content))) if content is not None else Data()
        if name == "write" and args:
            o.attrs["@content"] = args[0]
        return NONE
    if o.path == "pathlib.Path":
        return _path_method(w, o, name, args, kw)
    if o.path == "tokenizer":
        return Data(lab | w.marks.make(Mark.TEXT_BYTES, 0), tag="maybe none" if name == "x" else "")
    if o.path == "pretrained":
        if name == "from_pretrained":
            w.see(Sight.EXTERNAL_WEIGHTS, w.site, "from_pretrained loads what was trained elsewhere")
        return LibObj("pretrained")
    if o.path == "hook":
        owner, hook = o.attrs.get("@owner"), o.attrs.get("@hook")
        if name == "remove" and isinstance(owner, (Inst, LibObj)) and hook in owner.hooks:
            owner.hooks.remove(hook)
            w.version += 1
            w.learned += 1
        return NONE
    if o.path == "thread":
        return workers.started(w, o, n) if name in ("start", "run") else NONE
    if (
        name in ("submit", "apply_async", "apply", "map", "imap")
        and args
        and isinstance(args[0], (Func, Bound, Native))
    ):
        if name == "submit":
            r = LibObj("future")
            r.attrs["@content"] = calls.call(w, args[0], args[1:], kw, n)
            return r
        if name in ("map", "imap"):
            return Seq(
                [calls.call(w, args[0], [i], {}, n) for i in (loops.sample(w, args[1])[0] if len(args) > 1 else [])],
                "list",
                True,
            )
        given = args[1] if len(args) > 1 else Seq([])
        return calls.call(w, args[0], list(given.items) if isinstance(given, Seq) else [], {}, n)
    if name in ("result", "get") and "@content" in o.attrs:
        return o.attrs["@content"]
    if name in WRITES:
        if w.score_marks(lab):
            w.report(w.site, " ".join(texts.text_of(a) for a in args)[:400], lab)
        return NONE
    if o.path in ("namespace", "object") and name.startswith("__"):
        return NONE
    if name == "entropy":
        return Data(labels(o) | lab, tag="entropy")
    if name == "log_prob" and args:
        return probabilities.scored(w, labels(o), args[0], "nll")
    if name == "sample":
        return Data(labels(o) | lab | w.marks.make(Mark.GENERATED, 0), tag="generated")
    return Data(labels(o) | lab)


def _registered(w: Walk, owner: Value, name: str, args: Args) -> Value:
    """Methods of `module._parameters`."""
    held: Value = (
        attributes.parameter(w, owner.holder) if isinstance(owner, (Inst, LibObj)) and owner.holder else Data()
    )
    if name == "items":
        return Seq([Seq([Data(text="{}", tag=NAME), held], "tuple")], "list", True)
    if name == "values":
        return Seq([held], "list", True)
    if name in ("update", "setdefault", "__setitem__") and args:
        assign.set_registered(w, owner, args[-1])
    return Seq([Data(text="{}", tag=NAME)], "list", True) if name == "keys" else held


def _path_method(w: Walk, o: LibObj, name: str, args: Args, kw: Kw) -> Value:
    text = files.text_of_path(o)
    if name in ("glob", "rglob"):
        return files.listing(w, f"{text}/{texts.text_of(args[0]) if args else '*'}", labels(o))
    if name in ("resolve", "expanduser", "absolute", "with_suffix"):
        return o
    if name == "with_name":
        return attributes.path_of("/".join([*text.split("/")[:-1], texts.text_of(args[0]) if args else ""]), labels(o))
    if name == "joinpath":
        return attributes.path_of("/".join([text, *(files.text_of_path(a) for a in args)]), labels(o))
    if name == "open":
        f = LibObj("file")
        f.attrs["path"] = o
        return f
    if name in ("read_bytes", "read_text"):
        found = files.load_tokens(w, o, {})
        if found is None and text.endswith(".py"):
            return Data(labels(o), text=f"{executed.FILE}{text}")
        return found if found is not None else Data(labels(o) | artifact.unknown(w))
    if name in ("write_bytes", "write_text"):
        if args:
            if w.score_marks(labels(args[0])):
                w.report(w.site, texts.text_of(args[0])[:400], labels(args[0]))
            files.store(w, o, args[0])
        return NONE
    if name == "iterdir":
        return files.listing(w, f"{text}/*", labels(o))
    if name == "as_posix":
        return Const(text)
    return Data(labels(o))
