"""Stand-ins for `torch.cuda` and autocast, as an H100 would answer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch

from .devices import CPU, here, is_cuda

NAME = "NVIDIA H100 80GB HBM3"
MEMORY = 85_045_084_160  # bytes, as the driver reports them


class Stream:
    """Work on one queue: in order, which is how the CPU does it anyway."""

    cuda_stream = 0
    device = torch.device("cuda", 0)

    def __init__(self, *args: object, **kwargs: object) -> None: ...

    def wait_stream(self, other: object) -> None: ...

    def wait_event(self, event: object) -> None: ...

    def synchronize(self) -> None: ...

    def query(self) -> bool:
        return True

    def record_event(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record()
        return event

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None: ...


class Event:
    """A point in time on the clock that the script sees."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.at = 0.0

    def record(self, stream: object = None) -> None:
        import time

        self.at = time.perf_counter()

    def wait(self, stream: object = None) -> None: ...

    def synchronize(self) -> None: ...

    def query(self) -> bool:
        return True

    def elapsed_time(self, end: Event) -> float:
        return (end.at - self.at) * 1e3


class Graph:
    """A CUDA graph that runs nothing again: `replay` cannot be stood in for, and says so."""

    def __init__(self, *args: object, **kwargs: object) -> None: ...

    def replay(self) -> None:
        raise NotImplementedError("CUDA graphs are not replayed on a CPU")

    def reset(self) -> None: ...


class Autocast(torch.amp.autocast_mode.autocast):  # type: ignore[misc]
    """Autocast for the GPU, done by the CPU's."""

    def __init__(self, device_type: str = "cuda", *args: Any, **kwargs: Any) -> None:
        super().__init__("cpu" if is_cuda(device_type) else device_type, *args, **kwargs)


class CudaAutocast(Autocast):
    def __init__(self, enabled: bool = True, dtype: Any = torch.float16, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


class InferenceMode(torch.no_grad):
    """Inference mode, done by `no_grad`.

    On a GPU, compiled graphs hide that tensors kept from inference (such as the tables of rotary
    embeddings) may not be differentiated later; here they would be refused.
    """

    on = 0

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.mode = mode

    def __new__(cls, mode: Any = True) -> Any:
        if callable(mode):  # @torch.inference_mode without brackets
            return cls()(mode)
        return super().__new__(cls)

    def __enter__(self) -> None:
        if self.mode:
            InferenceMode.on += 1
            super().__enter__()

    def __exit__(self, *error: Any) -> None:
        if self.mode:
            InferenceMode.on -= 1
            super().__exit__(*error)

    def clone(self) -> InferenceMode:
        return type(self)(self.mode)


def properties(*_: object) -> SimpleNamespace:
    return SimpleNamespace(
        name=NAME,
        major=9,
        minor=0,
        total_memory=MEMORY,
        multi_processor_count=132,
        warp_size=32,
        regs_per_multiprocessor=65536,
        shared_memory_per_block=49152,
        shared_memory_per_multiprocessor=233472,
        shared_memory_per_block_optin=232448,
        max_threads_per_multi_processor=2048,
        gcnArchName="",
        is_integrated=0,
        is_multi_gpu_board=0,
        uuid="",
        L2_cache_size=52428800,
    )


@contextlib.contextmanager
def nothing(*_: object, **__: object) -> Iterator[None]:
    yield


def install(gpus: int = 1) -> None:
    """Put the stand-ins in place."""
    current = Stream()
    zero = _constant(0)
    answers: dict[str, Any] = {
        "is_available": _constant(True),
        "is_initialized": _constant(True),
        "device_count": _constant(gpus),
        "current_device": zero,
        "set_device": _constant(None),
        "init": _constant(None),
        "synchronize": _constant(None),
        "empty_cache": _constant(None),
        "ipc_collect": _constant(None),
        "manual_seed": lambda seed: None,
        "manual_seed_all": lambda seed: None,
        "seed_all": _constant(None),
        "get_rng_state": lambda *a: torch.get_rng_state(),
        "set_rng_state": lambda state, *a: None,
        "get_rng_state_all": lambda: [torch.get_rng_state()],
        "set_rng_state_all": lambda states: None,
        "initial_seed": torch.initial_seed,
        "memory_allocated": zero,
        "max_memory_allocated": zero,
        "memory_reserved": zero,
        "max_memory_reserved": zero,
        "reset_peak_memory_stats": _constant(None),
        "reset_max_memory_allocated": _constant(None),
        "set_per_process_memory_fraction": _constant(None),
        "memory_stats": lambda *a, **k: {},
        "memory_summary": lambda *a, **k: "",
        "mem_get_info": lambda *a: (MEMORY, MEMORY),
        "get_device_properties": properties,
        "get_device_name": _constant(NAME),
        "get_device_capability": _constant((9, 0)),
        "get_arch_list": lambda: ["sm_90"],
        "is_bf16_supported": _constant(True),
        "stream": nothing,
        "device": nothing,
        "graph": nothing,
        "Stream": Stream,
        "Event": Event,
        "CUDAGraph": Graph,
        "make_graphed_callables": lambda callables, *a, **k: callables,
        "current_stream": _constant(current),
        "default_stream": _constant(current),
        "set_stream": _constant(None),
        "utilization": zero,
        "is_current_stream_capturing": _constant(False),
    }
    for name, value in answers.items():
        setattr(torch.cuda, name, value)
    torch.Tensor.record_stream = _constant(None)  # refuses a stream that is none before any mode is asked
    torch.cuda.amp.autocast = CudaAutocast
    torch.cuda.amp.autocast_mode.autocast = CudaAutocast
    torch.autocast = Autocast
    torch.amp.autocast = Autocast
    torch.amp.autocast_mode.autocast = Autocast
    infer()
    torch.version.cuda = "12.8"
    _attention()
    _device_arguments()


def infer() -> None:
    torch.inference_mode = InferenceMode  # type: ignore[misc, assignment]
    torch.autograd.inference_mode = InferenceMode  # type: ignore[misc, assignment]
    torch.autograd.grad_mode.inference_mode = InferenceMode  # type: ignore[misc, assignment]
    torch.is_inference_mode_enabled = lambda: InferenceMode.on > 0


def _attention() -> None:
    """Which of a GPU's ways to do attention are allowed: the CPU's own is not among them and stays."""
    for name in ("flash", "mem_efficient", "math", "cudnn"):
        allowed = [True]

        def enable(to: bool, allowed: list[bool] = allowed) -> None:
            allowed[0] = bool(to)

        setattr(torch.backends.cuda, f"enable_{name}_sdp", enable)
        setattr(torch.backends.cuda, f"{name}_sdp_enabled", lambda allowed=allowed: allowed[0])
    torch.nn.attention.sdpa_kernel = nothing


def _device_arguments() -> None:
    """Doors that take a device without going through a tensor's functions."""
    load, generator, is_autocast = torch.load, torch.Generator, torch.is_autocast_enabled

    def loading(f: Any, map_location: Any = None, *args: Any, **kwargs: Any) -> Any:
        return load(f, CPU if is_cuda(map_location) or map_location is None else map_location, *args, **kwargs)

    class Generator(generator):  # type: ignore[misc, valid-type]
        def __new__(cls, device: Any = "cpu") -> Any:
            return generator(here(device))

    torch.load = loading
    torch.Generator = Generator  # type: ignore[misc]
    torch.is_autocast_enabled = lambda *a: is_autocast("cpu")
    set_default = torch.set_default_device
    torch.set_default_device = lambda device: set_default(here(device))


def _constant(value: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: value
