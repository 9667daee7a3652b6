"""Rewritings and edits that the analyser is known to misread, each with the reason: debts, not promises.

A case that comes out right makes its test fail, so that it is taken off this list.
"""

from __future__ import annotations

MEANING = {
    "stacked-1-EVAL3-valid-latent variable summed over exactly": "a module loaded by its file's path and stacked rewritings: said to be unverifiable",
    "minified-3-EVAL4-invalid-adapts only on the real device": "a look at the device behind names of one letter is not seen",
    "threads-2-TOK1-invalid-own vocabulary, byte tokens counted as long as their names": "a byte table handed through a thread pool: said to be unverifiable",
    "generators-0-BPB1-valid-counted rightly by the code": "a generator that empties a queue is not followed where byte tables are evaluated",
}

FLIPS = {
    "VAL1-train on the split that is logged": "told as training before the score (C3, TTT1): no loop was seen to train on anything else",
}
