"""`triton.jit`, `autotune` and `heuristics`: functions that are launched over a grid."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType, SimpleNamespace
from typing import Any

from torch import Tensor

from . import copies, launch
from .memory import BlockPointer, Pointer, TensorDescriptor, pointer
from .values import Constant, constant, raw

# what a launch may say beside a kernel's own arguments
OPTIONS = {
    "num_warps", "num_stages", "num_ctas", "maxnreg", "enable_fp_fusion", "launch_cooperative_grid", "launch_pdl", "debug",
    "warmup", "grid", "stream", "allow_fp8e4nv", "waves_per_eu", "matrix_instr_nonkdim", "num_buffers_warp_spec",
    "num_consumer_groups", "reg_dec_producer", "reg_inc_consumer", "sanitize_overflow", "ir_override", "minRegAutoWS",
    "maxRegAutoWS", "cluster_dims", "extern_libs", "default_dot_input_precision", "supported_fp8_dtypes", "instrumentation_mode",
}  # fmt: skip


class KernelInterface:
    """What can be launched: `kernel[grid](arguments)`."""

    def __getitem__(self, grid: Any) -> Callable[..., Any]:
        return lambda *args, **kwargs: self.run(*args, grid=grid, warmup=False, **kwargs)

    def run(self, *args: Any, grid: Any, warmup: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError

    def warmup(self, *args: Any, grid: Any, **kwargs: Any) -> Any:
        return self.run(*args, grid=grid, warmup=True, **kwargs)


class JITFunction(KernelInterface):
    def __init__(self, fn: Any, **options: Any) -> None:
        self.fn = fn
        self.signature = inspect.signature(fn)
        self.arg_names = list(self.signature.parameters)
        self.params = [
            SimpleNamespace(
                name=n, num=i, default=p.default, has_default=p.default is not p.empty, is_constexpr=_constexpr(p)
            )
            for i, (n, p) in enumerate(self.signature.parameters.items())
        ]
        self.constexprs = [p.num for p in self.params if p.is_constexpr]
        self.noinline = options.get("noinline")
        self.do_not_specialize = options.get("do_not_specialize")
        self.launch_metadata = options.get("launch_metadata")
        self.repr = options.get("repr") or (lambda _: fn.__name__)
        self.pre_run_hooks: list[Any] = []
        self.device_caches: dict[Any, Any] = {}
        self.hash: Any = None
        functools.update_wrapper(self, fn)
        try:
            self.src = inspect.getsource(fn)
        except (OSError, TypeError):
            self.src = ""

    @property
    def cache_key(self) -> str:
        return str(hash(self.src))

    def add_pre_run_hook(self, hook: Any) -> None:
        self.pre_run_hooks.append(hook)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A call from another kernel."""
        launch.group()
        return launch.inside(self.fn)(*(constant(a) for a in args), **{k: constant(v) for k, v in kwargs.items()})

    def run(self, *args: Any, grid: Any, warmup: bool = False, **kwargs: Any) -> Any:
        own = {k: v for k, v in kwargs.items() if k in self.signature.parameters}
        strange = set(kwargs) - set(own) - OPTIONS
        if strange:
            raise KeyError(f"Keyword argument {min(strange)} was specified but unrecognised")
        bound = self.signature.bind(*args, **own)
        bound.apply_defaults()
        for hook in self.pre_run_hooks:
            hook(*args, **kwargs)
        sizes = _sizes(grid, {**bound.arguments, **kwargs})
        if not warmup and all(sizes):
            body = launch.inside(self.fn)
            with copies.brought():
                given = [_argument(v) for v in bound.arguments.values()]
                launch.run(lambda: body(*given), sizes, list(_memory(given)))
        return _compiled(self.fn.__name__, kwargs)

    def __repr__(self) -> str:
        return f"JITFunction({self.fn.__module__}:{self.fn.__qualname__})"


def _constexpr(p: inspect.Parameter) -> bool:
    return p.annotation is Constant or (isinstance(p.annotation, str) and "constexpr" in p.annotation)


def _argument(v: Any) -> Any:
    """An argument as the kernel has it."""
    if isinstance(v, Tensor) or (hasattr(v, "base") and hasattr(v, "data_ptr")):
        return pointer(v)
    if isinstance(v, TensorDescriptor):
        return v.inside()
    if isinstance(v, tuple):
        return tuple(_argument(x) for x in v)
    if hasattr(v, "dtype") and hasattr(v, "item") and not isinstance(v, Constant):
        v = v.item()  # a number of numpy's
    return constant(v)


def _memory(given: Any) -> Iterator[Tensor]:
    """What the arguments point to."""
    for v in given:
        if isinstance(v, BlockPointer):
            v = v.base
        if isinstance(v, Pointer):
            yield v.flat
        elif isinstance(v, tuple):
            yield from _memory(v)


