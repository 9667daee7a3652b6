"""What a kernel computes with: constants, and blocks that hold one value for every program of a grid.

A block's first dimension runs over the programs (one row where all agree), the others are the block's own.
What follows from program numbers alone (offsets, masks) is kept as numpy arrays: it is quick and never about a token.
What came from memory is a torch tensor, so that whoever watches torch's operations sees what becomes of it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

LIMIT = 1 << 22  # elements that an array of all programs may have; above, the programs are run in parts
_from_numpy = torch.from_numpy


@dataclass(frozen=True)
class Dtype:
    """A type of elements. `carrier`: what holds it here."""

    name: str
    carrier: torch.dtype
    primitive_bitwidth: int
    kind: str  # float, int, uint, bool

    def is_floating(self) -> bool:
        return self.kind == "float"

    def is_int(self) -> bool:
        return self.kind != "float"

    def is_int_signed(self) -> bool:
        return self.kind == "int"

    def is_int_unsigned(self) -> bool:
        return self.kind in ("uint", "bool")

    def is_fp8(self) -> bool:
        return self.name.startswith("fp8")

    def is_ptr(self) -> bool:
        return False

    def is_block(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        if name in (
            "is_fp16",
            "is_bf16",
            "is_fp32",
            "is_fp64",
            "is_int1",
            "is_int8",
            "is_int32",
            "is_int64",
            "is_uint8",
        ):
            return lambda: self.name == name[3:]
        raise AttributeError(name)

    @property
    def scalar(self) -> Dtype:
        return self

    @property
    def element_ty(self) -> Dtype:
        return self

    @property
    def itemsize(self) -> int:
        return max(1, self.primitive_bitwidth // 8)

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__


DTYPES = {
    "int1": Dtype("int1", torch.bool, 1, "bool"),
    "int8": Dtype("int8", torch.int8, 8, "int"),
    "int16": Dtype("int16", torch.int16, 16, "int"),
    "int32": Dtype("int32", torch.int32, 32, "int"),
    "int64": Dtype("int64", torch.int64, 64, "int"),
    "uint8": Dtype("uint8", torch.uint8, 8, "uint"),
    "uint16": Dtype("uint16", torch.int64, 16, "uint"),
    "uint32": Dtype("uint32", torch.int64, 32, "uint"),
    "uint64": Dtype("uint64", torch.int64, 64, "uint"),
    "float16": Dtype("fp16", torch.float16, 16, "float"),
    "bfloat16": Dtype("bf16", torch.bfloat16, 16, "float"),
    "float32": Dtype("fp32", torch.float32, 32, "float"),
    "float64": Dtype("fp64", torch.float64, 64, "float"),
    "float8e5": Dtype("fp8e5", torch.float8_e5m2, 8, "float"),
    "float8e4nv": Dtype("fp8e4nv", torch.float8_e4m3fn, 8, "float"),
}
OF_TORCH = {d.carrier: d for d in reversed(DTYPES.values()) if d.name not in ("uint16", "uint32", "uint64")}
OF_TORCH |= {torch.uint16: DTYPES["uint16"], torch.uint32: DTYPES["uint32"], torch.uint64: DTYPES["uint64"]}
_OF_NUMPY = {np.dtype(n): d for n, d in DTYPES.items() if d.kind in ("int", "uint") and n[0] in "iu" and n != "int1"}
_OF_NUMPY[np.dtype(bool)] = DTYPES["int1"]
_NUMPY = {"int8": np.int8, "int16": np.int16, "int32": np.int32, "int64": np.int64, "int1": np.bool_}
_MASKS = {"uint16": 0xFFFF, "uint32": 0xFFFFFFFF}


@dataclass(frozen=True)
class PointerType:
    """The type of a pointer to elements of a type."""

    element_ty: Dtype

    def is_ptr(self) -> bool:
        return True

    @property
    def scalar(self) -> PointerType:
        return self


class Constant:
    """A number known when the kernel starts: an argument, or a `constexpr`."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value: Any = raw(value)

    @property
    def dtype(self) -> Dtype:
        if isinstance(self.value, bool):
            return DTYPES["int1"]
        if isinstance(self.value, float):
            return DTYPES["float32"]
        return DTYPES["int32"] if -(1 << 31) <= self.value < 1 << 31 else DTYPES["int64"]

    @property
    def type(self) -> Dtype:
        return self.dtype

    shape: tuple[int, ...] = ()

    def to(self, dtype: Any, **_: object) -> Block:
        return block(self).to(dtype)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __index__(self) -> int:
        return operator.index(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return f"constexpr[{self.value}]"

    def __getitem__(self, key: Any) -> Any:
        return self.value[key] if isinstance(self.value, (tuple, list, str)) else block(self)[key]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.value, name)

    def __iter__(self) -> Any:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.value(*args, **kwargs)


