"""N-gram experts: every order a distribution, hashed or not, and the fast path equal to the rows."""

from __future__ import annotations

import math
from collections import Counter

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from evaluator.mixing.counts import Ranks, SortedCounts  # noqa: E402
from evaluator.mixing.experts import MassError, check_mass, mass, tilt, tilt_of  # noqa: E402
from evaluator.mixing.ngram import Ngram, Since, Smoothing, contexts_of  # noqa: E402

SMOOTHINGS = (Smoothing(), Smoothing("dirichlet", 1.5), Smoothing("absolute", 0.7))
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]
streams_of_tokens = st.integers(2, 9).flatmap(
    lambda vocab: st.tuples(st.just(vocab), st.lists(st.integers(0, vocab - 1), min_size=1, max_size=60))
)


@settings(max_examples=40, deadline=None)
@given(streams_of_tokens, st.integers(1, 5), st.sampled_from(SMOOTHINGS), st.sampled_from([None, 1, 2, 7]), st.data())
def test_every_order_is_a_distribution(
    text: tuple[int, list[int]], order: int, smoothing: Smoothing, buckets: int | None, data: st.DataObject
) -> None:
    vocab, ids = text
    tokens = torch.tensor(ids)
    contexts = contexts_of(tokens, order)
    ngram = Ngram(vocab, order, smoothing, buckets)
    cut = data.draw(st.integers(0, len(ids)))
    ngram.learn(contexts[:cut], tokens[:cut])
    before = st.lists(st.integers(-1, vocab - 1), min_size=order - 1, max_size=order - 1)
    wanted = data.draw(st.lists(before, min_size=1, max_size=8))
    asked = torch.tensor(wanted, dtype=torch.int64).reshape(len(wanted), order - 1)
    rows = list(ngram.rows(asked))
    assert len(rows) == order
    for row in rows:
        assert check_mass(row, "order", 1e-12) <= 1e-12
        assert bool(row.isfinite().all())
    for token in range(vocab):
        of = ngram.logp_of(asked, torch.full((len(asked),), token))
        assert float((of - torch.stack([row[:, token] for row in rows])).abs().max()) < 1e-12


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("buckets", [None, 5])
def test_online_equals_learning_after_each_step(smoothing: Smoothing, buckets: int | None, device: str) -> None:
    generator = torch.Generator().manual_seed(4)
    tokens = (torch.randint(0, 40, (3, 150), generator=generator) % 11).to(device)
    contexts = contexts_of(tokens, 4)
    flat, ids, steps = contexts.reshape(-1, 3), tokens.reshape(-1), torch.arange(150, device=device).repeat(3)
    fast, slow = (Ngram(11, 4, smoothing, buckets, device) for _ in range(2))
    online = fast.logp_of(flat, ids, steps).view(4, 3, 150)
    at = torch.arange(0, 450, 29, device=device)
    rows = torch.stack(list(fast.rows(flat[at], Since(flat, ids, steps, steps[at]))))
    assert float((mass(rows) - 1).abs().max()) < 1e-12
    for step in range(150):
        mine = slow.logp_of(contexts[:, step], tokens[:, step])
        assert float((mine - online[:, :, step]).abs().max()) < 1e-12
        slow.learn(contexts[:, step], tokens[:, step])
    entries = rows.gather(2, ids[at].expand(4, -1)[..., None])[..., 0]
    assert float((entries - online.view(4, -1)[:, at]).abs().max()) < 1e-12
    fast.learn(flat, ids)
    assert bool((fast.logp(flat) == slow.logp(flat)).all())  # one big lesson and many small ones leave the same counts


def test_witten_bell_by_hand() -> None:
    ngram = Ngram(4, 2)
    tokens = torch.tensor([0, 1, 0, 1, 0, 2])
    ngram.learn(contexts_of(tokens, 2), tokens)
    unigram = [(3 + 3 / 4) / 9, (2 + 3 / 4) / 9, (1 + 3 / 4) / 9, (3 / 4) / 9]  # N = 6, T = 3
    after_zero = [(c + 2 * p) / 5 for c, p in zip((0, 2, 1, 0), unigram, strict=True)]  # N = 3, T = 2
    one, two = ngram.rows(torch.tensor([[0], [3]]))
    assert one[0].exp().tolist() == pytest.approx(unigram)
    assert two[0].exp().tolist() == pytest.approx(after_zero)
    assert two[1].exp().tolist() == pytest.approx(unigram)  # never seen: the order below


def test_hashed_contexts_share_rows_and_still_sum_to_one() -> None:
    tokens = torch.arange(4000) * 7919 % 64
    contexts = contexts_of(tokens, 5)
    hashed, exact = Ngram(64, 5, buckets=3), Ngram(64, 5)
    for ngram in (hashed, exact):
        ngram.learn(contexts, tokens)
    assert hashed.nbytes < exact.nbytes
    assert len(torch.unique(hashed._context(contexts, 5))) == 3
    for row in hashed.rows(contexts[::61]):
        check_mass(row, "hashed", 1e-12)


