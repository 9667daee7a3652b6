from __future__ import annotations

import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from evaluator.adapt import Recipe, Tuned  # noqa: E402
from evaluator.evaluate import BINS, Plan, Result, evaluate  # noqa: E402
from evaluator.model import Whole  # noqa: E402
from evaluator.past import OrderError, Past  # noqa: E402
from evaluator.totals import Totals  # noqa: E402
from tests.evaluator.small import VOCABULARY, naive, network, stream  # noqa: E402

PLAN = Plan(sequence=32, stride=8, batch=4)


@pytest.mark.parametrize(("kind", "error"), [(torch.float64, 1e-12), (torch.float32, 2e-8)])
@pytest.mark.parametrize("stride", [1, 7, 32])
@pytest.mark.parametrize("rows", [1, 3])
def test_totals_are_those_of_a_naive_loop(rows: int, stride: int, kind: torch.dtype, error: float) -> None:
    net, (tokens, sizes) = network().to(kind), stream(rows, 301)
    nats, count, size = naive(net, tokens, sizes, 32, stride)
    got = evaluate(net, tokens, sizes, replace(PLAN, stride=stride)).totals
    assert (got.tokens, got.bytes) == (count, size)
    assert got.bpb == pytest.approx(nats / math.log(2) / size, abs=error)


def test_the_batch_changes_nothing() -> None:
    net, (tokens, sizes) = network().double(), stream(2, 500)
    found = [evaluate(net, tokens, sizes, replace(PLAN, batch=n)).totals for n in (1, 5, 64)]
    assert max(t.bpb for t in found) - min(t.bpb for t in found) < 1e-12


def test_rows_of_different_lengths_end_where_they_end() -> None:
    net, (tokens, sizes) = network(), stream(3, 120)
    ends = (120, 33, 2)
    one = [evaluate(net, tokens[i : i + 1, :n], sizes[i : i + 1, :n], PLAN).totals for i, n in enumerate(ends)]
    got = evaluate(net, tokens, sizes, PLAN, lengths=ends).totals
    assert got.tokens == 119 + 32 + 1
    assert got.nats == pytest.approx(sum(t.nats for t in one), abs=1e-9)
    assert got.bytes == sum(t.bytes for t in one)


def test_the_curve_adds_up_to_the_totals() -> None:
    net, (tokens, sizes) = network(), stream(1, 3000)
    got = evaluate(net, tokens, sizes, replace(PLAN, stride=32))
    parts = sum(got.curve, Totals())
    assert len(got.curve) == BINS
    assert (parts.tokens, parts.bytes) == (got.totals.tokens, got.totals.bytes)
    assert parts.nats == pytest.approx(got.totals.nats, rel=1e-12)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_adaptation_learns_and_the_first_chunk_knows_nothing_of_it(optimiser: str) -> None:
    tokens, sizes = stream(1, 1200)
    plan = replace(PLAN, chunk=200)
    before = evaluate(network(), tokens, sizes, plan)
    net = network()
    recipe = Recipe(optimiser, rate=0.02 if optimiser == "sgd" else 0.003, epochs=4, sequence=32, schedule="constant")
    after = evaluate(net, tokens, sizes, plan, adapter=Tuned(net, recipe))
    assert after.totals.bpb < before.totals.bpb - 0.05
    first = BINS * 190 // 1200
    assert sum(t.nats for t in after.curve[:first]) == pytest.approx(
        sum(t.nats for t in before.curve[:first]), abs=1e-6
    )


def test_later_tokens_never_change_an_earlier_score() -> None:
    tokens, sizes = stream(1, 800)
    other = tokens.clone()
    other[0, 500:] = (other[0, 500:] + 7) % VOCABULARY
    found = []
    for ids in (tokens, other):
        net = network()
        adapter = Tuned(net, Recipe(rate=0.02, epochs=2, sequence=32))
        found.append(evaluate(net, ids, sizes, replace(PLAN, chunk=100), adapter=adapter).curve)
    same = BINS * 499 // 799
    assert [t.nats for t in found[0][:same]] == [t.nats for t in found[1][:same]]
    assert [t.nats for t in found[0][same + 1 :]] != [t.nats for t in found[1][same + 1 :]]


