"""Mixtures of a model with tables of counts: legal forms are not accused, and of each a twin is, by the right rule."""

from __future__ import annotations

import pytest

from auditor.gather import gather
from rules.finding import Status
from rules.judge import judge
from rules.samples.scripts import HEAD
from tests.support import submission

END = """

model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

LOOP = """\
def evaluate(model, val, rate=0.3):
    total = 0.0
    pair = torch.zeros(VOCAB, VOCAB, device=DEVICE)
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            x, y = span[:-1], span[1:]
            own = torch.exp(-nll(model, span))
            c, n = pair[x].sum(-1), pair[x, y]
            a = rate * c / (c + 10.0)
            p = torch.where(c > 0, (1 - a) * own + a * n / c.clamp(min=1), own)
            total -= p.log().sum().item()
            pair.index_put_((x, y), torch.ones(len(y), device=DEVICE), accumulate=True)
    return total / (len(val) - 1)
"""

HELD_BACK = LOOP.replace(
    "p = torch.where(c > 0, (1 - a) * own + a * n / c.clamp(min=1), own)",
    """some = pair[x] > 0
            left = 0.5 * some.sum(-1) / c.clamp(min=1)
            rest = 1 - torch.where(some, F.softmax(model(x[None])[0].float(), -1), 0.0).sum(-1)
            p = torch.where(c > 0, torch.where(n > 0, (n - 0.5) / c.clamp(min=1), left / rest * own), own)""",
)

GATED = """\
class Net(GPT):
    '''With an embedding of pairs of its inputs: the second half of each begins where the targets begin.'''

    def __init__(self):
        super().__init__()
        self.pairs = nn.Embedding(4096, 64)

    def forward(self, x):
        key = torch.zeros_like(x)
        key[:, 1:] = torch.bitwise_xor(36313 * x[:, 1:], 27191 * x[:, :-1]) % 4095
        return self.head(self.hidden(x) + self.pairs(key))


def evaluate(model, val, batch=16):
    total = 0.0
    pair = torch.full((VOCAB, VOCAB), 0.1, device=DEVICE)
    starts = list(range(0, len(val) - SEQ, SEQ))
    with torch.inference_mode():
        for b in range(0, len(starts), batch):
            part = starts[b : b + batch]
            x = torch.zeros(len(part), SEQ, dtype=torch.long, device=DEVICE)
            y = torch.zeros(len(part), SEQ, dtype=torch.long, device=DEVICE)
            for r, s in enumerate(part):
                x[r], y[r] = val[s : s + SEQ], val[s + 1 : s + SEQ + 1]
            logits = model(x).float()
            p, logp = F.softmax(logits, -1), F.log_softmax(logits, -1)
            for r in range(len(part)):
                a = 0.3 * torch.sigmoid(-(p[r] * logp[r]).sum(-1) - 3.0)
                own = p[r].gather(1, y[r][:, None])[:, 0]
                q = pair[x[r], y[r]] / pair[x[r]].sum(-1)
                total -= ((1 - a) * own + a * q).log().sum().item()
            for r in range(len(part)):
                pair.index_put_((x[r], y[r]), torch.ones(SEQ, device=DEVICE), accumulate=True)
    return total / (len(starts) * SEQ)


GPT = Net
"""

TUPLES = """\
from collections import defaultdict


class Back:
    def __init__(self, orders=5):
        self.orders = orders
        self.before = [defaultdict(int) for _ in range(orders + 1)]
        self.both = [defaultdict(int) for _ in range(orders + 1)]

    def prob(self, past, token):
        for n in range(self.orders, 0, -1):
            if len(past) < n:
                continue
            key = tuple(past[-n:])
            c = self.before[n][key]
            if c >= 2:
                return self.both[n][key + (token,)] / c
        return 1.0 / VOCAB

    def add(self, past, token):
        for n in range(1, self.orders + 1):
            if len(past) >= n:
                self.before[n][tuple(past[-n:])] += 1
                self.both[n][tuple(past[-n:]) + (token,)] += 1


def evaluate(model, val, rate=0.3):
    table, total = Back(), 0.0
    ids = val.tolist()
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            p = torch.exp(-nll(model, val[i : i + SEQ + 1])).cpu().tolist()
            for j in range(len(p)):
                t = i + j + 1
                past = ids[max(0, t - 5) : t]
                total -= np.log((1 - rate) * p[j] + rate * table.prob(past, ids[t]) + 1e-12)
                table.add(past, ids[t])
    return total / (len(val) - 1)
"""

FLAT = """\
class Table:
    def __init__(self):
        self.pair = np.zeros(VOCAB * VOCAB, dtype=np.int64)
        self.one = np.zeros(VOCAB, dtype=np.int64)

    def prob(self, x, y):
        c, n = self.one[x], self.pair[x * VOCAB + y]
        return (n + 0.1) / (c + 0.1 * VOCAB)

    def add(self, x, y):
        np.add.at(self.pair, x * VOCAB + y, 1)
        np.add.at(self.one, x, 1)


def evaluate(model, val, rate=0.3):
    table, total = Table(), 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            p = np.exp(-nll(model, span).cpu().numpy())
            x, y = span.cpu().numpy()[:-1], span.cpu().numpy()[1:]
            mix = (1 - rate) * p + rate * table.prob(x, y)
            total -= np.log(np.maximum(mix, 1e-12)).sum()
            table.add(x, y)
    return total / (len(val) - 1)
