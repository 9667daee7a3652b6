"""The numbers of the challenge, each with its source. Bytes are decimal, times are seconds."""

from __future__ import annotations

import math
from types import MappingProxyType

LN2 = math.log(2.0)

# README FAQ, 2026-03-18.
ARTIFACT_CAP = 16_000_000
TRAIN_CAP = 600.0
EVAL_CAP = 600.0

# README, 2026-03-18: 0.005 nats at p < 0.01. Applied from 2026-04-28 on: p < 0.25 along the
# chronological frontier (#1899, #1900, #1902, #2146).
RECORD_MARGIN_NATS = 0.005
P_README = 0.01
P_APPLIED = 0.25

# The wall-clock test runs between steps, so accepted records stop at 599.1 to 600.13 s.
# 600.5 s and more was treated as over the cap in public (#1908, #1945).
TRAIN_TOLERANCE = 0.2
TRAIN_FLAG = 600.5

# The denominator invariant: nats / ln 2 × tokens / bpb is the byte length of the fixed validation
# text, the same for every tokenizer. Spread over all merged logs of the current export.
CANONICAL_BYTES = 151_078_000
CANONICAL_TOLERANCE = 3e-4
# The export used on 2026-03-17 only, longer and not comparable (asked in #837).
OLD_EXPORT_BYTES = 155_769_746

# Scored validation tokens by tokenizer, from merged logs. Dropping the incomplete last sequence
# makes small differences, so compare with TAIL tokens of room.
VAL_TOKENS = MappingProxyType(
    {
        "sp1024": (62_021_632, 62_021_846),
        "sp4096": (45_508_608, 45_514_752),
        "sp8192": (40_540_160, 40_541_164),
        "sp8192-caseops": (47_851_520, 47_853_344),
    }
)
OLD_EXPORT_TOKENS = 63_779_840

# No accepted record is below 1.05 bpb. Numbers below this one came from tables, from mixtures or from faults,
# never from a model of this size alone.
FLOOR = 0.95

# Denominators seen in the threads and what each came from.
KNOWN_DENOMINATORS = (
    (176_300_000, 4e-3, "the space byte is added in the table and again at evaluation (#1698, #1719)"),
    (157_320_000, 4e-3, "byte-fallback tokens are counted as three bytes (#1143, #1271)"),
    (164_600_000, 4e-3, "CaseOps tokens were scored without their byte sidecar (#2071)"),
    (32_760_000, 4e-3, "only 10,000 of the 50,000 documents were scored (#1854, #2039)"),
)

# LEAK1: the prepared CaseOps data with 10,000 held-out documents has 1,499 training shards.
OVERLAP_SHARDS = (1_499, 1_502)
