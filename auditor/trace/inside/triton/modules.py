"""The modules of the package, as scripts and torch's own code import them."""

from __future__ import annotations

import importlib.machinery
import sys
import sysconfig
import time
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import torch

from . import kernels, language, launch, memory

VERSION = "3.4.0"


class OutOfResources(Exception):
    pass


class CompilationError(Exception):
    pass


def cdiv(x: int, y: int) -> int:
    return (x + y - 1) // y


def next_power_of_2(n: int) -> int:
    return 1 << max(0, int(n) - 1).bit_length() if n > 0 else 0


def do_bench(
    fn: Callable[[], object], *args: Any, return_mode: str = "mean", quantiles: Any = None, **kwargs: Any
) -> Any:
    """One call, in milliseconds of the clock that the script sees."""
    start = time.perf_counter()
    fn()
    took = (time.perf_counter() - start) * 1e3
    if quantiles is not None:
        return [took for _ in quantiles]
    return [took] if return_mode == "all" else took


def install(watch: launch.Watch | None = None) -> None:
    """Put the modules where `import` looks first, also before a package that is installed and finds no GPU."""
    launch.watch = watch or launch.Watch()
    for name in [n for n in sys.modules if n.partition(".")[0] == "triton"]:
        del sys.modules[name]
    device = SimpleNamespace(backend="cuda", arch=90, warp_size=32)
    active = SimpleNamespace(
        get_current_device=lambda: 0,
        set_current_device=lambda device: None,
        get_current_stream=lambda device=None: 0,
        get_current_target=lambda: device,
        get_device_capability=lambda *a: (9, 0),
        get_active_torch_device=lambda: torch.device("cuda", 0),
        get_device_interface=lambda: torch.cuda,
        get_benchmarker=lambda: do_bench,
        get_empty_cache_for_benchmark=lambda: torch.empty(1 << 10, dtype=torch.int32),
        clear_cache=lambda cache: None,
        utils=SimpleNamespace(get_device_properties=_properties),
    )
    driver = SimpleNamespace(active=active, set_active=lambda driver: None, reset_active=lambda: None)
    fast, names = language.libdevice(), language.namespace()
    own = {n: names[n] for n in ("exp", "exp2", "log", "log2", "sqrt", "rsqrt", "sin", "cos", "erf", "floor", "ceil", "abs", "fma",
                                 "div_rn", "sqrt_rn", "fdiv", "umulhi")}  # fmt: skip
    jitted = {n: getattr(kernels, n) for n in ("JITFunction", "KernelInterface", "jit", "reinterpret", "TensorWrapper")}
    tuned = {n: getattr(kernels, n) for n in ("Autotuner", "Config", "Heuristics", "autotune", "heuristics")}
    tuned["OutOfResources"] = OutOfResources
    errors = {"CompilationError": CompilationError}
    compiler = {**errors, "CompiledKernel": type("CompiledKernel", (), {}), "ASTSource": type("ASTSource", (), {}),
                "triton_key": lambda: VERSION, "compile": language.unsupported}  # fmt: skip
    target = type("GPUTarget", (), {"__init__": _target})
    contents: dict[str, dict[str, Any]] = {
        "triton": {
            "__version__": VERSION,
            **{
                n: getattr(kernels, n)
                for n in ("jit", "autotune", "heuristics", "Config", "JITFunction", "KernelInterface")
            },
            **{n: getattr(kernels, n) for n in ("reinterpret", "TensorWrapper", "constexpr_function")},
            **errors,
            "cdiv": kernels.constexpr_function(cdiv),  # type: ignore[arg-type]
            "next_power_of_2": kernels.constexpr_function(next_power_of_2),  # type: ignore[arg-type]
            "set_allocator": lambda allocator: None,
            "OutOfResources": OutOfResources,
            "compile": language.unsupported,
            "InterpreterError": type("InterpreterError", (Exception,), {}),
            "MockTensor": type("MockTensor", (), {}),
            "must_use_result": language.itself,
        },
        "triton.language": names,
        "triton.language.core": {**names, "view": _view},
        "triton.language.standard": {**names, "_log2": names["log2"]},
        "triton.language.semantic": {},
        "triton.language.random": {n: f for n, f in names.items() if n.startswith(("rand", "philox"))},
        "triton.language.math": own,
        "triton.language.extra": {},
        "triton.language.extra.libdevice": fast,
        "triton.language.extra.cuda": {
            "libdevice": None,
            "gdc_wait": language.nothing,
            "gdc_launch_dependents": language.nothing,
        },
        "triton.language.extra.cuda.libdevice": fast,
        "triton.runtime": {**jitted, **tuned, "driver": driver},
        "triton.runtime.jit": jitted,
        "triton.runtime.autotuner": tuned,
        "triton.runtime.driver": vars(driver),
        "triton.runtime.errors": {"OutOfResources": OutOfResources, "PTXASError": type("PTXASError", (Exception,), {})},
        "triton.runtime.cache": {"triton_key": lambda: VERSION, "default_cache_dir": lambda: "/root/.triton/cache"},
        "triton.runtime.interpreter": {},
        "triton.compiler": compiler,
        "triton.compiler.compiler": compiler,
        "triton.compiler.errors": errors,
        "triton.backends": {"backends": {"nvidia": SimpleNamespace()}, "BaseBackend": type("BaseBackend", (), {})},
        "triton.backends.compiler": {"GPUTarget": target, "BaseBackend": type("BaseBackend", (), {})},
        "triton.tools": {},
        "triton.tools.tensor_descriptor": {"TensorDescriptor": memory.TensorDescriptor},
        "triton.testing": {
            "do_bench": do_bench,
            "do_bench_cudagraph": do_bench,
            "assert_close": torch.testing.assert_close,
        },
        "triton.knobs": {
            "runtime": SimpleNamespace(interpret=False, debug=False, override_arch=None, kernel_load_end_hook=None),
            "autotuning": SimpleNamespace(print=False, cache=False),
            "compilation": SimpleNamespace(always_compile=False),
            "cache": SimpleNamespace(dir="/root/.triton/cache"),
            "nvidia": SimpleNamespace(),
        },
    }
    root = sysconfig.get_path("purelib")
    packages = {n for n in contents if any(m.startswith(n + ".") for m in contents)}
    for name, names in contents.items():
        _module(name, names, root, name in packages)
    sys.modules["triton.language.core"].__dict__["builtin"] = language.itself