def raw(x: Any) -> Any:
    """A constant's value; anything else as it is."""
    return x.value if isinstance(x, Constant) else x


def constant(x: Any) -> Any:
    """Numbers as constants, so that they answer what tensors answer."""
    return Constant(x) if type(x) in (int, float) else x


class Diverged(BaseException):
    """Programs go different ways here: those with the same label go on together."""

    def __init__(self, labels: np.ndarray) -> None:
        super().__init__()
        self.labels = labels


def room(programs: int, elements: int) -> None:
    """Run fewer programs at once where an array of all would be too large."""
    if programs > 1 and programs * elements > LIMIT:
        raise Diverged(np.arange(programs) // max(1, LIMIT // max(1, elements)))


class Block:
    """`data`: numpy (integers and masks that follow from program numbers) or torch, shape (programs or 1, *shape)."""

    __slots__ = ("data", "odd")
    __array_priority__ = 1000

    def __init__(self, data: Any, odd: Dtype | None = None) -> None:
        self.data = data
        self.odd = odd  # a type that torch cannot compute with; it is carried in a wider one

    @property
    def shape(self) -> tuple[Any, ...]:
        return tuple(self.data.shape[1:])

    @property
    def dtype(self) -> Dtype:
        if self.odd is not None:
            return self.odd
        return _OF_NUMPY[self.data.dtype] if isinstance(self.data, np.ndarray) else OF_TORCH[self.data.dtype]

    @property
    def type(self) -> Dtype:
        return self.dtype

    @property
    def numel(self) -> Constant:
        return Constant(math.prod(self.shape))

    @property
    def T(self) -> Block:
        return Block(self.tensor.transpose(-1, -2), self.odd)

    @property
    def tensor(self) -> Tensor:
        return tensor_of(self.data)

    def to(self, dtype: Any, fp_downcast_rounding: Any = None, bitcast: Any = False) -> Block:
        dtype = raw(dtype)
        if dtype is self.dtype:
            return self
        if raw(bitcast):
            return _bitcast(self, dtype)
        if isinstance(self.data, np.ndarray) and dtype.name in _NUMPY:
            return Block(self.data.astype(_NUMPY[dtype.name]))
        data = self.tensor
        if dtype.kind == "bool":
            return Block(data != 0)
        return narrowed(data.to(dtype.carrier), dtype)

    def __getitem__(self, key: Any) -> Block:
        key = key if isinstance(key, tuple) else (key,)
        key = tuple(None if isinstance(k, Constant) and k.value is None else k for k in key)
        if not all(k is None or k == slice(None) for k in key):
            raise ValueError("unsupported tensor index")
        return Block(self.data[(slice(None), *key)], self.odd)

    def __bool__(self) -> bool:
        return bool(same(self))

    def __index__(self) -> int:
        return int(same(self))

    __int__ = __index__

    def __float__(self) -> float:
        return float(same(self))

    __hash__ = object.__hash__


def same(b: Block) -> Any:
    """The one value that all programs have; where they differ, they part."""
    flat = looked(b).reshape(b.data.shape[0], -1)
    if flat.shape[1] != 1:
        raise ValueError("a block of several values has no single truth")
    values, labels = np.unique(flat[:, 0], return_inverse=True)
    if len(values) > 1:
        raise Diverged(labels.reshape(-1))
    return values[0]


def looked(b: Block) -> np.ndarray:
    """The values, for the way through the kernel only: no watcher is to take this for a use of them."""
    if isinstance(b.data, np.ndarray):
        return b.data
    with _disable_current_modes():
        data = b.data.detach()
        out: np.ndarray = (data.double() if data.is_floating_point() else data).numpy()
    return out


def tensor_of(data: Any) -> Tensor:
    if not isinstance(data, np.ndarray):
        return data
    return _from_numpy(data if data.flags.writeable and data.flags.c_contiguous else np.array(data))


def narrowed(data: Tensor, dtype: Dtype) -> Block:
    """A value of a type that is carried in a wider one, kept in its range."""
    if dtype.name in _MASKS:
        return Block(data & _MASKS[dtype.name], dtype)
    return Block(data, dtype if dtype.name == "uint64" else None)


def _bitcast(b: Block, dtype: Dtype) -> Block:
    data = b.tensor
    if b.odd is not None and b.odd.primitive_bitwidth < 64:
        data = data.to(torch.int32 if b.odd.primitive_bitwidth == 32 else torch.int16)
    if dtype.name in _MASKS:
        return narrowed(
            data.view(torch.int32 if dtype.primitive_bitwidth == 32 else torch.int16).to(torch.int64), dtype
        )
    return Block(data.view(dtype.carrier), dtype if dtype.name == "uint64" else None)


def block(x: Any, like: Dtype | None = None) -> Block:
    """A block that holds `x` for all programs. `like`: the type for a plain number."""
    x = raw(x)
    if isinstance(x, Block):
        return x
    if isinstance(x, (bool, np.bool_)) and like is None:
        return Block(np.full((1,), x))
    if isinstance(x, (int, np.integer)) and (like is None or like.is_int()):
        wide = not -(1 << 31) <= x < 1 << 31 or (like is not None and like.primitive_bitwidth == 64)
        return Block(np.full((1,), x, dtype=np.int64 if wide else np.int32))
    if isinstance(x, (int, float, bool)):
        dtype = like if like is not None and (like.is_floating() or not isinstance(x, float)) else DTYPES["float32"]
        return Block(torch.full((1,), x, dtype=dtype.carrier))
    raise TypeError(f"cannot convert {x!r} of type {type(x)} to tensor")


def lift(data: Any, rank: int) -> Any:
    """Ones put between the programs and the block's own dimensions, up to `rank` dimensions in all."""
    missing = rank - data.ndim
    return data.reshape(data.shape[0], *([1] * missing), *data.shape[1:]) if missing > 0 else data


def together(*parts: Any) -> list[Any]:
    """Arrays of one kind and one rank, that broadcast; numbers stay numbers."""
    arrays = [p for p in parts if not isinstance(p, (int, float))]
    rank = max(a.ndim for a in arrays)
    if any(not isinstance(a, np.ndarray) for a in arrays):
        parts = tuple(p if isinstance(p, (int, float)) else tensor_of(p) for p in parts)
    out = [p if isinstance(p, (int, float)) else lift(p, rank) for p in parts]
    sizes = [max(p.shape[d] for p in out if not isinstance(p, (int, float))) for d in range(rank)]
    room(sizes[0], math.prod(sizes[1:]))
    return out


def _truncated(a: Any, b: Any) -> Any:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return torch.div(a, b, rounding_mode="trunc")
    return (a - np.fmod(a, b)) // b


def _remainder(a: Any, b: Any) -> Any:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return torch.fmod(a if isinstance(a, Tensor) else torch.full_like(b, a), b)
    return np.fmod(a, b)


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "floordiv": _truncated,
    "mod": _remainder,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "lshift": operator.lshift,
    "rshift": operator.rshift,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
}
COMPARISONS = {"lt", "le", "gt", "ge", "eq", "ne"}


