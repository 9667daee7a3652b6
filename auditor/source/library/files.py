"""Files, the environment, the command line, tokenizers, the clock and the network."""

from __future__ import annotations

import ast
import fnmatch
import re

from auditor.source import attributes, calls, imports
from auditor.source.labels import Mark
from auditor.source.library import environment, texts
from auditor.source.sights import artifact, cuts
from auditor.source.tokens import tokens_value
from auditor.source.values import (
    NONE,
    Args,
    Const,
    Data,
    Kw,
    Lib,
    LibObj,
    Seq,
    Value,
    all_labels,
    join,
    labels,
)
from auditor.source.walk import Walk
from rules.events import Sight, Split

_VAL = re.compile(r"(?:^|[^a-z])val(?:id|idation)?(?:[^a-z]|$)")
_TRAIN = re.compile(r"(?:^|[^a-z])train(?:ing)?(?:[^a-z]|$)|docs_selected")
_SIDECAR = re.compile(r"byte|side_?car")
_NOT_TOKENS = re.compile(
    r"\.(?:pt|pth|ptz|py|txt|log|json|model|ckpt|safetensors|br|xz|lzma|zst|md|csv|so|c|cu|cpp)$|model|ckpt|checkpoint|\.int[0-9]"
)


def split_of(text: str) -> tuple[Split | None, bool]:
    """Which tokens a file of this name holds, and whether it is a byte side-car."""
    low = text.lower()
    name = low.rsplit("/", 1)[-1]
    if _NOT_TOKENS.search(name):
        return None, False
    side = bool(_SIDECAR.search(name)) and not name.startswith("fineweb10b")
    for part in (name, low):
        v, t = _VAL.search(part), _TRAIN.search(part)
        if v and not t:
            return Split.VALIDATION, side
        if t and not v:
            return Split.TRAIN, side
    return None, side


def load_tokens(w: Walk, source: Value, kw: Kw) -> Value | None:
    """Tokens read from a named file; None if the name says nothing."""
    stored = stored_value(w, source)
    if stored is not None:
        return stored
    split, side = split_of(text_of_path(source))
    if split is None:
        return None
    count = kw.get("count")
    dtype = kw.get("dtype")
    if isinstance(count, Const) and isinstance(count.v, int) and 0 < count.v <= 1024:
        return Data(text="header")
    if isinstance(dtype, Const) and str(dtype.v) in ("<i4", "int32", "i4") and count is not None:
        return Data(text="header")
    stop = cuts.everything(w) + 1 if split is Split.VALIDATION else None
    return tokens_value(w, split, w.site.path, w.site.line, stop, sidecar=side)


def text_of_path(v: Value) -> str:
    if isinstance(v, LibObj) and "text" in v.attrs:
        return texts.text_of(v.attrs["text"])
    if isinstance(v, LibObj) and v.path == "file":
        return text_of_path(v.attrs.get("path", NONE))
    if isinstance(v, Seq):
        return text_of_path(v.items[0]) if v.items else ""
    return texts.text_of(v)


def stored_value(w: Walk, source: Value) -> Value | None:
    if isinstance(source, LibObj) and "@content" in source.attrs:
        return artifact.read_back(w, source.attrs["@content"])
    key = text_of_path(source).rsplit("/", 1)[-1]
    if key and key != "{}" and key in w.files:
        return artifact.read_back(w, w.files[key])
    return None


def store(w: Walk, target: Value, v: Value) -> None:
    """Keep what is written to a file or buffer, so that it is found again when it is read."""
    artifact.written(w, v)
    v = artifact.frozen(w, v)
    if isinstance(target, LibObj) and target.path in ("buffer",):
        target.attrs["@content"] = v
        return
    key = text_of_path(target).rsplit("/", 1)[-1]
    if key:
        w.files[key] = join(w.files[key], v) if key in w.files and w.guards else v


