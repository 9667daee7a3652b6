"""Weights of another script's network, carried over to ours: for comparing the two on the same numbers.

The script is one of the family that keeps its matrices in banks. Its definitions are executed: run this on a machine that may be lost.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reference.model import Network, Shape


def definitions(script: Path) -> dict[str, Any]:
    """The names that a script defines, without its main part."""
    module = types.ModuleType("other_script")
    sys.modules[module.__name__] = module
    exec(compile(script.read_text(), str(script), "exec"), module.__dict__)
    return module.__dict__


def other(names: dict[str, Any], repeated: tuple[int, ...], seed: int = 0) -> nn.Module:
    """The script's network with random weights, none of them zero."""
    h = names["Hyperparameters"]()
    torch.manual_seed(seed)
    net: nn.Module = names["GPT"](
        vocab_size=h.vocab_size, num_layers=h.num_layers, model_dim=h.model_dim, num_heads=h.num_heads,
        num_kv_heads=h.num_kv_heads, mlp_mult=h.mlp_mult, tie_embeddings=True,
        tied_embed_init_std=h.tied_embed_init_std, logit_softcap=h.logit_softcap, rope_base=h.rope_base,
        qk_gain_init=h.qk_gain_init, bigram_vocab_size=h.bigram_vocab_size, bigram_dim=h.bigram_dim,
        xsa_last_n=h.xsa_last_n, rope_dims=h.rope_dims, ln_scale=h.ln_scale, ve_enabled=h.ve_enabled, ve_dim=h.ve_dim,
        ve_layers=h.ve_layers, gated_attention=h.gated_attention, value_residual=h.value_residual,
        recur_layers=list(repeated),
    )  # fmt: skip
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn_like(p) * 0.04 if p.ndim > 1 else p + torch.randn_like(p) * 0.1)
    return net


def ours(net: Any, names: dict[str, Any], *, scale: float | None) -> Network:
    """Our network with the same weights. `scale`: of attention, where the script's door to it sets another than 1 / sqrt(size)."""
    h = names["Hyperparameters"]()
    own = Network(
        Shape(
            h.vocab_size,
            h.num_layers,
            h.model_dim,
            h.num_heads,
            h.num_kv_heads,
            h.mlp_mult,
            slope=0.5,
            repeated=tuple(net.recur_layers),
            exclusive=h.xsa_last_n,
            rotary=h.rope_dims,
            base=h.rope_base,
            layer_scale=h.ln_scale,
            smear=True,
            bigrams=h.bigram_vocab_size,
            bigram_width=h.bigram_dim,
            value_layers=tuple(net.ve_layer_indices),
            value_width=h.ve_dim,
            value_residual=h.value_residual,
            gated=h.gated_attention,
            softcap=h.logit_softcap,
            gain=h.qk_gain_init,
            attention_scale=scale,
        )
    )
    n = net.num_layers
    assert own.bigrams is not None
    assert own.told is not None
    pairs: list[tuple[nn.Parameter, torch.Tensor]] = [
        (own.embedding, net.tok_emb.weight), (own.smear, net.smear.gate), (own.skips, net.skip_weights),
        (own.bigrams.rows, net.bigram.embed.weight), (own.bigrams.out, net.bigram.proj.weight),
        (own.bigrams.scale, net.bigram.scale), (own.told.rows, net.ve_shared.embed.weight),
        (own.told.out, net.ve_shared.proj.weight), (own.told.scale, net.ve_shared.scale),
        (own.told.each, torch.cat(list(net.ve_layer_scales))),
    ]  # fmt: skip
    for i, m in enumerate(own.layers):
        pairs += [
            (m.query, net.qo_bank[i]), (m.out, net.qo_bank[n + i]), (m.key, net.kv_bank[i]),
            (m.value, net.kv_bank[n + i]), (m.up, net.mlp_up_bank[i]), (m.down, net.mlp_down_bank[i]),
        ]  # fmt: skip
    for p, b in zip(own.passes, net.blocks, strict=True):
        pairs += [
            (p.attention, b.attn_scale), (p.mlp, b.mlp_scale), (p.mix, b.resid_mix), (p.gain, b.attn.q_gain),
            (p.residual, b.attn.vr_lambda), (p.gate, b.attn.attn_gate.weight), (p.gate_bias, b.attn.attn_gate.bias),
        ]  # fmt: skip
    with torch.no_grad():
        for to, of in pairs:
            to.copy_(of)
    assert len({id(to) for to, _ in pairs}) == len(list(own.parameters())), "a parameter was not carried over"
    return own