def binary(name: str, a: Any, b: Any) -> Block:
    """One operation on blocks or a block and a number."""
    a, b = raw(a), raw(b)
    odd = next((x.odd for x in (a, b) if isinstance(x, Block) and x.odd is not None), None)
    x, y = (_operand(v) for v in (a, b))
    if name == "truediv" or isinstance(x, float) or isinstance(y, float):
        x, y = (tensor_of(v) if isinstance(v, np.ndarray) else v for v in (x, y))
    x, y = together(x, y)
    out = OPERATIONS[name](x, y)
    if odd is not None and name not in COMPARISONS and not isinstance(out, np.ndarray) and not out.is_floating_point():
        return narrowed(out, odd)
    return Block(out)


def _operand(v: Any) -> Any:
    if isinstance(v, Block):
        return v.data
    if isinstance(v, (bool, np.bool_)):
        return int(v)
    if isinstance(v, int) and not -(1 << 31) <= v < 1 << 31:
        return np.full((1,), v if v < 1 << 63 else v - (1 << 64), dtype=np.int64)
    if isinstance(v, (int, float)):
        return v
    if isinstance(v, np.number):
        return v.item()
    raise TypeError(f"unsupported operand of type {type(v)}")


def where(condition: Any, x: Any, y: Any) -> Block:
    """One or the other, element by element."""
    c, a, b = raw(condition), raw(x), raw(y)
    keep = block(c).data
    if keep.dtype not in (torch.bool, np.bool_):
        keep = keep != 0
    numbers = not isinstance(a, Block) and not isinstance(b, Block)
    if numbers:
        a = block(float(a) if isinstance(b, float) else a)
    left, right = (v.data if isinstance(v, Block) else v for v in (a, b))
    if any(isinstance(v, float) for v in (left, right)):
        left, right = (tensor_of(v) if isinstance(v, np.ndarray) else v for v in (left, right))
    keep, left, right = together(keep, left, right)
    odd = next((v.odd for v in (a, b) if isinstance(v, Block) and v.odd), None)
    if isinstance(keep, np.ndarray):
        out = np.where(keep, left, right)
        wanted = left.dtype if isinstance(left, np.ndarray) else right.dtype
        if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
            wanted = np.promote_types(left.dtype, right.dtype)
        return Block(out.astype(wanted), odd)
    return Block(torch.where(keep, left, right), odd)


