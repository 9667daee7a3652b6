"""The one door to attention: flash-attn where it is installed and fits, else torch's own kernels."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

KINDS = (("flash_attn.cute", "FA4"), ("flash_attn_interface", "FA3"), ("flash_attn", "FA2"))


def flash() -> tuple[str, Callable[..., Any] | None]:
    """(name, function) of the newest flash-attn that can be imported; ("SDPA", None) without one."""
    for module, name in KINDS:
        try:
            return name, importlib.import_module(module).flash_attn_func
        except (ImportError, AttributeError, OSError):  # OSError: built for another CUDA
            continue
    return "SDPA", None


NAME, FUNCTION = flash()  # once: a compiled function may not import


def attend(q: Tensor, k: Tensor, v: Tensor, *, scale: float | None = None, kind: str | None = None) -> Tensor:
    """Causal attention. q (B, n, H, D); k, v (B, T, G, D) with H a multiple of G and n <= T: the queries are the last n positions.

    Returns (B, n, H, D). `kind`: "SDPA" to pass by flash-attn, which takes half-precision tensors on a GPU only.
    """
    if kind != "SDPA" and FUNCTION is not None and q.is_cuda and q.dtype in (torch.bfloat16, torch.float16):
        out = FUNCTION(q, k, v, softmax_scale=scale, causal=True)
        return out[0] if isinstance(out, tuple) else out  # queries that are fewer than keys stand at their end
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    n, t = q.shape[2], k.shape[2]
    grouped = q.shape[1] != k.shape[1]
    if n == t:
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale, enable_gqa=grouped)
    else:
        seen = torch.ones(n, t, dtype=torch.bool, device=q.device).tril(t - n)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale, enable_gqa=grouped)
    return out.transpose(1, 2)