def _fromfile(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if not a:
        return Data(all_labels(a, k))
    kw = dict(k)
    if len(a) > 1:
        kw.setdefault("dtype", a[1])
    if len(a) > 2:
        kw.setdefault("count", a[2])
    found = load_tokens(w, a[0], kw)
    if found is not None:
        return found
    return Data(all_labels(a, k) | artifact.unknown(w))


def _load(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if not a:
        return Data()
    found = load_tokens(w, a[0], k)
    if found is not None:
        if isinstance(found, Data) and found.holder is None and found.tok is None:
            return Data(labels(found) & ~w.marks.mask[Mark.PARAMETER], tag=found.tag)
        return found
    return Data(all_labels(a, k))


def _save(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if len(a) < 2:
        return NONE
    v, target = (a[1], a[0]) if p.startswith("numpy.") else (a[0], a[1])
    store(w, target, v)
    if w.score_marks(labels(v)) and p.startswith("json"):
        w.report(w.site, texts.text_of(v)[:400], labels(v))
    return NONE


def _open(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    f = LibObj("file")
    f.attrs["path"] = a[0] if a else NONE
    return f


def _reopened(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return a[0] if a and isinstance(a[0], LibObj) else _open(w, p, a, k, n)


def _glob(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return listing(w, text_of_path(a[0]) if a else "", all_labels(a, k))


def listing(w: Walk, pattern: str, lab: int) -> Value:
    """The files that a pattern finds: one for validation, several for training."""
    name = pattern.replace("*", "000000").replace("?", "0").replace("[0-9]", "0")
    split, _ = split_of(name)
    if split is None and (found := cuts.both(pattern.rsplit("/", 1)[-1])):
        return Seq([Const(f, lab) for f in found], "list", False, lab)
    item: Value = Const(name, lab) if "{}" not in name else Data(lab, text=name)
    last = pattern.rsplit("/", 1)[-1]
    copies: list[Value] = (
        [Const(f, lab) for f in w.files if f != name.rsplit("/", 1)[-1] and fnmatch.fnmatchcase(f, last)]
        if "*" in last
        else []
    )
    return Seq([item, *copies], "list", split is not Split.VALIDATION, lab)


def _copy(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """A file under a second name: what is read under that name are the same tokens."""
    if len(a) > 1:
        found = load_tokens(w, a[0], {})
        target = text_of_path(a[1])
        if found is not None and target:
            name = target.rsplit("/", 1)[-1]
            if "." not in name:
                name = text_of_path(a[0]).rsplit("/", 1)[-1]
            w.files[name] = found
    return a[1] if len(a) > 1 else NONE


def _path(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return attributes.path_of("/".join(text_of_path(x) for x in a) or ".", all_labels(a, k))


def _join(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    texts = [text_of_path(x) for x in a]
    whole = "/".join(t.rstrip("/") if i < len(texts) - 1 else t for i, t in enumerate(texts))
    known = all(isinstance(x, Const) or (isinstance(x, LibObj) and isinstance(x.attrs.get("text"), Const)) for x in a)
    return Const(whole, all_labels(a, k)) if known else Data(all_labels(a, k), text=whole)


def _path_part(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    text = text_of_path(a[0]) if a else ""
    out = (
        text.rstrip("/").rsplit("/", 1)[-1]
        if p.endswith("basename")
        else text.rsplit("/", 1)[0]
        if p.endswith("dirname") and "/" in text
        else text
    )
    return Const(out) if a and isinstance(a[0], Const) else Data(all_labels(a, k), text=out)


def _getenv(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return environment.environment(w, a[0], a[1] if len(a) > 1 else k.get("default"), w.site) if a else NONE


def _clock(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return Data(w.marks.make(Mark.CLOCK, 0), tag="clock")


def network(w: Walk, path: str, args: Args, kw: Kw) -> Value:
    w.see(Sight.NETWORK, w.site, f"{path} reaches for the network", detail=(("call", path),))
    return Data(all_labels(args, kw) | w.marks.make(Mark.NETWORK, 0))


def tokenizer(w: Walk, path: str, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    return LibObj("tokenizer")


def pretrained(w: Walk, path: str, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    o = LibObj("pretrained")
    if path.endswith("from_pretrained"):
        w.see(
            Sight.EXTERNAL_WEIGHTS,
            w.site,
            f"{path} loads weights that were trained elsewhere",
            detail=(("call", path),),
        )
    return o


def _spawn(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    fn = a[0] if a else k.get("fn", NONE)
    given = k.get("args", a[1] if len(a) > 1 else Seq([]))
    rest = given.items if isinstance(given, Seq) else []
    return calls.call(w, fn, [Const(0), *rest], {}, n)


def _parser(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    o = LibObj("argparse")
    o.attrs["@namespace"] = LibObj("namespace")
    return o


def turns_now(w: Walk) -> int:
    out = 0
    for t in w.turns:
        out |= w.marks.make(Mark.TURN, t)
    return out


def _log(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    lab = all_labels(a, k)
    if w.score_marks(lab):
        w.report(w.site, " ".join(texts.text_of(v) for v in a)[:400], lab)
    return NONE


def _dumps(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return Data(all_labels(a, k), text=texts.text_of(a[0])[:400] if a else "")


def _logger(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return LibObj("logger")


def _buffer(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    o = LibObj("buffer")
    if a:
        o.attrs["@content"] = a[0]
    return o


def _passed(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    lab = artifact.packed(w, all_labels(a, k))
    return Data(lab | artifact.compressed(w, lab) if p.endswith(".compress") else lab)


def _import(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if a and isinstance(a[0], Const):
        name = str(a[0].v).lstrip(".")
        return imports.own_module(w, name) or Lib(name)
    return Data()


def _memmap(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return _fromfile(w, p, a, k, n)


FUNCTIONS = {
    "numpy.fromfile": _fromfile,
    "numpy.memmap": _memmap,
    "numpy.load": _load,
    "numpy.save": _save,
    "numpy.savez": _save,
    "numpy.savez_compressed": _save,
    "torch.load": _load,
    "torch.save": _save,
    "torch.from_file": _fromfile,
    "torch.UntypedStorage.from_file": _fromfile,
    "pickle.load": _load,
    "pickle.dump": _save,
    "json.load": _load,
    "json.dump": _save,
    "json.dumps": _dumps,
    "pprint.pformat": _dumps,
    "open": _open,
    "io.open": _open,
    "io.FileIO": _open,
    "os.open": _open,
    "os.fdopen": _reopened,
    "io.BufferedReader": _reopened,
    "gzip.open": _open,
    "lzma.open": _open,
    "io.BytesIO": _buffer,
    "glob.glob": _glob,
    "glob.iglob": _glob,
    "os.listdir": _glob,
    "os.scandir": _glob,
    **{f"shutil.{f}": _copy for f in ("copy", "copy2", "copyfile", "move")},
    **{f"os.{f}": _copy for f in ("symlink", "link", "rename", "replace")},
    "pathlib.Path": _path,
    "pathlib.PurePath": _path,
    "os.path.join": _join,
    "os.path.basename": _path_part,
    "os.path.dirname": _path_part,
    "os.path.abspath": _path_part,
    "os.path.realpath": _path_part,
    "os.path.expanduser": _path_part,
    "os.getenv": _getenv,
    "os.environ.get": _getenv,
    "time.time": _clock,
    "time.perf_counter": _clock,
    "time.monotonic": _clock,
    "time.time_ns": _clock,
    "time.perf_counter_ns": _clock,
    "logging.getLogger": _logger,
    "logging.info": _log,
    "logging.warning": _log,
    "sys.stdout.write": _log,
    "sys.stderr.write": _log,
    "wandb.log": _log,
    "argparse.ArgumentParser": _parser,
    "torch.multiprocessing.spawn": _spawn,
    "multiprocessing.spawn": _spawn,
    "importlib.import_module": _import,
    "__import__": _import,
    **{
        f"{lib}.{f}": _passed
        for lib in ("zlib", "lzma", "bz2", "gzip", "brotli", "zstandard", "zstd", "pickle", "json", "msgpack", "base64")
        for f in ("compress", "decompress", "dumps", "loads")
        if (lib, f) != ("json", "dumps")
    },
}