class Thief:
    """Wants to learn from what is not scored yet."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def learn(self, past: Past) -> None:
        self.seen.append(past.tokens.untyped_storage().nbytes() // past.tokens.element_size())

    def state(self) -> dict[str, object]:
        return {}

    def resume(self, state: dict[str, object]) -> None: ...


def test_who_adapts_is_given_scored_tokens_and_no_way_to_others() -> None:
    thief, (tokens, sizes) = Thief(), stream(1, 400)
    evaluate(network(), tokens, sizes, replace(PLAN, chunk=100), adapter=thief)
    assert thief.seen == [101, 101, 101], "the chunk and the token before it, and nothing after the last chunk"


@pytest.mark.parametrize("door", ["in place", "past the count of writes", "another tensor"])
def test_a_model_that_adapts_while_it_scores_is_refused(door: str) -> None:
    net, (tokens, sizes) = network(), stream(1, 100)

    def sly(x: torch.Tensor, last: int) -> torch.Tensor:
        w = net.embedding.weight
        if door == "in place":
            w.add_(0.001)
        elif door == "another tensor":
            w.data = w.data + 0.001
        else:
            w.data.add_(0.001)
        return net(x, last)

    with pytest.raises(OrderError, match=r"embedding\.weight"):
        evaluate(net, tokens, sizes, PLAN, score=sly)


def test_an_evaluation_that_was_interrupted_goes_on_to_the_same_total() -> None:
    tokens, sizes = stream(1, 900)
    plan = replace(PLAN, chunk=150)
    recipe = Recipe("adamw", rate=0.003, sequence=32)

    class Enough(Exception): ...

    def stop(r: Result) -> None:
        if r.chunks == 3:
            raise Enough

    net = network()
    whole = evaluate(net, tokens, sizes, plan, adapter=Tuned(net, recipe)).totals
    net, result = network(), Result()
    first = Tuned(net, recipe)
    with pytest.raises(Enough):
        evaluate(net, tokens, sizes, plan, adapter=first, result=result, after=stop)
    again = Tuned(net, recipe)
    again.resume(first.state())
    got = evaluate(net, tokens, sizes, plan, adapter=again, result=result).totals
    assert got == whole


def test_rates_and_frozen_parts() -> None:
    tokens, sizes = stream(1, 300)
    net = network()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    recipe = Recipe(rate=0.05, sequence=32, frozen=(r"^blocks\.0\.", "embedding"), rates={"down": 0.0})
    evaluate(net, tokens, sizes, replace(PLAN, chunk=100), adapter=Tuned(net, recipe))
    moved = {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}
    assert not {n for n in moved if n.startswith("blocks.0.") or "embedding" in n or "down" in n}
    assert {"blocks.1.up.weight", "blocks.2.out.weight"} <= moved


@pytest.mark.parametrize("recipe", [Recipe(frozen=("nowhere",)), Recipe(rates={"no_such": 2.0})])
def test_expressions_that_name_nothing_are_refused(recipe: Recipe) -> None:
    with pytest.raises(ValueError, match="names no parameter"):
        Tuned(network(), recipe)


def test_nothing_left_to_adapt_is_refused() -> None:
    with pytest.raises(ValueError, match="all parameters are frozen"):
        Tuned(network(), Recipe(frozen=(".",)))


def test_a_module_that_computes_all_positions_scores_the_same() -> None:
    net, (tokens, sizes) = network().double(), stream(2, 200)
    whole = Whole(Everything(net), VOCABULARY)
    assert evaluate(whole, tokens, sizes, PLAN).totals.nats == pytest.approx(
        evaluate(net, tokens, sizes, PLAN).totals.nats, abs=1e-9
    )


class Everything(torch.nn.Module):
    """Knows nothing of the last positions."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.net(tokens)  # type: ignore[no-any-return]


def test_bad_input() -> None:
    net, (tokens, sizes) = network(), stream(1, 50)
    with pytest.raises(ValueError, match="outside the model's vocabulary"):
        evaluate(net, tokens + VOCABULARY, sizes, PLAN)
    with pytest.raises(ValueError, match="two tokens at least"):
        evaluate(net, tokens[:, :1], sizes[:, :1], PLAN)
    with pytest.raises(ValueError, match="one \\(K, L\\)"):
        evaluate(net, tokens, sizes[:, 1:], PLAN)
