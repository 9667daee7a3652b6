"""What is known of libraries: where tokens come in, what changes state, and what only passes marks on."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache, lru_cache

from auditor.source import attributes, calls, objects
from auditor.source.library import (
    buffers,
    builtins_,
    containers,
    copies,
    executed,
    files,
    foreach,
    functions,
    iteration,
    layers,
    memory,
    methods,
    optimisers,
    search,
    tensors,
    texts,
    workers,
)
from auditor.source.sights import native_calls, states
from auditor.source.terms import build
from auditor.source.values import (
    NONE,
    Alt,
    Args,
    Bound,
    Cls,
    Const,
    Data,
    Dict,
    Func,
    Inst,
    Kw,
    Lib,
    LibObj,
    Method,
    ModuleValue,
    Native,
    Seq,
    Value,
    all_labels,
    join,
    labels,
)
from auditor.source.walk import Walk

Handler = Callable[[Walk, str, Args, Kw, ast.AST | None], Value]

_QUESTIONS = ("isinstance", "issubclass", "hasattr", "callable", "type")  # what a value is, not what is in it
NETWORK = ("requests", "urllib", "httpx", "aiohttp", "huggingface_hub", "boto3", "wget", "gdown")


def call(w: Walk, path: str, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    """Call a function or class of a library by its dotted name."""
    path, handler = _handler(path)
    if handler is not None and path in _QUESTIONS:
        return handler(w, path, args, kw, n)
    if handler is not None:
        out = states.called(w, [*args, *kw.values()], handler(w, path, args, kw, n))
        return build.called(w, path.rsplit(".", 1)[-1], args, kw, out)
    top = path.split(".", 1)[0]
    if top in NETWORK:
        return files.network(w, path, args, kw)
    workers.callback(w, path, args, kw, n)
    return states.unknown_call(w, args, kw, _unknown(w, path, args, kw))


@lru_cache(maxsize=4096)
def _handler(path: str) -> tuple[str, Handler | None]:
    """The usual name of a function and what knows it."""
    path = _canonical(path)
    found = _exact().get(path)
    return path, found or next((h for prefix, h in _families() if path.startswith(prefix)), None)


def _canonical(path: str) -> str:
    if path.startswith("torch.Tensor."):
        return "torch." + path[13:]
    if path.startswith("mlx."):
        path = (
            path.replace("mlx.core.", "torch.")
            .replace("mlx.nn.losses.", "torch.nn.functional.")
            .replace("mlx.nn.", "torch.nn.")
        )
        return path.replace("mlx.optimizers.", "torch.optim.").replace(
            "torch.nn.value_and_grad", "torch.func.value_and_grad"
        )
    if path.startswith(("cupy.", "jax.numpy.")):
        return "numpy." + path.split(".", 1)[1].removeprefix("numpy.")
    return path


def _unknown(w: Walk, path: str, args: Args, kw: Kw) -> Value:
    lab = 0
    for a in [*args, *kw.values()]:
        lab |= labels(a)
    last = path.rsplit(".", 1)[-1]
    if last[:1].isupper():
        o = LibObj(path, lab)
        for k, v in kw.items():
            o.attrs[k] = v
        for i, v in enumerate(args):
            o.attrs[f"@{i}"] = v
        return o
    return Data(lab)


def _pointer(w: Walk, path: str, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    """`ctypes.c_void_p(x)`, `ctypes.cast(x, …)`: the same memory."""
    name = path.rsplit(".", 1)[-1]
    if args and isinstance(args[0], Data) and (name.startswith("c_") or name in ("cast", "byref", "pointer")):
        return args[0]
    return _unknown(w, path, args, kw)


def call_object(w: Walk, o: LibObj, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    """Call an object that a library made: a layer, a loss, a wrapped function."""
    if o.path.startswith("torch.nn.") or o.holder is not None:
        return layers.call_layer(w, o, args, kw, n)
    if "@call" in o.attrs:
        return calls.call(w, o.attrs["@call"], args, kw, n)
    if o.path in ("torch.no_grad", "torch.inference_mode", "decorator") and args:
        return args[0]
    if isinstance(args[0] if args else None, (Func, Cls)) and len(args) == 1:
        return args[0]  # a decorator with arguments
    lab = labels(o)
    for a in [*args, *kw.values()]:
        lab |= labels(a)
    return Data(lab)


def call_method(w: Walk, owner: Value, name: str, args: Args, kw: Kw, n: ast.AST | None, own: bool = True) -> Value:
    """Call a method that no class of the submission defines."""
    if name in w.natives and isinstance(owner, (LibObj, Data, Lib, Alt)):
        return native_calls.called(w, name, args, kw)
    if isinstance(owner, Data):
        return build.called(w, name, [owner, *args], kw, methods.method(w, owner, name, args, kw, n))
    if isinstance(owner, Inst):
        if owner.is_optimizer:
            return optimisers.method(w, owner, name, args, kw)
        if owner.is_module:
            return layers.module_method(w, owner, name, args, kw, n)
        if workers.own_started(w, owner, name, n):
            return NONE
        lab = labels(owner)
        for a in [*args, *kw.values()]:
            lab |= labels(a)
        return Data(lab)
    if isinstance(owner, LibObj):
        if owner.path.startswith("torch.optim") or owner.path.endswith("GradScaler"):
            return optimisers.method(w, owner, name, args, kw)
        if owner.path.startswith("torch.nn.") or owner.path.endswith("DistributedDataParallel"):
            return layers.module_method(w, owner, name, args, kw, n)
        return objects.object_method(w, owner, name, args, kw, n)
    if isinstance(owner, (Seq, Dict)):
        found = containers.method(w, owner, name, args, kw, n)
        return build.item(w, owner, args[0], found) if name == "get" and args and isinstance(owner, Dict) else found
    if isinstance(owner, Const):
        return texts.constant_method(w, owner, name, args, kw)
    if isinstance(owner, Alt):
        out: Value | None = None
        for x in owner.values:
            if not isinstance(x, Const):
                out = join(out, calls.call(w, attributes.get(w, x, name, n or ast.Constant(None)), args, kw, n))
        return out or Data()
    if isinstance(owner, Cls) and name == "__new__":
        return NONE
    if isinstance(owner, (Func, Bound, Native, Lib, ModuleValue, Method)):
        if name in memory.VIEWS and args:
            return memory.view(args[0])
        return Data(all_labels(args, kw))
    if isinstance(owner, Cls):
        if name == "apply":
            applied = functions.apply(w, owner, args, kw, n)
            if applied is not None:
                return applied
        if name in ("_make", "from_dict", "fromkeys"):
            return Data(all_labels(args, kw))
        for base in owner.library_bases():
            return call(w, f"{base}.{name}", args, kw, n)
    if name in memory.VIEWS and args:
        return memory.view(args[0])
    return Data(labels(owner) | all_labels(args, kw))


@cache
def _exact() -> dict[str, Handler]:
    """Handlers by full name, put together at the first call: the modules that hold them import this one."""
    tables = (buffers, builtins_, copies, executed, files, iteration, memory, optimisers, search, tensors, workers)
    return {name: handler for module in tables for name, handler in module.FUNCTIONS.items()}


@cache
def _families() -> tuple[tuple[str, Handler], ...]:
    """Handlers by how a name begins; the first that fits is taken."""
    return (
        ("torch._foreach_", foreach.each),
        ("torch._fused_", foreach.step),
        ("torch.optim.", optimisers.make),
        ("torch.nn.functional.", tensors.function),
        ("torch.nn.init.", tensors.initialise),
        ("torch.nn.utils.", layers.utility),
        ("torch.nn.", layers.make_layer),
        ("torch.distributed.", tensors.distributed),
        ("torch.cuda.", tensors.quiet),
        ("torch._dynamo", tensors.quiet),
        ("torch.backends", tensors.quiet),
        ("torch.profiler", tensors.quiet),
        ("torch.", tensors.function),
        ("numpy.", tensors.function),
        ("scipy.", tensors.function),
        ("math.", tensors.function),
        ("sentencepiece.", files.tokenizer),
        ("tokenmonster.", files.tokenizer),
        ("tiktoken.", files.tokenizer),
        ("tokenizers.", files.tokenizer),
        ("transformers.", files.pretrained),
        ("flash_attn", tensors.attention),
        ("ctypes.", _pointer),
    )
