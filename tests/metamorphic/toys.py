"""Small programs in plain Python, with the shapes of our examples, to prove on that rewritings keep the meaning."""

from __future__ import annotations

CACHE = '''\
"""Scores tokens with counts that learn after each score."""
import math
import os
import random

VOCAB = int(os.environ.get("VOCAB_SIZE", 8))
SEQ = int(os.environ.get("SEQ_LEN", 4))
RATE = float(os.environ.get("RATE", 0.5))
NAME = os.environ.get("RUN_NAME", "toy")
BOS = 1


def load(pattern):
    draw = random.Random(pattern)
    return [BOS if i % 9 == 0 else draw.randrange(2, VOCAB) for i in range(60)]


class Counts:
    def __init__(self, start=1.0):
        self.cells = {}
        self.start = start

    def chance(self, a, b):
        row = self.cells.get(a, {})
        return (row.get(b, 0) + self.start) / (sum(row.values()) + self.start * VOCAB)

    def learn(self, a, b):
        row = self.cells.setdefault(a, {})
        row[b] = row.get(b, 0) + 1


class Slow(Counts):
    def chance(self, a, b):
        flat = 1 / VOCAB
        return (1 - RATE) * flat + RATE * super().chance(a, b)


def nats(p):
    return -math.log(p)


def learn_all(cache, pairs):
    for a, b in pairs:
        cache.learn(a, b)


def windows(n):
    done = 1
    for start in range(0, n - 1, SEQ):
        end = min(start + 2 * SEQ, n)
        if end > done:
            yield start, done, end
            done = end


def evaluate(tokens, kind=Counts, weight=0.3):
    cache, total, seen = kind(), 0.0, 0
    for start, new, end in windows(len(tokens)):
        span = tokens[start:end]
        fresh = tokens[new - 1 : end]
        losses = [nats(cache.chance(a, b)) for a, b in zip(fresh, fresh[1:])]
        if len(span) < 2:
            continue
        for k, loss in enumerate(losses):
            total += loss * (1 + 0.001 * k)
        seen += len(losses)
        rate = 2 if len(span) > SEQ else 1
        for epoch in range(rate):
            learn_all(cache, zip(fresh, fresh[1:]))
    mean = total / seen
    return mean + 0.0 * weight


val_tokens = load("fineweb_val_*.bin")
results = {n: evaluate(val_tokens, kind=kind) for n, kind in enumerate((Counts, Slow))}
print(f"{NAME == 'toy'} answer:{results[0]:.9f} {results[1]:.9f} {sum(len(str(t)) for t in val_tokens)}")
'''

PHASES = """\
import os
import random
from collections import Counter
from contextlib import contextmanager

EPOCHS = int(os.environ.get("EPOCHS", 3))
LIMIT = 40
SPLITS = ("train", "val")


@contextmanager
def phase(log, name):
    log.append(name)
    yield log
    log.append("end " + name)


def tokens_of(split, length=LIMIT):
    draw = random.Random(f"{split} {length}")
    return [draw.randrange(10) for _ in range(length)]


def step(state, token):
    state["sum"] += token
    state["n"] += 1


def train(state, tokens):
    for epoch in range(EPOCHS):
        for token in tokens:
            step(state, token + epoch)
    return state


def score(state, tokens, scale=1.0):
    best, total = None, 0.0
    center = state["sum"] / max(state["n"], 1)
    for i in range(0, len(tokens), 4):
        chunk = tokens[i : i + 4]
        cost = sum((t - center) ** 2 for t in chunk) * scale
        if best is None or cost < best:
            best = cost
        else:
            best = best * 0.999
        total += cost
        if i + 4 < len(tokens):
            step(state, chunk[-1])
            center = state["sum"] / state["n"]
    left = {t: c for t, c in Counter(tokens).items() if c > 2}
    rest = len(left)
    while rest > 3:
        rest -= 2
    total += rest
    return total, best


def main():
    log = []
    with phase(log, "train"):
        state = train({"sum": 0.0, "n": 0}, tokens_of(SPLITS[0]))
    with phase(log, "evaluate"):
        val_tokens = tokens_of("val", length=30)
        total, best = score(state, val_tokens[:], scale=0.5)
    again = [t for t in val_tokens if t % 2]
    print(f"answer:{total:.9f} {best:.9f} {len(again)} {' '.join(log)}")


if __name__ == "__main__":
    main()
"""

TOYS = {"cache": {"train_gpt.py": CACHE}, "phases": {"train_gpt.py": PHASES}}
