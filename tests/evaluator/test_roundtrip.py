from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("constriction")

from evaluator import artifact, roundtrip  # noqa: E402
from evaluator.adapt import Recipe  # noqa: E402
from evaluator.evaluate import Plan  # noqa: E402
from evaluator.roundtrip import Settings, prove  # noqa: E402
from tests.evaluator.small import network, stream  # noqa: E402

PLAN = Plan(sequence=24, stride=8, chunk=20)
RECIPE = Recipe(rate=0.02, epochs=2, sequence=20, batch=8)


def settings(tmp_path: Path, mode: str = "ttt+hedge") -> tuple[Settings, np.ndarray]:
    net = network(layers=2)
    path = tmp_path / "net.pt"
    artifact.save(path, net, "decoder", asdict(net.shape))
    tokens = stream(8, 71)[0].numpy()
    return Settings(path, tuple(int(t) for t in tokens[:, 0]), 71, mode, PLAN, RECIPE), tokens


@pytest.mark.parametrize("mode", ["sliding", "ttt", "hedge", "ttt+hedge"])
def test_a_fresh_process_decodes_what_was_scored(tmp_path: Path, mode: str) -> None:
    s, tokens = settings(tmp_path, mode)
    p = prove(s, tokens, tmp_path / "coded")
    assert p.problem == ""
    assert p.equal
    assert p.tokens == 8 * 70
    assert p.stepwise == pytest.approx(p.claimed, rel=1e-6)
    assert abs(p.coded - p.stepwise) < 40


def test_adaptation_and_mixing_are_in_the_bits(tmp_path: Path) -> None:
    bits = {}
    for mode in ("sliding", "ttt", "ttt+hedge"):
        s, tokens = settings(tmp_path, mode)
        bits[mode] = roundtrip.claim(s, tokens)
    assert bits["ttt"] < bits["sliding"]
    assert bits["ttt+hedge"] < bits["ttt"]


def test_a_score_that_knows_the_tokens_cannot_be_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s, tokens = settings(tmp_path)
    honest = roundtrip.predictor

    def leaking(settings: Settings) -> roundtrip.Stepwise:
        made = honest(settings)
        rows = made.logp

        def logp() -> torch.Tensor:
            known = torch.from_numpy(tokens[:, made.at])
            boosted = rows().scatter_add(1, known[:, None], torch.full((len(tokens), 1), 3.0, dtype=torch.float64))
            return torch.log_softmax(boosted, -1)

        made.logp = logp  # type: ignore[method-assign]
        return made

    monkeypatch.setattr(roundtrip, "predictor", leaking)
    p = prove(s, tokens, tmp_path / "coded")
    assert p.coded < 0.8 * p.claimed, "the leak does pay while it is coded"
    assert not p.equal
    assert "other tokens" in p.problem


def test_other_weights_decode_nothing(tmp_path: Path) -> None:
    s, tokens = settings(tmp_path)
    prove(s, tokens, tmp_path / "coded")
    net = network(seed=5, layers=2)
    other = tmp_path / "other.pt"
    artifact.save(other, net, "decoder", asdict(net.shape))
    wrong = replace(s, artifact=other)
    with pytest.raises(roundtrip.codec.CodecError, match="another plan"):
        roundtrip.codec.decode(roundtrip.predictor(wrong), (tmp_path / "coded").read_bytes(), 70, wrong.sealed())
