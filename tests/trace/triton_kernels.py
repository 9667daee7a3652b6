"""Kernels for the tests, written as scripts write them. Imported once the package's stand-in is in place."""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl
from triton.language.extra import libdevice
from triton.tools.tensor_descriptor import TensorDescriptor


@triton.jit
def half(x):
    return x * 0.5


@triton.jit
def gated(x_ptr, y_ptr, out_ptr, n, low, BLOCK: tl.constexpr):
    at = tl.program_id(axis=0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    gate = tl.sigmoid(tl.load(x_ptr + at, mask=mask, other=0.0))
    gate = tl.maximum(low, tl.minimum(1.0 - low, gate))
    tl.store(out_ptr + at, gate * tl.load(y_ptr + at, mask=mask), mask=mask)


@triton.jit
def row_loss(logits, targets, out, stride, columns, cap, PIECE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    start = logits + row * stride
    top = -float("inf")
    total = 0.0
    for first in range(0, columns, PIECE):
        at = first + tl.arange(0, PIECE)
        mask = at < columns
        z = cap * libdevice.tanh(tl.load(start + at, mask=mask, other=0.0).to(tl.float32) / cap)
        z = tl.where(mask, z, -float("inf"))
        new = tl.maximum(top, tl.max(z, axis=0))
        total = total * tl.exp(top - new) + tl.sum(tl.exp(z - new), axis=0)
        top = new
    target = tl.load(targets + row).to(tl.int32)
    z = cap * libdevice.tanh(tl.load(start + target).to(tl.float32) / cap)
    tl.store(out + row, top + tl.log(total) - z)


@triton.jit
def row_loss_by_mask(logits, targets, out, stride, columns, cap, PIECE: tl.constexpr):
    """The target's logit is picked by comparing, and not by its place."""
    row = tl.program_id(0)
    at = tl.arange(0, PIECE)
    z = tl.load(logits + row * stride + at, mask=at < columns, other=-float("inf"))
    top = tl.max(z, axis=0)
    picked = tl.sum(tl.where(at == tl.load(targets + row), z, 0.0), axis=0)
    tl.store(out + row, tl.log(tl.sum(tl.exp(z - top), axis=0)) + top - picked)


@triton.jit
def linear_square_kernel(
    a_desc, b_desc, c_desc, M, N, K, TM: tl.constexpr, TN: tl.constexpr, TK: tl.constexpr, WORKERS: tl.constexpr
):
    across = tl.cdiv(N, TN)
    tiles = tl.cdiv(M, TM) * across
    for tile in tl.range(tl.program_id(0), tiles, WORKERS, flatten=True):
        row, column = (tile // across) * TM, (tile % across) * TN
        acc = tl.zeros((TM, TN), dtype=tl.float32)
        for step in range(tl.cdiv(K, TK)):
            acc = tl.dot(a_desc.load([row, step * TK]), b_desc.load([column, step * TK]).T, acc)
        left, right = tl.split(tl.permute(tl.reshape(acc, (TM, 2, TN // 2)), (0, 2, 1)))
        left = tl.where(left > 0, left, half(left)).to(tl.bfloat16)
        right = tl.where(right > 0, right, half(right)).to(tl.bfloat16)
        c_desc.store([row, column], left * left)
        c_desc.store([row, column + TN // 2], right * right)


def linear_square(a: Any, b: Any, c: Any, workers: int) -> None:
    of = TensorDescriptor.from_tensor
    (m, depth), n = a.shape, b.shape[0]

    def grid(meta: dict[str, Any]) -> tuple[int]:
        return (min(meta["WORKERS"], triton.cdiv(m, meta["TM"]) * triton.cdiv(n, meta["TN"])),)

    linear_square_kernel[grid](
        of(a, [16, 16]), of(b, [32, 16]), of(c, [16, 16]), m, n, depth, TM=16, TN=32, TK=16, WORKERS=workers, num_stages=3
    )  # fmt: skip


def large_only(configs: list[Any], named: dict[str, Any], **_: Any) -> list[Any]:
    return [c for c in configs if c.kwargs["T"] >= 16]


@triton.autotune(
    configs=[triton.Config({"T": 8, "GROUP": 1}), triton.Config({"T": 16, "GROUP": 2}, num_warps=8)],
    key=["M"],
    prune_configs_by={"early_config_prune": large_only},
)
@triton.heuristics({"EVEN": lambda named: named["K"] % 16 == 0})
@triton.jit
def gram(x, y, M, K, row, out_row, T: tl.constexpr, GROUP: tl.constexpr, EVEN: tl.constexpr):
    pid = tl.program_id(0)
    tiles = tl.cdiv(M, T)
    first = pid // (GROUP * tiles) * GROUP
    rows = min(tiles - first, GROUP)
    i = first + pid % (GROUP * tiles) % rows
    j = pid % (GROUP * tiles) // rows
    if i > j:
        return
    at, other, depth = (i * T + tl.arange(0, T)) % M, (j * T + tl.arange(0, T)) % M, tl.arange(0, 16)
    a_ptrs = x + (at[:, None] * row + depth[None, :])
    b_ptrs = x + (other[:, None] * row + depth[None, :])
    acc = tl.zeros((T, T), dtype=tl.float32)
    for _ in range(tl.cdiv(K, 16)):
        if EVEN:
            acc += tl.dot(tl.load(a_ptrs), tl.trans(tl.load(b_ptrs)), input_precision="ieee")
        else:
            mask = depth[None, :] < K
            acc = tl.dot(tl.load(a_ptrs, mask=mask, other=0.0), tl.load(b_ptrs, mask=mask, other=0.0).T, acc)
        a_ptrs += 16
        b_ptrs += 16
        depth += 16
    at, other = i * T + tl.arange(0, T), j * T + tl.arange(0, T)
    tl.store(y + out_row * at[:, None] + other[None, :], acc, mask=(at[:, None] < M) & (other[None, :] < M))
    if i < j:
        tl.store(y + out_row * other[:, None] + at[None, :], acc.T, mask=(other[:, None] < M) & (at[None, :] < M))


def square(x: Any, y: Any) -> None:
    gram[lambda meta: (triton.cdiv(x.shape[0], meta["T"]) ** 2,)](
        x, y, x.shape[0], x.shape[1], x.stride(0), y.stride(0)
    )


@triton.jit
def turned(x, out, M, N, SIZE: tl.constexpr):
    i, j = tl.program_id(0), tl.program_id(1)
    source = tl.make_block_ptr(
        x, shape=(M, N), strides=(N, 1), offsets=(0, j * SIZE), block_shape=(SIZE, SIZE), order=(1, 0)
    )
    source = tl.advance(source, (i * SIZE, 0))
    block = tl.load(source, boundary_check=(0, 1), padding_option="zero")
    goal = tl.make_block_ptr(
        base=out, shape=(N, M), strides=(M, 1), offsets=(j * SIZE, i * SIZE), block_shape=(SIZE, SIZE), order=(1, 0)
    )
    tl.store(goal, tl.trans(block), boundary_check=(0, 1))


@triton.jit
def ragged(lengths, out, seen, PIECE: tl.constexpr):
    pid = tl.program_id(0)
    tl.atomic_add(seen + pid, 1.0)
    n = tl.load(lengths + pid)
    total = tl.zeros((), dtype=tl.float32)
    for first in range(0, n, PIECE):
        at = first + tl.arange(0, PIECE)
        total += tl.sum(tl.where(at < n, at, 0), axis=0)
    if n % 2 == 1:
        tl.store(out + pid, total)
    else:
        tl.store(out + pid, -1.0)


@triton.jit
def totals(x, total, counter, tickets, most, n, BLOCK: tl.constexpr):
    pid = tl.program_id(0)
    at = pid * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + at, mask=at < n, other=0.0)
    tl.atomic_add(total, tl.sum(v, axis=0))
    tl.atomic_max(most, tl.max(tl.where(at < n, v, -float("inf")), axis=0))
    tl.store(tickets + pid, tl.atomic_add(counter, 1))


@triton.jit
def chained(gate, x, next_gate, next_x):
    return gate * next_gate, next_gate * x + next_x


@triton.jit
def larger(a, b):
    return tl.where(a > b, a, b)


@triton.jit
def recurrence(gates, x, out, last, N: tl.constexpr):
    at = tl.program_id(0) * N + tl.arange(0, N)
    v = tl.load(x + at)
    _, state = tl.associative_scan((tl.load(gates + at), v), 0, chained)
    tl.store(out + at, state)
    tl.store(last + tl.program_id(0), tl.reduce(v, 0, larger))


@triton.jit
def noise(out, seed, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + at, tl.rand(seed, at))


@triton.jit
def constants(out, whole, real, KIND: tl.constexpr, nothing, N: tl.constexpr):
    tl.static_assert(N == 4)
    wide = whole.to(tl.int64)
    tl.store(out, wide * N)
    tl.store(out + 1, whole // N)
    tl.store(out + 2, real * whole)
    if KIND == "both" and nothing is None:
        tl.store(out + 3, 1.0)
    for step in tl.static_range(3):
        tl.store(out + 4, step)
    low: tl.constexpr = -3
    tl.store(out + 5, min(low, whole))
