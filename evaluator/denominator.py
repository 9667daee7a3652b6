"""The strongest cheap check of a score: how many bytes of text it implies, against those of the validation text.

loss / ln 2 × tokens / bpb is the byte length of what was scored, and the validation text is the same whatever the tokenizer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from evaluator.bytes import BytesError

CANONICAL_BYTES = 151_078_000  # of the 50,000 validation documents, ± 0.03 % for how the tail is trimmed
CANONICAL_TOLERANCE = 0.0003
OTHER_DENOMINATORS = (  # (bytes, tolerance, what it was); measured from the logs of the pull requests named
    (155_769_746, 0.0003, "the validation export of 17 March 2026, which later scores cannot be compared with"),
    (157_320_000, 0.001, "byte-fallback tokens counted as 3 bytes instead of 1 (#1143, #1184, #1289)"),
    (164_600_000, 0.002, "transformed text counted without its byte sidecar (#2071)"),
    (176_900_000, 0.005, "the leading space counted twice (#1698 and what came from it)"),
    (32_760_000, 0.01, "10,000 validation documents instead of 50,000"),
)


@dataclass(frozen=True)
class Implied:
    """The bytes that a loss and a bpb imply, and how they compare with the validation text.

    `low` and `high` are what rounding of the printed numbers allows.
    """

    bytes: float
    low: float
    high: float
    ratio: float
    agrees: bool
    sentence: str


def implied_bytes(nats: float, tokens: int, bpb: float) -> float:
    """Bytes of text implied by a mean loss in nats per token, the tokens scored, and bits per byte."""
    if not (math.isfinite(nats) and math.isfinite(bpb) and nats > 0 and bpb > 0 and tokens > 0):
        raise BytesError(
            f"no bytes follow from a loss of {nats} nats, {tokens} tokens and {bpb} bpb; give positive numbers"
        )
    return nats / math.log(2) * tokens / bpb


def implied(nats: float, tokens: int, bpb: float, decimals: int | None = None) -> Implied:
    """Compare implied bytes with the 151.08 million of the validation text (the same for every tokenizer).

    `decimals` is how many of them `nats` and `bpb` were printed with; None takes them as exact.
    """
    value = implied_bytes(nats, tokens, bpb)
    half = 0.0 if decimals is None else 0.5 * 10.0**-decimals
    low = max(nats - half, 0.0) / math.log(2) * tokens / (bpb + half)
    high = (nats + half) / math.log(2) * tokens / (bpb - half) if bpb > half else math.inf

    def near(bytes_: float, tolerance: float) -> bool:
        return low <= bytes_ * (1 + tolerance) and high >= bytes_ * (1 - tolerance)

    agrees = near(CANONICAL_BYTES, CANONICAL_TOLERANCE)
    ratio = value / CANONICAL_BYTES
    if agrees:
        sentence = f"{value:,.0f} bytes are implied, which agrees with the validation text (151.08 million ± 0.03 %)"
    else:
        known = next((what for b, t, what in OTHER_DENOMINATORS if near(b, t)), "an explanation is needed")
        sentence = f"{value:,.0f} bytes are implied, {100 * (ratio - 1):+.2f} % against the validation text: {known}"
    return Implied(value, low, high, ratio, agrees, sentence)
