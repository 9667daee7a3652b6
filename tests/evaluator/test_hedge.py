"""Hedge: the same weights as the naive loop, a regret within its bound, and an order that cannot be broken."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from evaluator.mixing.hedge import Hedge, mixed  # noqa: E402
from evaluator.past import OrderError  # noqa: E402

SEEDS = st.integers(0, 2**31)


def losses(seed: int, experts: int, streams: int, tokens: int, scale: float = 2.0) -> torch.Tensor:
    """Log-probabilities (experts, streams, tokens), some of them far apart."""
    generator = torch.Generator().manual_seed(seed)
    rate = torch.rand((experts, 1, 1), generator=generator, dtype=torch.float64) + 0.2
    return -scale * rate * torch.rand((experts, streams, tokens), generator=generator, dtype=torch.float64) ** 3


def naive(logp: torch.Tensor, eta: float, share: float) -> list[float]:
    """One stream (experts, tokens), a token at a time, in plain Python."""
    n = logp.shape[0]
    log_w = [-math.log(n)] * n
    out = []
    for token in range(logp.shape[1]):
        of = logp[:, token].tolist()
        top = max(w + x for w, x in zip(log_w, of, strict=True))
        out.append(top + math.log(math.fsum(math.exp(w + x - top) for w, x in zip(log_w, of, strict=True))))
        moved = [w + eta * x for w, x in zip(log_w, of, strict=True)]
        top = max(moved)
        z = top + math.log(math.fsum(math.exp(m - top) for m in moved))
        log_w = [m - z for m in moved]
        if share:
            log_w = [math.log((1 - share) * math.exp(w) + share / n) for w in log_w]
    return out


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.integers(1, 7), st.integers(1, 3), st.sampled_from([0.3, 1.0, 2.0]), st.sampled_from([0.0, 1e-3, 0.2]))
def test_vectorised_equals_the_loop(seed: int, experts: int, streams: int, eta: float, share: float) -> None:
    logp = losses(seed, experts, streams, 400)
    hedge = Hedge([str(i) for i in range(experts)], streams, eta, share)
    scored = []
    for part in logp.split([1, 130, 269], 2):
        chunk = hedge.chunk(part)
        scored.append(chunk.score())
        chunk.learn()
    ours = torch.cat(scored, 1)
    for stream in range(streams):
        theirs = torch.tensor(naive(logp[:, stream], eta, share), dtype=torch.float64)
        assert float((ours[stream] - theirs).abs().max()) < 1e-12


def test_long_chunks_stay_exact() -> None:
    logp = losses(5, 6, 1, 10_000, scale=4.0)
    chunk = Hedge("abcdef").chunk(logp)
    assert (
        float((chunk.score()[0] - torch.tensor(naive(logp[:, 0], 1.0, 0.0), dtype=torch.float64)).abs().max()) < 1e-11
    )


@settings(max_examples=30, deadline=None)
@given(
    SEEDS,
    st.integers(1, 8),
    st.integers(1, 3),
    st.sampled_from([0.2, 0.7, 1.0, 1.7, 4.0]),
    st.sampled_from([0.0, 0.01]),
    st.sampled_from(["token", "chunk"]),
    st.floats(0.1, 30),
)
def test_the_regret_is_within_the_bound(
    seed: int, experts: int, streams: int, eta: float, share: float, per: str, scale: float
) -> None:
    logp = losses(seed, experts, streams, 300, scale)
    hedge = Hedge([str(i) for i in range(experts)], streams, eta, share, per)  # type: ignore[arg-type]
    for part in logp.split(75, 2):
        chunk = hedge.chunk(part)
        chunk.score()
        chunk.learn()
    found = hedge.regret()
    assert found.tokens == streams * 300
    assert found.regret_nats <= found.bound_nats + 1e-9
    if per == "token" and eta <= 1 and not share:
        assert found.bound_nats == pytest.approx(streams * math.log(experts) / eta)
        assert "any sequence" in found.text()
    elif experts > 1 and (per == "chunk" or eta > 1):
        assert "known afterwards only" in found.text()


def test_the_bound_of_bayes_is_reached() -> None:
    """One expert certain, three that rule out all that happens: the regret is ln 4, no less."""
    logp = torch.tensor([[0.0] * 5, [-60.0] * 5, [-60.0] * 5, [-60.0] * 5])
    hedge = Hedge("abcd")
    chunk = hedge.chunk(logp)
    chunk.score()
    chunk.learn()
    assert hedge.regret().regret_nats == pytest.approx(math.log(4), abs=1e-9)
    assert hedge.regret().best == "a"


def test_an_expert_that_was_impossible_is_out_for_good() -> None:
    hedge = Hedge("ab")
    chunk = hedge.chunk(torch.tensor([[-1.0, -1.0, -1.0], [-0.1, -math.inf, -0.1]]))
    assert chunk.score()[0, 2].item() == pytest.approx(-1.0)
    chunk.learn()
    assert hedge.log_weights[0].tolist() == pytest.approx([0.0, -math.inf])


def test_chunk_mode_keeps_the_weights_through_a_chunk() -> None:
    logp = losses(2, 3, 1, 40)
    hedge = Hedge("abc", per="chunk", prior=[2.0, 1.0, 1.0])
    first = hedge.chunk(logp[:, :, :20])
    start = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    assert first.score()[0].tolist() == pytest.approx((logp[:, 0, :20].exp() * start[:, None]).sum(0).log().tolist())
    first.learn()
    moved = start.log() + logp[:, 0, :20].sum(1)
    assert hedge.log_weights[0].tolist() == pytest.approx(moved.log_softmax(0).tolist())


@pytest.mark.parametrize("per", ["token", "chunk"])
def test_a_later_token_changes_no_earlier_score(per: str) -> None:
    logp = losses(9, 4, 2, 50)
    other = logp.clone()
    other[:, :, 30:] *= 3
    scores = [Hedge("abcd", 2, per=per).chunk(x).score()[:, :30] for x in (logp, other)]  # type: ignore[arg-type]
    assert bool((scores[0] == scores[1]).all())


def test_rows_are_mixed_with_the_weights_of_their_place() -> None:
    logp = losses(3, 2, 1, 6)
    hedge = Hedge("ab")
    chunk = hedge.chunk(logp)
    rows = [torch.randn((6, 5), dtype=torch.float64).log_softmax(1) for _ in range(2)]
    place = torch.arange(6)
    with pytest.raises(OrderError, match="once it was scored"):
        chunk.rows(rows, place * 0, place)
    chunk.score()
    whole = chunk.rows(rows, place * 0, place)
    weights = chunk.log_weights[0].exp()
    assert torch.allclose(whole.exp(), weights[:, :1] * rows[0].exp() + weights[:, 1:] * rows[1].exp(), atol=1e-14)
    with pytest.raises(ValueError, match="no experts"):
        mixed([], weights)


def test_learning_before_scoring_is_impossible() -> None:
    hedge = Hedge("ab")
    chunk = hedge.chunk(losses(1, 2, 1, 9))
    with pytest.raises(OrderError, match="only after it was scored"):
        chunk.learn()
    with pytest.raises(OrderError, match="not learned yet"):
        hedge.chunk(losses(1, 2, 1, 9))
    chunk.score()
    with pytest.raises(OrderError, match="scored once"):
        chunk.score()
    chunk.learn()
    with pytest.raises(OrderError, match="learned already"):
        chunk.learn()
    assert bool((hedge.chunk(losses(2, 2, 1, 9)).score() < 0).all())


@pytest.mark.parametrize("bad", [0.5, math.nan, -math.inf])
def test_no_log_probabilities_no_chunk(bad: float) -> None:
    with pytest.raises(ValueError, match="above zero or NaN"):
        Hedge("ab").chunk(torch.full((2, 3), bad))


@pytest.mark.parametrize(
    "settings_", [{"eta": 0.0}, {"share": 1.0}, {"streams": 0}, {"per": "epoch"}, {"prior": [1.0]}, {"prior": [1, 0]}]
)
def test_settings_that_make_no_sense(settings_: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="needs"):
        Hedge("ab", **settings_)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="name of its own"):
        Hedge("aa")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same() -> None:
    logp = losses(8, 6, 4, 5000)
    for share in (0.0, 0.01):
        here, there = Hedge("abcdef", 4, share=share), Hedge("abcdef", 4, share=share, device="cuda")
        a, b = here.chunk(logp).score(), there.chunk(logp.cuda()).score().cpu()
        assert float((a - b).abs().max()) < 1e-10
