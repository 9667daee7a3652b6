"""N-gram experts over the whole vocabulary: every order's probabilities are a distribution, always.

Order k looks at the k - 1 tokens before and is built upon order k - 1, down to the uniform distribution, so that no
token ever has probability zero. With c the count of the token after the context, N the context's total and T its
number of distinct tokens:

- "dirichlet":   (c + m p) / (N + m), m the strength (MacKay and Peto, 1995);
- "witten-bell": (c + T p) / (N + T) (Witten and Bell, 1991, method C);
- "absolute":    (max(c - d, 0) + d T p) / N, d the discount (Ney, Essen and Kneser, 1994);

where p is order k - 1's probability; a context never seen gives p itself. Each sums to one because the counts of one
context add up to its total. That holds for hashed contexts, too: contexts that fall together share one row of counts,
and a token's count and the row's total are found under the same hash. Ratios of two tables with hashes of their own,
which sum to anything, cannot be made."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from evaluator.mixing.counts import Ranks, SortedCounts

Kind = Literal["dirichlet", "witten-bell", "absolute"]

_MIX = (-7046029254386353131, -4658895280553007687, -7723592293110705685)  # odd 64-bit multipliers
_NO_TOKEN = -1


@dataclass(frozen=True)
class Smoothing:
    """How an order leans upon the order below: its kind, and the strength m ("dirichlet") or the discount d
    ("absolute").
    """

    kind: Kind = "witten-bell"
    value: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("dirichlet", "witten-bell", "absolute"):
            raise ValueError(f"smoothing {self.kind!r} is not known: dirichlet, witten-bell or absolute")
        if self.kind == "dirichlet" and not 0 < self.value < math.inf:
            raise ValueError("dirichlet smoothing needs a strength above 0")
        if self.kind == "absolute" and not 0 < self.value <= 1:
            raise ValueError("absolute discounting needs a discount above 0 and at most 1")

    def parts(self, count: Tensor, total: Tensor, types: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """(a, m, z) such that the probability is (a + m p) / z; `count` broadcasts against `total` and `types`."""
        count, total, types = count.to(dtype), total.to(dtype), types.to(dtype)
        if self.kind == "dirichlet":
            return count, torch.full_like(total, self.value), total + self.value
        if self.kind == "witten-bell":
            m = types.clamp(min=1)  # never seen: (0 + 1 p) / 1
            return count, m, total + m
        seen = total > 0
        m = torch.where(seen, self.value * types, 1.0)
        return (count - self.value).clamp(min=0), m, torch.where(seen, total, 1.0)


@dataclass(frozen=True)
class Since:
    """Tokens of the running chunk that the counts have not learned yet, for rows in the middle of it.

    `contexts` (m, order - 1), `tokens` (m,) and `steps` (m,) are the chunk's; `at` (n,) is each row's step. A row sees
    the tokens whose step is below its own and no others.
    """

    contexts: Tensor
    tokens: Tensor
    steps: Tensor
    at: Tensor


def contexts_of(tokens: Tensor, order: int) -> Tensor:
    """The `order` - 1 tokens before each position of `tokens` (..., n): (..., n, order - 1), the nearest last.

    Before the first token there is none, written -1.
    """
    padded = torch.nn.functional.pad(tokens.to(torch.int64), (order - 1, 0), value=_NO_TOKEN)
    return padded.unfold(-1, order, 1)[..., : order - 1] if order > 1 else tokens.new_zeros((*tokens.shape, 0)).long()


class Ngram:
    """Orders 1 to `order` over `vocab` tokens, from counts that grow by `learn`.

    `buckets` None keeps contexts exact (as long as a context and a token fit into 63 bits); a number hashes the
    contexts of each order into so many rows. Memory: order 1 is dense, 8 * vocab bytes; each higher order holds about
    12 bytes for each distinct n-gram and 16 for each distinct context, never more than 28 bytes for a token learned
    (and as much again while two runs are merged): `nbytes` says how much. `rows` makes a few (n, vocab) blocks of
    `dtype` at a time.
    """

    def __init__(
        self,
        vocab: int,
        order: int = 5,
        smoothing: Smoothing = Smoothing(),
        buckets: int | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
    ) -> None:
        if vocab < 2 or order < 1:
            raise ValueError(
                f"n-grams need a vocabulary of at least 2 tokens and an order of at least 1: {vocab}, {order}"
            )
        rows = (vocab + 1) ** (order - 1) if buckets is None else buckets
        if rows < 1 or rows * vocab >= 2**63:
            what = "exact contexts" if buckets is None else f"{buckets} buckets"
            raise ValueError(
                f"{what} of order {order} over {vocab} tokens do not fit into 63 bits: give buckets between "
                f"1 and {(2**63 - 1) // vocab}"
            )
        self.vocab, self.order, self.smoothing, self.buckets = vocab, order, smoothing, buckets
        self.device, self.dtype = torch.device(device), dtype
        self._unigram = torch.zeros(vocab, dtype=torch.int64, device=self.device)
        self._pairs = [SortedCounts(1, self.device) for _ in range(order - 1)]  # context and token: count
        self._rows = [SortedCounts(2, self.device) for _ in range(order - 1)]  # context: total, distinct tokens

    @property
    def nbytes(self) -> int:
        """Bytes held by the counts of all orders."""
        return 8 * self.vocab + sum(table.nbytes for table in (*self._pairs, *self._rows))

    # ---- keys

    def _context(self, contexts: Tensor, order: int) -> Tensor:
        """The row (n,) that order `order` >= 2 keeps its counts in: the one place where contexts become keys."""
        recent = contexts[:, contexts.shape[1] - (order - 1) :] + 1
        key = torch.zeros(len(contexts), dtype=torch.int64, device=self.device)
        if self.buckets is None:
            for column in recent.unbind(1):
                key = key * (self.vocab + 1) + column
            return key
        key += order
        for column in recent.unbind(1):
            key = (key ^ (column + 1)) * _MIX[0]
            key = (key ^ ((key >> 31) & 0x1FFFFFFFF)) * _MIX[1]
        key = (key ^ ((key >> 29) & 0x7FFFFFFFF)) * _MIX[2]
        return ((key >> 1) & (2**63 - 1)) % self.buckets

    def _checked(self, contexts: Tensor, tokens: Tensor | None) -> tuple[Tensor, Tensor]:
        contexts = contexts.to(self.device, torch.int64)
        if contexts.ndim != 2 or contexts.shape[1] < self.order - 1:
            raise ValueError(f"order {self.order} needs contexts (n, {self.order - 1}), not {tuple(contexts.shape)}")
        given = contexts.new_zeros(len(contexts)) if tokens is None else tokens.to(self.device, torch.int64)
        if given.shape != (len(contexts),):
            raise ValueError(
                f"{len(contexts)} contexts and tokens of shape {tuple(given.shape)}: one token each is needed"
            )
        used = contexts[:, contexts.shape[1] - (self.order - 1) :]
        odd = (used >= self.vocab).any() | (used < _NO_TOKEN).any() | (given >= self.vocab).any() | (given < 0).any()
        if bool(odd):
            raise ValueError(f"a token lies outside of the vocabulary of {self.vocab}")
        return contexts, given

    # ---- scoring

    def logp_of(self, contexts: Tensor, tokens: Tensor, steps: Tensor | None = None) -> Tensor:
        """Log-probabilities (nats) of `tokens` (n,) after `contexts` (n, >= order - 1): (order, n), a row for each
        order.

        Without `steps` only what was learned counts. With `steps` (n,), the tokens of this very call count as well
        for those of a higher step, as if `learn` had been called after each step: exact, without the loop.
        """
        contexts, tokens = self._checked(contexts, tokens)
        lower = torch.full((len(tokens),), 1.0 / self.vocab, dtype=self.dtype, device=self.device)
        out = []
        for order in range(1, self.order + 1):
            count, total, types = self._counts(order, contexts, tokens, steps)
            a, m, z = self.smoothing.parts(count, total, types, self.dtype)
            lower = (a + m * lower) / z
            out.append(lower.log())
        return torch.stack(out)

    def _counts(
        self, order: int, contexts: Tensor, tokens: Tensor, steps: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Count of the token, total and distinct tokens of its context, each (n,), before each token's step."""
        if order == 1:
            row = torch.zeros_like(tokens)
            count, total = self._unigram[tokens], self._unigram.sum().expand_as(tokens)
            types = (self._unigram > 0).sum().expand_as(tokens)
            if steps is None:
                return count, total, types
            of_key, of_row = Ranks(tokens, steps), Ranks(row, steps)
        else:
            row = self._context(contexts, order)
            pairs, rows, key = self._pairs[order - 2], self._rows[order - 2], row * self.vocab + tokens
            if steps is None:
                return pairs.get(key)[:, 0], *rows.get(row).unbind(1)
            of_key, of_row = Ranks(key, steps), Ranks(row, steps)
            count = of_key.unsorted(pairs.get(key[of_key.order])[:, 0])  # sorted keys are found faster
            total, types = of_row.unsorted(rows.get(row[of_row.order])).unbind(1)
        new = of_key.first() & (count == 0)
        return count + of_key.earlier(), total + of_row.earlier(), types + of_row.earlier(new)

    def rows(self, contexts: Tensor, since: Since | None = None) -> Iterator[Tensor]:
        """Log-probabilities of every token after each of `contexts`: (n, vocab), order 1 first, one order at a time."""
        contexts, _ = self._checked(contexts, None)
        lower = torch.full((len(contexts), self.vocab), 1.0 / self.vocab, dtype=self.dtype, device=self.device)
        for order in range(1, self.order + 1):
            counts = self.count_rows(contexts, order, since)
            total, types = counts.sum(1, keepdim=True), (counts > 0).sum(1, keepdim=True)
            a, m, z = self.smoothing.parts(counts, total, types, self.dtype)
            lower = lower.mul_(m).add_(a).div_(z)
            yield lower.log()

    def logp(self, contexts: Tensor, since: Since | None = None) -> Tensor:
        """The highest order's log-probabilities: (n, vocab)."""
        return deque(self.rows(contexts, since), maxlen=1)[0]

    def count_rows(self, contexts: Tensor, order: int, since: Since | None = None) -> Tensor:
        """How often each token followed each context: (n, vocab) int32."""
        n = len(contexts)
        if order == 1:
            out = self._unigram.to(torch.int32).expand(n, -1).clone()
            row = torch.zeros(n, dtype=torch.int64, device=self.device)
        else:
            out = torch.zeros((n, self.vocab), dtype=torch.int32, device=self.device)
            row = self._context(contexts, order)
            owner, key, value = self._pairs[order - 2].between(row * self.vocab, (row + 1) * self.vocab)
            out.view(-1).index_add_(0, owner * self.vocab + key % self.vocab, value[:, 0])
        if since is not None:
            before, tokens = self._checked(since.contexts, since.tokens)
            its = torch.zeros_like(tokens) if order == 1 else self._context(before, order)
            hit, event = ((row[:, None] == its) & (since.steps < since.at[:, None])).nonzero(as_tuple=True)
            ones = torch.ones_like(hit, dtype=torch.int32)
            out.view(-1).index_add_(0, hit * self.vocab + tokens[event], ones)
        return out

    # ---- learning

    def learn(self, contexts: Tensor, tokens: Tensor) -> None:
        """Counts `tokens` (n,) after `contexts` (n, >= order - 1), for what is scored from now on."""
        contexts, tokens = self._checked(contexts, tokens)
        if not len(tokens):
            return
        self._unigram += torch.bincount(tokens, minlength=self.vocab)
        for order in range(2, self.order + 1):
            row = self._context(contexts, order)
            pairs, rows = self._pairs[order - 2], self._rows[order - 2]
            keys, times = torch.unique(row * self.vocab + tokens, return_counts=True)
            new = pairs.get(keys)[:, 0] == 0
            pairs.add(keys, times[:, None])
            rows.add(keys // self.vocab, torch.stack([times, new.to(times.dtype)], 1))