def _module(name: str, names: dict[str, Any], root: str, package: bool) -> None:
    path = f"{root}/{name.replace('.', '/')}" + ("/__init__.py" if package else ".py")
    m = ModuleType(name)
    m.__file__ = path
    m.__spec__ = importlib.machinery.ModuleSpec(name, None, origin=path, is_package=package)
    m.__spec__.has_location = True
    m.__package__ = name if package else name.rpartition(".")[0]
    if package:
        m.__path__ = []
    m.__dict__.update(names)
    sys.modules[name] = m
    parent, _, child = name.rpartition(".")
    if parent and not (parent == "triton.runtime" and child == "driver"):
        setattr(sys.modules[parent], child, m)


def _view(input: Any, *shape: Any, _semantic: Any = None) -> Any:
    return language.reshape(input, *shape)


def _target(self: Any, backend: str, arch: int | str, warp_size: int) -> None:
    self.backend, self.arch, self.warp_size = backend, arch, warp_size


def _properties(device: int = 0) -> dict[str, int]:
    return {
        "max_shared_mem": 232448,
        "max_num_regs": 65536,
        "multiprocessor_count": 132,
        "warpSize": 32,
        "sm_clock_rate": 1980000,
        "mem_clock_rate": 2619000,
        "mem_bus_width": 5120,
    }