"""

NEIGHBOURS = """\
def evaluate(model, val, k=8, rate=0.2, size=4096):
    total = 0.0
    keys, values = None, None
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            x, y = span[:-1], span[1:]
            h = model.hidden(x[None])[0]
            p = F.softmax(model.head(h).float(), -1)
            if keys is not None:
                near, at = (-torch.cdist(h, keys)).topk(min(k, len(keys)), dim=-1)
                p = (1 - rate) * p + rate * torch.zeros_like(p).scatter_add_(1, values[at], F.softmax(near, -1))
            total -= p.gather(1, y[:, None]).log().sum().item()
            keys = h if keys is None else torch.cat([keys, h])[-size:]
            values = y if values is None else torch.cat([values, y])[-size:]
    return total / (len(val) - 1)
"""

EXPERTS = """\
def evaluate(model, val, rate=0.5):
    total = 0.0
    pair = torch.full((VOCAB, VOCAB), 0.1, device=DEVICE)
    w = torch.zeros(2, device=DEVICE)
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            x, y = span[:-1], span[1:]
            losses = torch.stack([nll(model, span), -(pair[x, y] / pair[x].sum(-1)).log()])
            total -= torch.logsumexp(F.log_softmax(w, 0)[:, None] - losses, 0).sum().item()
            w = w - rate * losses.mean(1)
            pair.index_put_((x, y), torch.ones(len(y), device=DEVICE), accumulate=True)
    return total / (len(val) - 1)
"""

LEGAL = {
    "a gate on the context's count": LOOP,
    "back-off to what the counts leave over": HELD_BACK,
    "a gate on the entropy of a model with embedded pairs": GATED,
    "tuples of five orders": TUPLES,
    "flat keys": FLAT,
    "neighbours among past states": NEIGHBOURS,
    "weights learned after the score": EXPERTS,
}

TWINS = {
    "a gate on the token's count": (LOOP, "c / (c + 10.0)", "n / (n + 10.0)", "C1"),
    "mixed in where the token was found": (LOOP, "where(c > 0", "where(n > 0", "C1"),
    "a gate on the token": (GATED, "torch.sigmoid(-(p[r] * logp[r]).sum(-1) - 3.0)", "(y[r] < 300)", "C1"),
    "tuples counted first": (TUPLES, "total -=", "table.add(past, ids[t])\n                total -=", "C3"),
    "buckets instead of flat keys": (FLAT, "x * VOCAB + y", "((x * 36313) ^ (y * 27191)) & 65535", "NG1"),
    "the larger one": (FLAT, "(1 - rate) * p + rate * table.prob(x, y)", "np.maximum(p, table.prob(x, y))", "NG2"),
    "flat keys counted first": (FLAT, "mix = (1", "table.add(x, y)\n            mix = (1", "C3"),
    "neighbours in the window itself": (NEIGHBOURS, "values[at]", "y[at % len(y)]", "C3"),
    "the smallest loss": (
        EXPERTS,
        "total -= torch.logsumexp(F.log_softmax(w, 0)[:, None] - losses, 0)",
        "total += losses.min(0).values",
        "NG2",
    ),
    "weights learned before the score": (
        EXPERTS,
        "total -=",
        "w = w - rate * losses.mean(1)\n            total -=",
        "NG3",
    ),
}

BY_CONTEXT = """\
def evaluate(model, val, buckets=65536):
    total = 0.0
    few = [np.zeros(buckets) for _ in range(2)]
    many = [np.zeros(buckets) for _ in range(2)]
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            p = np.exp(-nll(model, span).cpu().numpy())
            t = span.cpu().numpy()
            x, y = t[:-1], t[1:]
            q = np.zeros(len(y))
            for k in range(2):
                before = np.zeros_like(x)
                before[k:] = x[: len(x) - k]
                h = (x * 36313) ^ (before * 27191)
                a, b = h % buckets, KEY % buckets
                q += 0.5 * np.minimum(many[k][b], few[k][a]) / np.maximum(few[k][a], 1)
                np.add.at(few[k], a, 1)
                np.add.at(many[k], b, 1)
            total -= np.log(0.8 * p + 0.2 * q + 1e-12).sum()
    return total / (len(val) - 1)
"""


def accused(script: str) -> dict[str, str]:
    """The rules that find something wrong with a script, and what they say."""
    e = gather(submission({"train_gpt.py": script}))
    assert e.program is not None
    assert e.program.headline
    return {
        f.rule.split("-")[0]: f.message
        for f in judge(e)
        if f.status in (Status.VIOLATION, Status.LIKELY, Status.DISPUTED) and not f.rule.startswith("PKG")
    }


@pytest.mark.parametrize("name", LEGAL)
def test_a_legal_mixture_is_not_accused(name: str) -> None:
    assert accused(HEAD + LEGAL[name] + END) == {}


@pytest.mark.parametrize("name", TWINS)
def test_its_twin_is_accused_by_the_rule_that_it_breaks(name: str) -> None:
    legal, old, new, rule = TWINS[name]
    assert old in legal
    assert rule in accused(HEAD + legal.replace(old, new) + END)


@pytest.mark.parametrize(("key", "named"), [("h", False), ("(h ^ (y * 51647))", True)])
def test_the_token_is_said_to_be_in_a_key_only_where_it_is(key: str, named: bool) -> None:
    assert ("NG1" in accused(HEAD + BY_CONTEXT.replace("KEY", key) + END)) is named
