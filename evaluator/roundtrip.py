"""The proof of a score: a stream is coded with the whole evaluation, and a fresh process without the tokens decodes it.

`python -m evaluator.roundtrip decode SETTINGS CODED OUT` is that process: it is given the artifact, the settings with the first token of
each stream, and the coded file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evaluator import artifact, codec
from evaluator.adapt import Recipe, Tuned
from evaluator.evaluate import Plan, evaluate
from evaluator.mixed import Mixed, hedge
from evaluator.stepwise import Stepwise


@dataclass(frozen=True)
class Settings:
    """All that a decoder needs besides the coded file. `first`: the token that each stream begins with."""

    artifact: Path
    first: tuple[int, ...]
    length: int
    mode: str = "ttt+hedge"
    plan: Plan = field(default_factory=Plan)
    recipe: Recipe = field(default_factory=Recipe)

    def text(self) -> str:
        """As JSON."""
        if self.plan.autocast is not None:
            raise ValueError("a round trip is made in the model's own type")
        return json.dumps({**asdict(self), "artifact": str(self.artifact)}, sort_keys=True)

    @classmethod
    def of(cls, text: str) -> Settings:
        d: dict[str, Any] = json.loads(text)
        recipe = d["recipe"] | {"betas": tuple(d["recipe"]["betas"])}
        return cls(Path(d["artifact"]), tuple(d["first"]), d["length"], d["mode"], Plan(**d["plan"]), Recipe(**recipe))

    def sealed(self) -> bytes:
        """What coder and decoder have to agree on: the settings, and the weights themselves."""
        return self.text().encode() + self.artifact.read_bytes()


@dataclass(frozen=True)
class Proof:
    """Bits: `claimed` by the evaluation in windows, `stepwise` by the coder's predictor, `coded` in the file."""

    tokens: int
    claimed: float
    stepwise: float
    coded: int
    equal: bool
    problem: str = ""

    @property
    def excess(self) -> float:
        """How much more was coded than claimed, relative."""
        return self.coded / self.claimed - 1.0


def predictor(s: Settings) -> Stepwise:
    """A fresh one, with the weights of the artifact."""
    model = artifact.load(s.artifact).model
    adapter = Tuned(model, s.recipe) if "ttt" in s.mode else None
    mixture = hedge(model.vocabulary, len(s.first)) if "hedge" in s.mode else None
    return Stepwise(model, s.first, s.length, s.plan, adapter, mixture)


def claim(s: Settings, tokens: NDArray[np.int64]) -> float:
    """Bits by the evaluation, windows side by side."""
    model = artifact.load(s.artifact).model
    adapter = Tuned(model, s.recipe) if "ttt" in s.mode else None
    mixer = Mixed(hedge(model.vocabulary, len(tokens))) if "hedge" in s.mode else None
    ids = torch.from_numpy(tokens)
    totals = evaluate(model, ids, torch.ones_like(ids), s.plan, adapter=adapter, mixer=mixer).totals
    return float(totals.nats / np.log(2.0))


def prove(s: Settings, tokens: NDArray[np.int64], coded: Path, tell: Callable[[str], None] = lambda t: None) -> Proof:
    """Code tokens (K, L) into the file `coded`, and decode it in another process."""
    tell("scoring in windows")
    claimed = claim(s, tokens)
    tell("coding step by step")
    done = codec.code(predictor(s), tokens[:, 1:], s.sealed())
    coded.write_bytes(done.data)
    tell("decoding in a fresh process, without the tokens")
    with tempfile.TemporaryDirectory() as folder:
        settings, out = Path(folder, "settings.json"), Path(folder, "decoded.npy")
        settings.write_text(s.text())
        ended = subprocess.run(
            [sys.executable, "-m", "evaluator.roundtrip", "decode", str(settings), str(coded.resolve()), str(out)],
            capture_output=True,
            text=True,
            check=False,
        )
        problem = "" if not ended.returncode else (ended.stderr.strip().splitlines() or ["it died without a word"])[-1]
        equal = not problem and np.array_equal(np.load(out, allow_pickle=False), tokens[:, 1:])
    return Proof(done.tokens, claimed, done.claimed_bits, done.payload_bits, equal, problem)


def main(arguments: list[str]) -> int:
    if len(arguments) != 4 or arguments[0] != "decode":
        print(__doc__, file=sys.stderr)
        return 2
    settings, coded, out = map(Path, arguments[1:])
    s = Settings.of(settings.read_text())
    try:
        tokens = codec.decode(predictor(s), coded.read_bytes(), s.length - 1, s.sealed())
    except codec.CodecError as e:
        print(e, file=sys.stderr)
        return 1
    np.save(out, tokens)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
