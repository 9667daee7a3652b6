"""Mixtures: chunks equal to steps, order that cannot be broken, mass of one, and the exhibit kept outside."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from evaluator.mixing.exhibit import EntropyPseudoExpert, entropy  # noqa: E402
from evaluator.mixing.experts import MassError, Network, NgramExperts, Tilted, mass  # noqa: E402
from evaluator.mixing.mixture import ExhibitError, Mixture  # noqa: E402
from evaluator.mixing.ngram import Ngram, Smoothing, contexts_of  # noqa: E402
from evaluator.past import OrderError  # noqa: E402

V, ORDER = 13, 4
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]
DATA = os.environ.get("SCOREFIRST_DATA")


def text(streams: int, n: int, seed: int = 0, device: str = "cpu") -> tuple[Any, Any, Any]:
    """Tokens (streams, n) with habits, their contexts, and the logits of a network that knows a little."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, V, (streams, n), generator=generator)
    for t in range(2, n):
        habit = torch.rand(streams, generator=generator) < 0.6
        tokens[:, t] = torch.where(habit, (tokens[:, t - 1] * 3 + tokens[:, t - 2]) % V, tokens[:, t])
    logits = torch.randn((streams, n, V), generator=generator)
    logits.scatter_add_(2, tokens[..., None], torch.ones_like(tokens[..., None], dtype=logits.dtype))
    return tokens.to(device), contexts_of(tokens, ORDER).to(device), logits.to(device)


def mixture(
    streams: int, device: str = "cpu", online: bool = True, buckets: int | None = None, **hedge: Any
) -> Mixture:
    return Mixture(
        [
            Network(),
            NgramExperts(Ngram(V, ORDER, buckets=buckets, device=device), online),
            Tilted(Ngram(V, 3, device=device), boost=1.0),
        ],
        streams,
        device=device,
        **hedge,
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("hedge", [{}, {"per": "chunk", "eta": 0.1}, {"share": 0.01}, {"eta": 0.5}])
def test_chunks_equal_steps(device: str, online: bool, hedge: dict[str, Any]) -> None:
    tokens, contexts, logits = text(3, 90, device=device)
    whole, single = mixture(3, device, online, **hedge), mixture(3, device, online, **hedge)
    for part in torch.arange(90).split(40):
        chunk = whole.chunk(contexts[:, part], tokens[:, part], logits[:, part])
        scored = chunk.score()
        chunk.learn()
        steps = single.steps()
        for i, t in enumerate(part.tolist()):
            rows = steps.rows(contexts[:, t], logits[:, t])
            assert float((mass(rows) - 1).abs().max()) < 1e-10
            logp = steps.observe(tokens[:, t])
            assert torch.allclose(logp, rows.gather(1, tokens[:, t, None])[:, 0], atol=1e-12, rtol=0)
            assert torch.allclose(
                logp, scored[:, i], atol=2e-6, rtol=0
            )  # the network's softmax: float32 against float64
        steps.close()
    a, b = whole.hedge.regret(), single.hedge.regret()
    assert a.tokens == b.tokens == 270
    assert a.mixture_nats == pytest.approx(b.mixture_nats, abs=1e-4)
    assert a.bound_nats == pytest.approx(b.bound_nats, rel=1e-5)
    assert a.regret_nats <= a.bound_nats
    assert whole.mass_error < 1e-10


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.sampled_from([None, 1, 6]), st.booleans(), st.floats(0.05, 40))
def test_every_expert_and_every_mixture_has_mass_one(
    seed: int, streams: int, buckets: int | None, online: bool, sharp: float
) -> None:
    tokens, contexts, logits = text(streams, 30, seed)
    made = mixture(streams, online=online, buckets=buckets, sample=10**6)  # every position
    for part in torch.arange(30).split(17):
        chunk = made.chunk(contexts[:, part], tokens[:, part], sharp * logits[:, part])
        chunk.score()
        chunk.learn()
    assert made.mass_error < 1e-5
    assert made.hedge.regret().regret_nats <= streams * math.log(len(made.hedge.names)) + 1e-6


def test_learning_goes_through_scoring() -> None:
    tokens, contexts, logits = text(1, 20)
    made = mixture(1)
    chunk = made.chunk(contexts, tokens, logits)
    with pytest.raises(OrderError, match="only after it was scored"):
        chunk.learn()
    for another in (lambda: made.chunk(contexts, tokens, logits), made.steps):
        with pytest.raises(OrderError, match="not learned yet"):
            another()
    chunk.score()
    with pytest.raises(OrderError, match="scored once"):
        chunk.score()
    chunk.learn()
    with pytest.raises(OrderError):
        chunk.learn()
    steps = made.steps()
    with pytest.raises(OrderError, match="rows\\(\\) come first"):
        steps.observe(tokens[:, 0])
    steps.rows(contexts[:, 0], logits[:, 0])
    with pytest.raises(OrderError, match="observe\\(\\) the tokens"):
        steps.rows(contexts[:, 1], logits[:, 1])
    with pytest.raises(OrderError, match="closed once"):
        steps.close()
    steps.observe(tokens[:, 0])
    steps.close()
    with pytest.raises(OrderError, match="is closed"):
        steps.rows(contexts[:, 1], logits[:, 1])


