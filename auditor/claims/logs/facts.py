"""The figures that a log states once: seed, tokens, shards, sizes of model and machine, the cap."""

from __future__ import annotations

import re

from auditor.claims.logs.draft import Draft
from auditor.claims.logs.figures import LITERAL, count, figure, place
from rules.evidence import Location, Words

_SEED = re.compile(r"(?i)(?:^|[\s,({\"])\"?(?:random_|global_)?seed\"?\s{0,2}[:=]\s{0,2}(\d{1,10})\b")
SEED_TITLE = re.compile(r"(?i)^\W{0,80}(?:running |run |training )?seed[ :=]{1,3}(\d{1,10})(?:\W{0,80}$|\W{1,6}start)")
_VAL_TOKENS = re.compile(
    r"(?i)\b(?:val[_ ]tokens|validation tokens|val_token_count)\s{0,2}[:=]\s{0,3}(\d[\d,_]{2,20})\b|"
    r"\bval_loader:.{0,400}?\btokens[:=]\s?(\d[\d,]{2,20})\b|"
    r"^val(?:idation)?[: ].{0,60}?\b(\d[\d,]{5,20}) tokens"
)
_SCORED_TOKENS = re.compile(r"\(eval on (\d[\d,]{2,20})\)")
_SHARDS = re.compile(
    r"\btrain_shards\s?[:=]\s?(\d{1,7})\b|^(?:train|data)[\w:]{0,40} (?:\S{1,60} )?shards[:=](\d{1,7})\b"
)
_TOKENIZER = re.compile(r"\btokenizer(?:_path)?\s?[:=]\s{0,2}(\S{1,300})|^bpb:sp=(\S{1,300})")
_PARAMS = re.compile(
    r"(?i)(?<![\w.])(?:model_params|num_params|n_params|total_params|total params|trainable params|"
    r"model parameters|total parameters|params|"
    r"parameters)\s{0,2}[:=]\s{0,6}(\d[\d,_]{3,20})(?![\d.]*\s?[MB]\b)(?!\.\d)"
)
_WORLD = re.compile(r"(?i)\bworld_size\s?[:=]\s{0,2}(\d{1,5})\b|\bws:(\d{1,5})\b")
_CAP = re.compile(
    rf"(?i)\bmax_wallclock_seconds\"?\s?[:=]\s{{0,2}}({LITERAL})|\bwall:({LITERAL})s\b|\b(?:wallclock|"
    rf"time) budget: ?({LITERAL}) ?s\b|\bwallclock[=:]({LITERAL})s\b"
)
_SMI = re.compile(r"^\|\s{1,4}(\d{1,2})\s{1,3}((?:NVIDIA|Tesla|GeForce|Quadro|AMD)[\w .\-/]{0,60}?)\s{2,}\S")
_GPU_NAME = re.compile(
    r"(?i)^(?:gpu|cuda device|device|hardware|gpus?)(?:[ _]?(?P<i>\d{1,2}|name|"
    r"type))?\s?[:=]\s?(?P<name>[^,;|]{0,40}\b(?:NVIDIA|H100|H200|A100|B200|RTX|GTX|Tesla|L40S?|A10G?|T4|V100|"
    r"MI300X|GB10|Apple M\d)[^,;|(\n]{0,60})"
)


def read_facts(draft: Draft, text: str, raw: str, number: int) -> None:
    """The single figures of a run; the first line that states one wins."""
    text = text[:4_000]

    def at() -> Location:
        return place(draft.file, number, raw)

    low = text.lower()
    if draft.seed is None and "seed" in low and (m := _SEED.search(text) or SEED_TITLE.match(text)):
        draft.seed = count(m[1], at())
    if draft.val_tokens is None and "val" in low and "oken" in low and (m := _VAL_TOKENS.search(text[:800])):
        scored = _SCORED_TOKENS.search(text)
        draft.val_tokens = count(scored[1] if scored else m[1] or m[2] or m[3], at())
    if draft.train_shards is None and "shards" in text and "val_" not in text and (m := _SHARDS.search(text)):
        draft.train_shards = count(m[1] or m[2], at())
    if (
        draft.tokenizer is None
        and ("tokenizer" in text or text.startswith("bpb:sp"))
        and (m := _TOKENIZER.search(text))
    ):
        draft.tokenizer = Words(m[1] or m[2], at())
    if "param" in low and (draft.params is None or not draft.params_named) and (m := _PARAMS.search(text)):
        named = m[0].startswith("model_params")
        if draft.params is None or named:
            draft.params, draft.params_named = count(m[1], at()), named
    if ("world_size" in text or "ws:" in text) and draft.world_size is None and (m := _WORLD.search(text)):
        draft.world_size = count(m[1] or m[2], at())
    if draft.seed is None and text.startswith("params:") and (m := re.search(r"\bs:(\d{1,10})$", text)):
        draft.seed = count(m[1], at())
    if draft.cap is None and ("wall" in low or "budget" in low) and (m := _CAP.search(text)):
        cap = figure(m[1] or m[2] or m[3] or m[4], at())
        draft.cap = cap if cap and cap.value > 0 else None  # 0 switches the cap off
    if "NVIDIA" in text or "evice" in text or "GPU" in text or "gpu" in text or text.startswith("| "):
        _gpu(draft, text, raw, number)


def _gpu(draft: Draft, text: str, raw: str, number: int) -> None:
    m = _SMI.match(raw.strip()) or _SMI.match(text)
    if m:
        draft.gpus.setdefault(m[1], Words(m[2].strip(), place(draft.file, number, raw)))
        return
    g = _GPU_NAME.match(text)
    if g:
        draft.gpus.setdefault(g["i"] or "", Words(g["name"].strip(), place(draft.file, number, raw)))
