"""The functions of `triton.language`, done with torch's. Dimensions of a block count from one: the first is the programs'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import chance, folds, launch, memory
from .memory import BlockPointer, Pointer
from .values import DTYPES, Block, Constant, Dtype, PointerType, block, constant, lift, narrowed, raw, room, together
from .values import where as select

FLOAT32 = DTYPES["float32"]


def _tensor(x: Any) -> Tensor:
    return block(x).tensor


def _shape(shape: Any) -> tuple[int, ...]:
    shape = raw(shape)
    return tuple(int(raw(s)) for s in (shape if isinstance(shape, (tuple, list)) else (shape,)))


def _sizes(shape: tuple[Any, ...]) -> tuple[int, ...]:
    """A shape, whether given as one argument or as several."""
    if len(shape) == 1 and isinstance(raw(shape[0]), (tuple, list)):
        return _shape(shape[0])
    return _shape(shape)


# -- making


def arange(start: Any, end: Any, **_: object) -> Block:
    return Block(np.arange(int(raw(start)), int(raw(end)), dtype=np.int32)[None])


def full(shape: Any, value: Any, dtype: Any, **_: object) -> Block:
    dtype, value, sizes = raw(dtype), raw(value), _shape(shape)
    if isinstance(value, Block):
        value = value.to(dtype)
        return broadcast_to(value, sizes)
    out = torch.full((1, *sizes), value, dtype=dtype.carrier)
    return narrowed(out, dtype)


def zeros(shape: Any, dtype: Any, **_: object) -> Block:
    return full(shape, 0, dtype)


def zeros_like(input: Any) -> Block:
    return full(input.shape, 0, input.dtype)


def to_tensor(x: Any, **_: object) -> Any:
    return x if isinstance(x, (Block, Pointer)) else block(x)


def cast(input: Any, dtype: Any, fp_downcast_rounding: Any = None, bitcast: Any = False, **_: object) -> Any:
    x = raw(input)
    return (x if isinstance(x, (Block, Pointer)) else block(x)).to(dtype, bitcast=bitcast)


# -- shapes


def broadcast_to(input: Any, *shape: Any) -> Block:
    b, sizes = block(input), _sizes(shape)
    data = lift(b.data, len(sizes) + 1)
    if isinstance(data, np.ndarray):
        return Block(np.broadcast_to(data, (data.shape[0], *sizes)), b.odd)
    return Block(data.expand(data.shape[0], *sizes), b.odd)


def broadcast(input: Any, other: Any) -> tuple[Block, Block]:
    a, b = block(input), block(other)
    sizes = np.broadcast_shapes(a.shape, b.shape)
    return broadcast_to(a, sizes), broadcast_to(b, sizes)


def reshape(input: Any, *shape: Any, can_reorder: Any = False, **_: object) -> Block:
    b = block(input)
    return Block(b.data.reshape(b.data.shape[0], *_sizes(shape)), b.odd)


def ravel(x: Any, **_: object) -> Block:
    return reshape(x, (block(x).numel,))


def expand_dims(input: Any, axis: Any, **_: object) -> Any:
    axes = _shape(axis)
    rank = len(input.shape) + len(axes)
    key = [slice(None)] * rank
    out: list[Any] = list(key)
    for a in axes:
        out[a % rank] = None
    return input[tuple(out)]


def permute(input: Any, *dims: Any) -> Block:
    order = _sizes(dims)
    b = block(input)
    rank = len(b.shape)
    axes = (0, *(d % rank + 1 for d in order))
    if isinstance(b.data, np.ndarray):
        return Block(b.data.transpose(axes), b.odd)
    return Block(b.data.permute(axes), b.odd)


def trans(input: Any, *dims: Any) -> Block:
    rank = len(input.shape)
    return permute(input, *(dims or (*range(rank - 2), rank - 1, rank - 2)))


def _align(*items: Any) -> list[Tensor]:
    parts = together(*(_tensor(i) for i in items))
    return list(torch.broadcast_tensors(*parts))


def join(a: Any, b: Any) -> Block:
    return Block(torch.stack(_align(a, b), -1), block(a).odd)


def split(a: Any) -> tuple[Block, Block]:
    t = _tensor(a)
    return Block(t[..., 0], a.odd), Block(t[..., 1], a.odd)


def interleave(a: Any, b: Any) -> Block:
    return Block(torch.stack(_align(a, b), -1).flatten(-2), block(a).odd)


def cat(input: Any, other: Any, can_reorder: Any = False, dim: Any = 0, **_: object) -> Block:
    a, b = _tensor(input), _tensor(other)
    n = max(a.shape[0], b.shape[0])
    return Block(torch.cat([a.expand(n, *a.shape[1:]), b.expand(n, *b.shape[1:])], raw(dim) + 1), input.odd)


def flip(x: Any, dim: Any = None) -> Block:
    return Block(_tensor(x).flip(-1 if raw(dim) is None else raw(dim) % len(x.shape) + 1), x.odd)


def gather(src: Any, index: Any, axis: Any) -> Block:
    s, i = _tensor(src), _tensor(index).long()
    n = max(s.shape[0], i.shape[0])
    s, i = s.expand(n, *s.shape[1:]), i.expand(n, *i.shape[1:])
    return Block(s.gather(raw(axis) % (s.ndim - 1) + 1, i), src.odd)


# -- element by element


def _float_only(x: Any) -> Tensor:
    t = _tensor(x)
    return t if t.is_floating_point() else t.float()


def _unary(f: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    def apply(x: Any, *_: Any, **__: Any) -> Block:
        return Block(f(_float_only(x)))

    return apply


FLOATS: dict[str, Callable[[Tensor], Tensor]] = {
    "exp": torch.exp,
    "exp2": torch.exp2,
    "log": torch.log,
    "log2": torch.log2,
    "sqrt": torch.sqrt,
    "sqrt_rn": torch.sqrt,
    "rsqrt": torch.rsqrt,
    "sigmoid": torch.sigmoid,
    "sin": torch.sin,
    "cos": torch.cos,
    "erf": torch.erf,
    "floor": torch.floor,
    "ceil": torch.ceil,
}
# further functions of `libdevice`
LIBDEVICE: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "tan": torch.tan,
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "asin": torch.asin,
    "acos": torch.acos,
    "atan": torch.atan,
    "asinh": torch.asinh,
    "acosh": torch.acosh,
    "atanh": torch.atanh,
    "expm1": torch.expm1,
    "log1p": torch.log1p,
    "log10": torch.log10,
    "exp10": lambda x: torch.pow(10.0, x),
    "erfc": torch.erfc,
    "erfinv": torch.erfinv,
    "lgamma": torch.lgamma,
    "cbrt": lambda x: torch.sign(x) * x.abs().pow(1 / 3),
    "rcp_rn": torch.reciprocal,
    "rint": torch.round,
    "nearbyint": torch.round,
    "round": lambda x: torch.trunc(x + torch.copysign(torch.tensor(0.5), x)),
    "trunc": torch.trunc,
    "fabs": torch.abs,
    "normcdf": torch.special.ndtr,
    "isnan": torch.isnan,
    "isinf": torch.isinf,
    "finitef": torch.isfinite,
    "isfinited": torch.isfinite,
    "signbit": torch.signbit,
    "llrint": lambda x: torch.round(x).to(torch.int64),
}


def absolute(x: Any) -> Any:
    return constant(abs(raw(x))) if isinstance(raw(x), (int, float)) else Block(abs(x.data), x.odd)


def _two(f: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    def apply(x: Any, y: Any, *_: Any, **__: Any) -> Any:
        a, b = raw(x), raw(y)
        known = [v for v in (a, b) if isinstance(v, Block)]
        if not known:
            return constant(f(torch.tensor(a), torch.tensor(b)).item())
        like = known[0].dtype
        left, right = (v.tensor if isinstance(v, Block) else _number(v, like) for v in (a, b))
        return Block(f(*together(left, right)), known[0].odd)

    return apply


def _number(value: Any, like: Dtype) -> Tensor:
    if isinstance(value, float) and not like.is_floating():
        return torch.full((1,), value)
    return torch.full((1,), value, dtype=like.carrier)


maximum = _two(lambda a, b: torch.maximum(*_promoted(a, b)))
minimum = _two(lambda a, b: torch.minimum(*_promoted(a, b)))
power = _two(torch.pow)
arctan2 = _two(torch.atan2)
remainder = _two(torch.fmod)
copysign = _two(torch.copysign)
hypot = _two(torch.hypot)


def _promoted(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    dtype = torch.promote_types(a.dtype, b.dtype)
    return a.to(dtype), b.to(dtype)


def clamp(x: Any, min: Any, max: Any, propagate_nan: Any = None) -> Any:
    return minimum(maximum(x, min), max)


def fma(x: Any, y: Any, z: Any) -> Any:
    return x * y + z


def fdiv(x: Any, y: Any, ieee_rounding: Any = False) -> Any:
    return x / y


def where(condition: Any, x: Any, y: Any) -> Any:
    a, b = raw(x), raw(y)
    if isinstance(a, Pointer) and isinstance(b, Pointer):
        return Pointer(a.flat, select(condition, block(a.offsets), block(b.offsets)), a.element)
    return select(condition, a, b)


def cdiv(x: Any, div: Any) -> Any:
    return (constant(raw(x)) + constant(raw(div)) - 1) // constant(raw(div))


# -- products and what is put together


def dot(
    input: Block,
    other: Block,
    acc: Any = None,
    input_precision: Any = None,
    allow_tf32: Any = None,
    max_num_imprecise_acc: Any = None,
    out_dtype: Any = FLOAT32,
    **_: object,
) -> Block:
    """A product of matrices, summed up in float32 as tensor cores do (in float64 or int32 for such inputs)."""
    a, b, dtype = input.tensor, other.tensor, raw(out_dtype) or FLOAT32
    exact = torch.float64 if not a.is_floating_point() or a.dtype is torch.float64 else torch.float32
    room(max(a.shape[0], b.shape[0]), a.shape[-2] * b.shape[-1])
    if a.ndim != b.ndim:
        raise ValueError("Both inputs must be of the same rank")
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"First input shape ({input.shape}) and second input shape {other.shape} are not compatible")
    out = a.to(exact) @ b.to(exact)
    if not a.is_floating_point():
        dtype = DTYPES["int32"]
    elif exact is torch.float64:
        dtype = DTYPES["float64"]
    out = out.to(dtype.carrier)
    return Block(out if raw(acc) is None else out + acc.tensor)


def dot_scaled(*_: Any, **__: Any) -> Block:
    raise NotImplementedError("dot_scaled")


# -- remarks to the compiler


def itself(x: Any, *_: Any, **__: Any) -> Any:
    return x


def nothing(*_: Any, **__: Any) -> None:
    return None


def static_assert(cond: Any, msg: Any = "", **_: object) -> None:
    if not raw(cond):
        raise AssertionError(raw(msg))


def swizzle2d(i: Any, j: Any, size_i: Any, size_j: Any, size_g: Any) -> tuple[Any, Any]:
    """Row-major numbers to column-major ones within groups of rows."""
    ij = i * size_j + j
    size_gj = size_g * size_j
    group = ij // size_gj
    off = group * size_g
    size = minimum(size_i - off, size_g)
    ij = ij % size_gj
    return off + ij % size, ij // size


def unsupported(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("machine code in a kernel cannot be run here")


def load_tensor_descriptor(desc: BlockPointer, offsets: Any, *_: Any, **__: Any) -> Block:
    return desc.load(offsets)


def store_tensor_descriptor(desc: BlockPointer, first: Any, second: Any, *_: Any, **__: Any) -> None:
    value, offsets = (first, second) if isinstance(first, Block) else (second, first)
    desc.store(offsets, value)


def namespace() -> dict[str, Any]:
    """`triton.language`, name by name."""
    plain = (
        "arange full zeros zeros_like to_tensor cast broadcast_to broadcast reshape ravel expand_dims permute trans join "
        "split interleave cat flip gather maximum minimum clamp fma fdiv where cdiv dot dot_scaled static_assert swizzle2d "
        "load_tensor_descriptor store_tensor_descriptor"
    )
    out: dict[str, Any] = {n: globals()[n] for n in plain.split()}
    out |= {n: getattr(folds, n) for n in FOLDS}
    out |= {
        n: getattr(chance, n)
        for n in ["umulhi", "philox", "randint4x", "randint", "rand4x", "rand", "randn4x", "randn"]
    }
    out |= {n: _named(n, _unary(f)) for n, f in FLOATS.items()}
    out |= dict.fromkeys(("multiple_of", "max_contiguous", "max_constancy"), itself)
    out |= dict.fromkeys(("static_print", "device_print", "device_assert", "debug_barrier", "assume"), nothing)
    for n in ["load", "store", "make_block_ptr", "advance", "make_tensor_descriptor", "atomic_add", "atomic_max", "atomic_min", "atomic_and", "atomic_or", "atomic_xor", "atomic_xchg", "atomic_cas"]:  # fmt: skip
        out[n] = getattr(memory, n)
    out |= DTYPES
    out |= {
        "abs": absolute,
        "view": reshape,
        "div_rn": fdiv,
        "program_id": launch.program_id,
        "num_programs": launch.num_programs,
        "range": launch.counted,
        "static_range": launch.counted,
        "inline_asm_elementwise": unsupported,
        "_experimental_make_tensor_descriptor": memory.make_tensor_descriptor,
        "_experimental_descriptor_load": load_tensor_descriptor,
        "_experimental_descriptor_store": store_tensor_descriptor,
        "tensor": Block,
        "constexpr": Constant,
        "dtype": Dtype,
        "pointer_type": PointerType,
        "block_type": PointerType,
        "tensor_descriptor": BlockPointer,
        "PropagateNan": type("PropagateNan", (), {"NONE": 0, "ALL": 0xFFFF}),
        "void": None,
    }
    return out


def libdevice() -> dict[str, Any]:
    out = {n: _named(n, _unary(f)) for n, f in {**FLOATS, **LIBDEVICE}.items()}
    out |= {"pow": power, "atan2": arctan2, "fmod": remainder, "copysign": copysign, "hypot": hypot, "abs": absolute}
    out |= {"fma": fma, "fma_rn": fma, "div_rn": fdiv, "mul_rn": lambda x, y: x * y, "add_rn": lambda x, y: x + y}
    out |= {"max": maximum, "min": minimum, "fmax": maximum, "fmin": minimum}
    fast = {
        "fast_expf": "exp",
        "fast_logf": "log",
        "fast_sinf": "sin",
        "fast_cosf": "cos",
        "fast_tanf": "tan",
        "fast_log2f": "log2",
    }
    return out | {n: out[f] for n, f in fast.items()} | {"fast_dividef": fdiv, "fast_powf": power}


def _named(name: str, f: Callable[..., Any]) -> Callable[..., Any]:
    f.__name__ = f.__qualname__ = name
    return f


# what blocks do as methods
FOLDS = [
    "sum",
    "max",
    "min",
    "argmax",
    "argmin",
    "xor_sum",
    "reduce_or",
    "softmax",
    "reduce",
    "associative_scan",
    "cumsum",
    "cumprod",
    "sort",
    "topk",
    "histogram",
]
for _name in FOLDS:
    setattr(Block, _name, getattr(folds, _name))
for _name in ["broadcast_to", "reshape", "permute", "trans", "expand_dims", "ravel", "split", "flip", "gather"]:
    setattr(Block, _name, globals()[_name])
for _name, _f in {"view": reshape, "abs": absolute, "cast": cast, "item": itself}.items():
    setattr(Block, _name, _f)
for _name in ("exp", "exp2", "log", "log2", "sqrt", "rsqrt", "sigmoid", "sin", "cos", "floor", "ceil", "erf"):
    setattr(Block, _name, _named(_name, _unary(FLOATS[_name])))
