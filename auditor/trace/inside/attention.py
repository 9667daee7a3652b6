"""Flash-attention as its packages offer it, done by plain attention in float32."""

from __future__ import annotations

import dis
import sys
from functools import lru_cache
from importlib.util import find_spec
from types import CodeType, FrameType, ModuleType
from typing import Any

import torch
from torch import Tensor


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    causal: bool = False,
    softmax_scale: float | None = None,
    window_size: Any = (-1, -1),
    softcap: float = 0.0,
) -> Tensor:
    """Attention over (B, T, H, D) tensors; fewer key heads are repeated; windows count back from the last key."""
    scale = softmax_scale if softmax_scale is not None else q.shape[-1] ** -0.5
    qf, kf, vf = (x.transpose(1, 2).float() for x in (q, k, v))
    if kf.shape[1] != qf.shape[1]:
        repeat = qf.shape[1] // kf.shape[1]
        kf, vf = kf.repeat_interleave(repeat, 1), vf.repeat_interleave(repeat, 1)
    left, right = window_size if window_size is not None else (-1, -1)
    wide = (left is None or left < 0 or left >= k.shape[1] - 1) and (right is None or right < 0 or causal)
    if wide and not softcap and q.shape[1] == k.shape[1] and q.shape[-1] == v.shape[-1]:
        o = torch.nn.functional.scaled_dot_product_attention(qf, kf, vf, is_causal=causal, scale=scale)
        return o.transpose(1, 2).to(q.dtype)
    s = qf @ kf.transpose(-1, -2) * scale
    if softcap:
        s = softcap * torch.tanh(s / softcap)
    rows = torch.arange(q.shape[1], device=q.device).unsqueeze(1) + (k.shape[1] - q.shape[1])
    columns = torch.arange(k.shape[1], device=q.device).unsqueeze(0)
    hidden = torch.zeros(q.shape[1], k.shape[1], dtype=torch.bool, device=q.device)
    if causal:
        hidden = hidden | (columns > rows)
    if left is not None and left >= 0:
        hidden = hidden | (columns < rows - left)
    if right is not None and right >= 0:
        hidden = hidden | (columns > rows + right)
    s = s.masked_fill(hidden, float("-inf"))
    p = torch.softmax(s, -1).nan_to_num(0.0)
    return (p @ vf).transpose(1, 2).to(q.dtype)


def flash_attn_func(q: Tensor, k: Tensor, v: Tensor, *args: Any, **kwargs: Any) -> Any:
    names = ("softmax_scale", "causal")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    out = _given(q, k, v, given)
    return (out, None) if given.get("return_attn_probs") or given.get("return_softmax_lse") or _two() else out


def _two() -> bool:
    """Whether the caller takes a pair: early versions gave one, without being asked."""
    frame: FrameType | None = sys._getframe()
    while frame and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return frame is not None and _unpacks(frame.f_code, frame.f_lasti)


@lru_cache(maxsize=256)
def _unpacks(code: CodeType, at: int) -> bool:
    following = next((i for i in dis.get_instructions(code) if i.offset > at and i.opname != "CACHE"), None)
    return following is not None and following.opname == "UNPACK_SEQUENCE" and following.arg == 2


def flash_attn_2_func(q: Tensor, k: Tensor, v: Tensor, dropout_p: float = 0.0, *args: Any, **kwargs: Any) -> Any:
    return flash_attn_func(q, k, v, *args, **kwargs)


def flash_attn_varlen_func(
    q: Tensor, k: Tensor, v: Tensor, cu_seqlens_q: Tensor, cu_seqlens_k: Tensor, *args: Any, **kwargs: Any
) -> Tensor:
    """Documents packed behind each other: (tokens, H, D), bounds as running sums."""
    starts, kstarts = cu_seqlens_q.tolist(), cu_seqlens_k.tolist()
    out = torch.zeros(q.shape[0], q.shape[1], v.shape[2], dtype=q.dtype, device=q.device)
    parts = []
    for a, b, c, d in zip(starts, starts[1:], kstarts, kstarts[1:], strict=False):
        if b > a:
            part = _given(q[a:b].unsqueeze(0), k[c:d].unsqueeze(0), v[c:d].unsqueeze(0), kwargs)
            parts.append(part.squeeze(0))
    done = torch.cat(parts) if parts else out[:0]
    return torch.cat([done, out[done.shape[0] :]]) if done.shape[0] < q.shape[0] else done


def _given(q: Tensor, k: Tensor, v: Tensor, kw: dict[str, Any]) -> Tensor:
    return attention(
        q,
        k,
        v,
        bool(kw.get("causal", False)),
        kw.get("softmax_scale"),
        kw.get("window_size", (-1, -1)),
        float(kw.get("softcap", 0.0) or 0.0),
    )


def install(real: bool = False) -> None:
    """With a GPU that is there, a package that is there, too, stays."""
    for name, dense in (
        ("flash_attn_interface", flash_attn_func),
        ("flash_attn", flash_attn_2_func),
        ("flash_attn.flash_attn_interface", flash_attn_2_func),
        ("flash_attn.cute", flash_attn_func),
        ("flash_attn_3", flash_attn_func),
        ("flash_attn_3.flash_attn_interface", flash_attn_func),
    ):
        if real and name.partition(".")[0] not in sys.modules and find_spec(name.partition(".")[0]) is not None:
            continue
        m = ModuleType(name)
        m.__path__ = []
        m.__version__ = "3.0.0"  # type: ignore[attr-defined]
        m.flash_attn_func = dense  # type: ignore[attr-defined]
        m.flash_attn_varlen_func = flash_attn_varlen_func  # type: ignore[attr-defined]
        sys.modules[name] = m
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, m)