def test_ratios_of_independent_tables_would_be_found_out() -> None:
    """What the mass test is for: the count under one hash over the total under another."""
    tokens = torch.arange(3000) * 31 % 17
    contexts = contexts_of(tokens, 3)
    a, b = Ngram(17, 3, buckets=4), Ngram(17, 3, buckets=5)
    for ngram in (a, b):
        ngram.learn(contexts, tokens)
    ratio = a.count_rows(contexts[:50], 3) / b.count_rows(contexts[:50], 3).sum(1, keepdim=True)
    with pytest.raises(MassError, match="ratio of hashed counters"):
        check_mass((ratio + 1e-30).log(), "ratio of hashed counters")


def test_scoring_leaves_no_trace() -> None:
    ngram = Ngram(5, 3)
    tokens = torch.tensor([1, 2, 3, 4, 0, 1, 2])
    contexts = contexts_of(tokens, 3)
    before = ngram.logp(contexts)
    ngram.logp_of(contexts, tokens, torch.arange(7))
    assert bool((ngram.logp(contexts) == before).all())
    assert before.exp().flatten().tolist() == pytest.approx([0.2] * 35)


def test_large_vocabularies_need_buckets() -> None:
    with pytest.raises(ValueError, match="give buckets between 1 and"):
        Ngram(8192, 5)
    ngram = Ngram(8192, 5, buckets=2**40)
    tokens = torch.tensor([8191, 0, 8191, 0])
    ngram.learn(contexts_of(tokens, 5), tokens)
    check_mass(ngram.logp(contexts_of(tokens, 5)), "8192")
    assert ngram.nbytes < 8 * 8192 + 28 * 4 * 4 + 1


@pytest.mark.parametrize(
    ("contexts", "tokens", "match"),
    [
        ([[0, 1]], [7], "outside of the vocabulary"),
        ([[0, 7]], [1], "outside of the vocabulary"),
        ([[-2, 1]], [1], "outside of the vocabulary"),
        ([[0]], [1], "needs contexts"),
        ([[0, 1]], [1, 2], "one token each"),
    ],
)
def test_bad_input_is_named(contexts: list[list[int]], tokens: list[int], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Ngram(7, 3).learn(torch.tensor(contexts), torch.tensor(tokens))


@pytest.mark.parametrize("bad", [("dirichlet", 0.0), ("absolute", 1.5), ("kneser", 1.0)])
def test_bad_smoothing_is_refused(bad: tuple[str, float]) -> None:
    with pytest.raises(ValueError, match=r"dirichlet|discount"):
        Smoothing(*bad)  # type: ignore[arg-type]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 3)), max_size=20), max_size=8))
def test_sorted_counts_equal_a_counter(batches: list[list[tuple[int, int]]]) -> None:
    table, truth = SortedCounts(1), Counter[int]()
    for batch in batches:
        table.add(
            torch.tensor([k for k, _ in batch], dtype=torch.int64),
            torch.tensor([v for _, v in batch], dtype=torch.int64)[:, None],
        )
        for key, value in batch:
            truth[key] += value
    assert table.get(torch.arange(21))[:, 0].tolist() == [truth[k] for k in range(21)]
    owner, key, value = table.between(torch.tensor([0, 5]), torch.tensor([5, 21]))
    sums = Counter[tuple[int, int]]()
    for i, k, v in zip(owner.tolist(), key.tolist(), value[:, 0].tolist(), strict=True):
        sums[i, k] += v
    assert sums == Counter({(int(k >= 5), k): v for k, v in truth.items()})
    assert len(table._runs) <= 1 + math.log2(max(1, len(table)) + 1)


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 5), st.booleans()), min_size=1, max_size=30), st.booleans()
)
def test_ranks_equal_counting(positions: list[tuple[int, int, bool]], rising: bool) -> None:
    if rising:
        positions = sorted(positions, key=lambda p: p[1])
    groups, steps, marked = (torch.tensor(x) for x in zip(*positions, strict=True))
    ranks = Ranks(groups, steps)
    assert ranks.earlier().tolist() == [sum(h == g and u < t for h, u, _ in positions) for g, t, _ in positions]
    found = ranks.earlier(marked).tolist()
    assert found == [sum(h == g and u < t and m for h, u, m in positions) for g, t, _ in positions]
    first = [p for p, is_first in zip(positions, ranks.first().tolist(), strict=True) if is_first]
    assert sorted(g for g, _, _ in first) == sorted({g for g, _, _ in positions})
    assert all(t == min(u for h, u, _ in positions if h == g) for g, t, _ in first)


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=9), st.floats(-4, 8), st.data())
def test_a_tilt_has_its_normaliser(logits: list[float], boost: float, data: st.DataObject) -> None:
    row = torch.tensor([logits], dtype=torch.float64).log_softmax(1)
    hint = torch.tensor([data.draw(st.integers(0, len(logits) - 1))])
    lifted = tilt(row, hint, torch.tensor([boost], dtype=torch.float64))
    assert check_mass(lifted, "tilt", 1e-12) <= 1e-12
    weights = [math.exp(x + boost * (v == int(hint))) for v, x in enumerate(row[0].tolist())]
    assert lifted[0].exp().tolist() == pytest.approx([w / sum(weights) for w in weights])
    for token in range(len(logits)):
        of = tilt_of(row[:, token], row[0, hint], hint == token, torch.tensor([boost], dtype=torch.float64))
        assert float(of) == pytest.approx(float(lifted[0, token]), abs=1e-12)
