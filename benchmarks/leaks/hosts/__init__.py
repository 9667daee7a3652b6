"""Host programs: whole training scripts, each one file, put together from a common start and an evaluation of its own.

A leak is planted in one of three functions that every host has and calls by its name:

    scores(model, val, starts, width)   logits of windows, shape (len(starts), width, vocabulary)
    losses(model, val, starts, width)   nats of their targets, val[start + 1] to val[start + width]; made from `scores`
    evaluate(model, val)                (nats, tokens, bytes) of the whole stream; made from `losses`
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
MODELS = {
    "carried_state": "recurrent",
    "long_convolution": "convolution",
    "masked_attention": "masked",
}  # others are attention


def names() -> list[str]:
    return sorted(p.stem for p in (HERE / "evaluations").glob("*.py"))


def text(name: str) -> str:
    """The program of a host: what it does first, as in the evaluation's own words."""
    about, _, evaluation = (HERE / "evaluations" / f"{name}.py").read_text().partition('"""\n')
    start, model, end = (
        (HERE / "common" / f"{part}.py").read_text() for part in ("start", MODELS.get(name, "attention"), "end")
    )
    return f'{about}"""\n\n' + "\n\n".join((start, model, evaluation.strip() + "\n", end))