_PLAIN = {**OPERATIONS, "floordiv": operator.floordiv, "mod": operator.mod}


def _forward(name: str) -> Callable[[Any, Any], Any]:
    def on_block(self: Block, other: Any) -> Any:
        if not isinstance(raw(other), (Block, int, float, np.number)):
            return NotImplemented
        return binary(name, self, other)

    return on_block


def _reflected(name: str) -> Callable[[Any, Any], Any]:
    def on_block(self: Block, other: Any) -> Any:
        if not isinstance(raw(other), (Block, int, float, np.number)):
            return NotImplemented
        return binary(name, other, self)

    return on_block


def _on_constant(name: str, swapped: bool) -> Callable[[Any, Any], Any]:
    plain = _PLAIN[name]

    def apply(self: Constant, other: Any) -> Any:
        other = raw(other)
        if not isinstance(other, (int, float, str, tuple, list, Dtype, type(None))):
            return NotImplemented
        return Constant(plain(other, self.value) if swapped else plain(self.value, other))

    return apply


for _name in OPERATIONS:
    setattr(Block, f"__{_name}__", _forward(_name))
    setattr(Constant, f"__{_name}__", _on_constant(_name, False))
    if _name not in COMPARISONS:
        setattr(Block, f"__r{_name}__", _reflected(_name))
        setattr(Constant, f"__r{_name}__", _on_constant(_name, True))
_ALONE: dict[str, dict[str, Callable[..., Any]]] = {
    "Constant": {
        "__pow__": lambda self, other: Constant(self.value ** raw(other)),
        "__neg__": lambda self: Constant(-self.value),
        "__invert__": lambda self: Constant(~self.value),
        "__pos__": lambda self: self,
        "__abs__": lambda self: Constant(abs(self.value)),
    },
    "Block": {
        "__neg__": lambda self: Block(-self.data, self.odd),
        "__pos__": lambda self: self,
        "__invert__": lambda self: Block(~self.data, self.odd),
        "logical_and": lambda self, other: binary("and", binary("ne", self, 0), binary("ne", block(other), 0)),
        "logical_or": lambda self, other: binary("or", binary("ne", self, 0), binary("ne", block(other), 0)),
    },
}
for _kind, _functions in ((Constant, _ALONE["Constant"]), (Block, _ALONE["Block"])):
    for _name, _function in _functions.items():
        setattr(_kind, _name, _function)
