"""Packages that only accompany a run: progress bars, dashboards, plots, monitors. Where one is missing, a hollow one
takes its place: whatever is looked up is there, whatever is called does nothing.

Packages that a model is computed with (mlx, mamba_ssm, fla, …) cannot be stood in for that way.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

HOLLOW = (
    "wandb", "tqdm", "huggingface_hub", "psutil", "pynvml", "matplotlib", "seaborn", "pandas", "tkinter", "rich",
    "tensorboard", "tensorboardX", "mlflow", "neptune", "comet_ml", "dotenv", "hf_transfer", "pydantic", "yaml",
    "plotly", "IPython", "requests", "boto3", "python_minifier", "line_profiler", "memory_profiler", "gpustat",
    "datasets", "numba", "triton_dejavu", "colorama", "termcolor", "tabulate", "setproctitle", "GPUtil",
)  # fmt: skip


class Nothing:
    """Whatever is asked of it: itself."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and callable(args[0]) and not isinstance(args[0], Nothing):
            return args[0]  # a decorator
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __enter__(self) -> Nothing:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __getitem__(self, key: object) -> Any:
        return self

    def __setitem__(self, key: object, value: object) -> None: ...

    def __bool__(self) -> bool:
        return False

    def __float__(self) -> float:
        return 0.0

    def __int__(self) -> int:
        return 0

    def __index__(self) -> int:
        return 0

    def __str__(self) -> str:
        return ""

    def __format__(self, spec: str) -> str:
        return ""

    def _other(self, *_: object) -> float:
        return 0.0

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __floordiv__ = _other


class Hollow(ModuleType):
    """A package of nothing."""

    __version__ = "1.0.0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        own = OWN.get(self.__name__.partition(".")[0], {})
        if name in own:
            return own[name]
        if name[:1].isupper():
            return _kind(name)
        return Nothing()


def _kind(name: str) -> type:
    """A class that may be derived from and raised."""
    return Exception if name.endswith(("Error", "Exception")) or name == "EXCEPTION" else type(name, (Nothing,), {})


class Bar:
    """A progress bar that shows nothing and hands through what it counts."""

    def __init__(self, iterable: Iterable[Any] = (), *_: object, **__: object) -> None:
        self.iterable, self.n = iterable, 0

    def __iter__(self) -> Iterator[Any]:
        return iter(self.iterable)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __getattr__(self, name: str) -> Any:
        return Nothing()

    @staticmethod
    def write(text: str, *_: object, **__: object) -> None:
        print(text)


def _same(f: Any = None, *_: object, **__: object) -> Any:
    return f if callable(f) else (lambda g: g)


def _offline(name: Any = "", *_: object, **__: object) -> Any:
    raise ConnectionError(f"Couldn't reach '{name}' on the Hub: Max retries exceeded")


OWN: dict[str, dict[str, Any]] = {
    "tqdm": {"tqdm": Bar, "trange": lambda n, *a, **k: Bar(range(n)), "auto": Hollow("tqdm.auto")},
    "numba": {
        **dict.fromkeys(("jit", "njit", "vectorize", "guvectorize"), _same),
        "prange": range,
        **dict.fromkeys(("int32", "int64", "uint32", "uint64", "float32", "float64", "uint16", "boolean"), int),
        "types": Nothing(),
        "typed": Nothing(),
    },
    "psutil": {"cpu_count": lambda *a, **k: 64},
    "datasets": dict.fromkeys(("load_dataset", "load_from_disk", "load_dataset_builder"), _offline),
    "python_minifier": {"minify": lambda text, *a, **k: text},
    "dotenv": {"load_dotenv": lambda *a, **k: False},
}


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Asked last: only what nobody else has is hollow."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] not in HOLLOW:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        made = Hollow(spec.name)
        made.__path__ = []
        return made

    def exec_module(self, module: ModuleType) -> None: ...


def install() -> None:
    sys.meta_path.append(Finder())
