"""A small complete record folder of our own writing, from which rule examples are varied.

`record()` is a submission in which every number fits every other; a rule's INVALID example
changes one thing, e.g. `record(total=16_400_000)`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from rules.constants import CANONICAL_BYTES, LN2

SCRIPT = '''\
"""A tiny trainer: trains, quantises, evaluates."""
import os

import torch

MAX_WALLCLOCK_SECONDS = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 600.0))


def evaluate(model, val_tokens, seq_len=1024):
    total = torch.zeros((), dtype=torch.float64)
    with torch.no_grad():
        for start in range(0, val_tokens.numel() - 1, seq_len):
            x = val_tokens[start : start + seq_len]
            y = val_tokens[start + 1 : start + seq_len + 1]
            total += torch.nn.functional.cross_entropy(model(x[: y.numel()]), y, reduction="sum").double()
    return total / (val_tokens.numel() - 1)


def main():
    model = torch.nn.Sequential(torch.nn.Embedding(1024, 64), torch.nn.Linear(64, 1024))
    val_tokens = torch.arange(4096) % 1024
    print("final_exact val_loss:%.8f" % evaluate(model, val_tokens))


if __name__ == "__main__":
    main()
'''


def log(
    *,
    seed: int = 1337,
    bpb: float = 1.1300,
    tokens: int = 62_021_632,
    denominator: int = CANONICAL_BYTES,
    train_ms: int = 599_950,
    eval_ms: int = 88_000,
    diagnostic_ms: int = 2_400,
    ttt_seconds: float | None = None,
    hessian_seconds: float | None = None,
    model: int = 15_400_000,
    code: int | None = None,
    total: int | None = None,
    shards: int = 80,
    world: int = 8,
    settings: Sequence[str] = (),
) -> str:
    """A training log in the challenge's own form. Times in milliseconds, sizes in bytes."""
    code = len(SCRIPT.encode()) if code is None else code
    total = model + code if total is None else total
    loss = bpb * LN2 * denominator / tokens
    rough = bpb + 0.02
    lines = [
        f"logs/run_seed{seed}.txt",
        "val_bpb:enabled tokenizer_kind=sentencepiece tokenizer_path=./data/tokenizers/fineweb_1024_bpe.model",
        f"train_loader:dataset:fineweb10B_sp1024 train_shards:{shards}",
        f"val_loader:shards pattern=./data/datasets/fineweb10B_sp1024/fineweb_val_*.bin tokens:{tokens}",
        "model_params:17059912",
        f"world_size:{world} grad_accum_steps:{8 // world if world else 1}",
        "train_batch_tokens:524288 train_seq_len:1024 iterations:20000 warmup_steps:20 max_wallclock_seconds:600.000",
        f"seed:{seed}",
        "step:1000/20000 train_loss:2.3251 train_time:50012ms step_avg:50.01ms",
        f"step:11990/20000 val_loss:{rough * LN2 * denominator / tokens:.4f} val_bpb:{rough:.4f} train_time:{train_ms}ms step_avg:50.04ms",
        f"stopping_early: wallclock_cap train_time:{train_ms}ms step:11990/20000",
    ]
    if settings:
        lines[-1:-1] = ["Hyperparameters:", *(f"  {s}" for s in settings), "=" * 100]
    if hessian_seconds is not None:
        lines.append(f"gptq: collected 64 Hessians from train data in {hessian_seconds:.1f}s")
    lines += [
        f"Code size: {code} bytes",
        f"Serialized model int6+zstd: {model} bytes",
        f"Total submission size int6+zstd: {total} bytes",
    ]
    if ttt_seconds is not None:
        lines.append(f"ttt:done elapsed={ttt_seconds:.1f}s")
    lines += [
        f"final_int6_roundtrip val_loss:{rough * LN2 * denominator / tokens:.4f} val_bpb:{rough:.4f} eval_time:{diagnostic_ms}ms",
        f"final_int6_sliding_window val_loss:{loss:.4f} val_bpb:{bpb:.4f} stride:64 eval_time:{eval_ms}ms",
        f"final_int6_sliding_window_exact val_loss:{loss:.8f} val_bpb:{bpb:.8f}",
    ]
    return "\n".join(lines) + "\n"


def metadata(bpbs: Sequence[float] = (1.1300, 1.1304, 1.1308), **fields: object) -> str:
    """A submission.json; a field given as None is left out."""
    content: dict[str, object] = {
        "author": "A. Writer",
        "github_id": "a-writer",
        "name": "Nine layers, sliding window",
        "date": "2026-03-24",
        "track": "10min_16mb",
        "val_bpb": round(sum(bpbs) / len(bpbs), 4),
        "seed_results": {str(s): {"val_bpb": b} for s, b in zip((1337, 42, 2025), bpbs, strict=False)},
        "bytes_total": 15_400_000 + len(SCRIPT.encode()),
        **fields,
    }
    return json.dumps({k: v for k, v in content.items() if v is not None}, indent=2) + "\n"


README = """\
# Nine layers with a sliding window

**val_bpb = {mean:.4f}** (mean of {n} seeds)

## Run

```bash
SEED=1337 torchrun --standalone --nproc_per_node=8 train_gpt.py
```
"""


def record(
    bpbs: Sequence[float] = (1.1300, 1.1304, 1.1308),
    *,
    without: Sequence[str] = (),
    extra: dict[str, str] | None = None,
    claims: dict[str, object] | None = None,
    script: str = SCRIPT,
    **changes: object,
) -> dict[str, str]:
    """The files of a record folder: script, README, submission.json, one log for each bpb.

    `changes` go to every log, `claims` to submission.json; `without` drops files, `extra` adds them.
    """
    files = {
        "train_gpt.py": script,
        "README.md": README.format(mean=sum(bpbs) / len(bpbs), n=len(bpbs)),
        "submission.json": metadata(bpbs, **(claims or {})),
    }
    for seed, bpb in zip((1337, 42, 2025), bpbs, strict=False):
        files[f"train_seed{seed}.log"] = log(seed=seed, bpb=bpb, **changes)  # type: ignore[arg-type]
    files |= extra or {}
    return {name: text for name, text in files.items() if name not in without}