def _sizes(grid: Any, meta: Mapping[str, Any]) -> tuple[int, ...]:
    grid = grid(dict(meta)) if callable(grid) else grid
    return tuple(int(raw(g)) for g in (grid if isinstance(grid, (tuple, list)) else (grid,)))


def _compiled(name: str, options: Mapping[str, Any]) -> Any:
    return SimpleNamespace(
        name=name,
        n_regs=128,
        n_spills=0,
        n_max_threads=1024,
        num_warps=options.get("num_warps", 4),
        asm={"ttir": "", "ttgir": "", "llir": "", "ptx": "", "cubin": b""},
        metadata=SimpleNamespace(
            num_warps=options.get("num_warps", 4),
            num_stages=options.get("num_stages", 3),
            num_ctas=1,
            shared=0,
            name=name,
        ),
        _init_handles=lambda: None,
    )


def jit(fn: Any = None, **options: Any) -> Any:
    if fn is None:
        return lambda f: JITFunction(f, **options)
    return fn if isinstance(fn, JITFunction) else JITFunction(fn, **options)


def constexpr_function(fn: FunctionType) -> Callable[..., Any]:
    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        out = fn(*(raw(a) for a in args), **{k: raw(v) for k, v in kwargs.items()})
        return constant(out) if launch.running() else out

    return call


class Config:
    def __init__(
        self,
        kwargs: dict[str, Any],
        num_warps: int = 4,
        num_stages: int = 3,
        num_ctas: int = 1,
        maxnreg: int | None = None,
        pre_hook: Any = None,
        ir_override: Any = None,
        **_: object,
    ) -> None:
        self.kwargs, self.num_warps, self.num_stages, self.num_ctas = kwargs, num_warps, num_stages, num_ctas
        self.maxnreg, self.pre_hook, self.ir_override = maxnreg, pre_hook, ir_override

    def all_kwargs(self) -> dict[str, Any]:
        return {**self.kwargs, "num_warps": self.num_warps, "num_stages": self.num_stages, "num_ctas": self.num_ctas}

    def __str__(self) -> str:
        return ", ".join(f"{k}: {v}" for k, v in self.all_kwargs().items())

    __repr__ = __str__


class Autotuner(KernelInterface):
    """Takes the first of the configurations: which one is fastest on a GPU cannot be told here."""

    def __init__(self, fn: Any, configs: list[Config], key: Any, prune_configs_by: Any = None, **options: Any) -> None:
        self.fn, self.configs, self.keys = fn, list(configs) or [Config({})], list(key)
        self.arg_names = list(fn.arg_names)
        self.base_fn = fn
        while not inspect.isfunction(self.base_fn):
            self.base_fn = self.base_fn.fn
        self.early_config_prune = (prune_configs_by or {}).get("early_config_prune")
        self.cache: dict[Any, Config] = {}
        self.best_config = self.configs[0]
        functools.update_wrapper(self, self.base_fn)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        named = dict(zip(self.arg_names, args, strict=False))
        configs = self.configs
        if self.early_config_prune is not None:
            configs = self.early_config_prune(configs, named, **kwargs) or configs
        config = self.best_config = configs[0]
        self.cache[tuple(str(named.get(k, kwargs.get(k))) for k in self.keys)] = config
        own = {k: v for k, v in kwargs.items() if k not in config.all_kwargs()}
        if config.pre_hook is not None:
            config.pre_hook({**named, **kwargs, **config.all_kwargs()})
        return self.fn.run(*args, **own, **config.all_kwargs())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fn(*args, **kwargs)


def autotune(
    configs: list[Config], key: Any, prune_configs_by: Any = None, **options: Any
) -> Callable[[Any], Autotuner]:
    return lambda fn: Autotuner(fn, configs, key, prune_configs_by, **options)


class Heuristics(KernelInterface):
    def __init__(self, fn: Any, arg_names: list[str], values: dict[str, Any]) -> None:
        self.fn, self.arg_names, self.values = fn, arg_names, values

    def run(self, *args: Any, **kwargs: Any) -> Any:
        named = {**dict(zip(self.arg_names, args, strict=False)), **kwargs}
        for name, heuristic in self.values.items():
            kwargs[name] = named[name] = heuristic(named)
        return self.fn.run(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fn(*args, **kwargs)


def heuristics(values: dict[str, Any]) -> Callable[[Any], Heuristics]:
    return lambda fn: Heuristics(fn, fn.arg_names, values)


class TensorWrapper:
    """A tensor's memory, read as elements of another type."""

    def __init__(self, base: Tensor, dtype: Any) -> None:
        self.base, self.dtype = base, dtype
        self.shape, self.device = base.shape, base.device

    def data_ptr(self) -> int:
        return int(self.base.data_ptr())

    def stride(self, *args: Any) -> Any:
        return self.base.stride(*args)

    def element_size(self) -> int:
        return int(self.base.element_size())


def reinterpret(tensor: Any, dtype: Any) -> TensorWrapper:
    return TensorWrapper(tensor.base if isinstance(tensor, TensorWrapper) else tensor, dtype)