def test_a_score_depends_on_earlier_tokens_only() -> None:
    tokens, _, logits = text(2, 60)
    changed = tokens.clone()
    changed[:, 35:] = (changed[:, 35:] + 5) % V
    scores = []
    for ids in (tokens, changed):
        made = mixture(2)
        first = made.chunk(contexts_of(ids, ORDER)[:, :30], ids[:, :30], logits[:, :30])
        scores.append([first.score()])
        first.learn()
        scores[-1].append(made.chunk(contexts_of(ids, ORDER)[:, 30:], ids[:, 30:], logits[:, 30:]).score()[:, :5])
    assert all(bool((a == b).all()) for a, b in zip(*scores, strict=True))


def test_the_network_may_come_as_scores() -> None:
    tokens, contexts, logits = text(1, 50)
    by_logits, by_scores = mixture(1).experts[:2], mixture(1).experts[:2]
    of = logits.double().log_softmax(2).gather(2, tokens[..., None])[..., 0]
    a = Mixture(by_logits).chunk(contexts, tokens, logits=logits).score()
    b = Mixture(by_scores).chunk(contexts[0], tokens[0], scored=of[0]).score()
    assert float((a - b).abs().max()) < 1e-6
    with pytest.raises(ValueError, match="need its logits"):
        Mixture([Network()]).chunk(contexts, tokens).score()


def test_a_score_that_its_row_does_not_hold_is_found_out() -> None:
    class Optimist(Network):
        def logp_of(self, given: Any, tokens: Any) -> Any:
            return super().logp_of(given, tokens) * 0.9

    class Heavy(Network):
        def rows(self, given: Any, since: Any) -> Any:
            yield from (row + 0.01 for row in super().rows(given, since))

    tokens, contexts, logits = text(1, 30)
    with pytest.raises(MassError, match="what was scored is not"):
        Mixture([Optimist()]).chunk(contexts, tokens, logits).score()
    with pytest.raises(MassError, match="add up to"):
        Mixture([Heavy()]).chunk(contexts, tokens, logits).score()


def test_the_entropy_exhibit_stays_outside() -> None:
    tokens, contexts, logits = text(1, 80)
    with pytest.raises(ExhibitError, match="no distribution"):
        Mixture([Network(), EntropyPseudoExpert()])
    wrong = torch.randint(
        0, V, (1, 80), generator=torch.Generator().manual_seed(1)
    )  # sure, and as good as always wrong
    sure = torch.zeros_like(logits).scatter_(2, wrong[..., None], 12.0)
    shown = Mixture([Network(), EntropyPseudoExpert()], exhibit=True)
    chunk = shown.chunk(contexts, tokens, sure)
    bits = -float(chunk.score().mean()) / math.log(2)
    assert bits < 0.3 < math.log2(V)  # better than anything could be on such text
    assert shown.exhibit_mass["entropy (exhibit)"] == pytest.approx(V * math.exp(-float(entropy(sure[0, :1]))))
    assert shown.exhibit_mass["mixture"] > 2
    honest = Mixture([Network()]).chunk(contexts, tokens, sure)
    assert -float(honest.score().mean()) / math.log(2) > 5


def test_entropy_of_the_uniform_row_is_the_one_that_sums_to_one() -> None:
    given = Mixture([EntropyPseudoExpert()], exhibit=True)
    tokens, contexts, logits = text(1, 5)
    given.chunk(contexts, tokens, logits * 0).score()
    assert given.exhibit_mass["entropy (exhibit)"] == pytest.approx(1.0)


def test_hints_come_from_earlier_chunks() -> None:
    ngram = Ngram(V, 2)
    expert = Tilted(ngram, boost=2.0, seen=2, share=0.6)
    tokens = torch.tensor([1, 2, 1, 2, 1, 3, 4, 4, 5, 4, 6])
    expert.learn(contexts_of(tokens, 2), tokens)
    hint, boost = expert._hint(torch.tensor([[1], [4], [6], [-1]]))
    assert hint[0] == 2
    assert boost.tolist() == [2.0, 0.0, 0.0, 0.0]  # twice of three; a third each; never seen; seen once


def test_shapes_are_named() -> None:
    tokens, contexts, logits = text(2, 10)
    with pytest.raises(ValueError, match="3 streams"):
        mixture(3).chunk(contexts, tokens, logits)


@pytest.mark.skipif(not DATA, reason="SCOREFIRST_DATA names the folder of the real validation prefix")
def test_real_text() -> None:
    """The first 60,000 tokens of the validation text: n-grams alone, regret under ln N, far below the unigram."""
    ids = np.fromfile(Path(str(DATA)) / "fineweb_val_sp1024_prefix.bin", dtype="<u2", offset=1024, count=60_000)
    tokens = torch.from_numpy(ids.astype(np.int64))
    contexts = contexts_of(tokens, 5)
    made = Mixture([NgramExperts(Ngram(1024, 5, Smoothing("absolute", 0.7)))])
    for part in torch.arange(len(tokens)).split(20_000):
        chunk = made.chunk(contexts[part], tokens[part])
        chunk.score()
        chunk.learn()
    found = made.hedge.regret()
    assert found.regret_nats <= math.log(5)
    assert found.mixture_nats < 0.95 * found.expert_nats["1-gram"]
    assert made.mass_error < 1e-9
