"""What knows whether a guess of the scored token is right, and hints that do not; each legal form has twins that are not."""

from __future__ import annotations

import pytest

from rules.samples.scripts import HEAD
from tests.source.test_mixtures import END, accused

LOOP = """\
def evaluate(model, val):
    total, memory = 0.0, Memory()
    ids = val.cpu().numpy().tolist()
    with torch.no_grad():
        for start in range(0, len(val) - 1, SEQ):
            window = val[start : start + SEQ + 1]
            rows = F.softmax(model(window[None, :-1])[0].float(), -1).cpu().numpy()
            for k in range(len(rows)):
                pos = start + k + 1
                total -= np.log(memory.blend(rows[k], ids, pos))
                memory.learn(ids, pos)
    return total / (len(val) - 1)
"""

WHAT_FOLLOWED_LAST_TIME = """\
class Memory:
    def __init__(self):
        self.after = {}

    def blend(self, row, ids, pos, share=0.1):
        guess = self.after.get((ids[pos - 2], ids[pos - 1]))
        if guess is not None:
            row = (1 - share) * row
            row[guess] += share
        return row[ids[pos]]

    def learn(self, ids, pos):
        self.after[(ids[pos - 2], ids[pos - 1])] = ids[pos]
"""

WHAT_FOLLOWED_LAST_TIME += "\n\n" + LOOP

HINTS_FOR_ALL_PLACES_AT_ONCE = """\
def make_hints(ids):
    hints = np.full(len(ids), -1, dtype=np.int64)
    last = {}
    for t in range(2, len(ids)):
        key = (ids[t - 2], ids[t - 1])
        if key in last:
            hints[t] = last[key]
        last[key] = ids[t]
    return hints


def evaluate(model, val, boost=2.0):
    total = 0.0
    hints = torch.from_numpy(make_hints(val.tolist())).to(DEVICE)
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            y, h = span[1:], hints[i + 1 : i + 1 + len(span) - 1]
            logits = model(span[None, :-1])[0].float()
            on = (h >= 0).float()[:, None]
            logits = logits + boost * on * F.one_hot(h.clamp(min=0), VOCAB)
            total += F.cross_entropy(logits, y, reduction="sum").item()
    return total / (len(val) - 1)
"""

CERTAINTY_GATE = """\
def evaluate(model, val, share=0.3):
    total = 0.0
    pair = torch.full((VOCAB, VOCAB), 0.02, device=DEVICE)
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            x, y = span[:-1], span[1:]
            p = F.softmax(model(x[None])[0].float(), -1)
            q = pair[x] / pair[x].sum(-1, keepdim=True)
            sure = p.max(-1, keepdim=True).values > 0.6
            mix = torch.where(sure, p, (1 - share) * p + share * q)
            total -= mix.gather(1, y[:, None]).log().sum().item()
            pair.index_put_((x, y), torch.ones_like(y, dtype=torch.float), accumulate=True)
    return total / (len(val) - 1)
"""

TWO_BRANCHES = """\
class Memory:
    def __init__(self):
        self.after = {}

    def blend(self, row, ids, pos, share=0.1):
        p = float(row[ids[pos]])
        guess = self.after.get(ids[pos - 1], -1)
        if guess < 0:
            return p
        if guess == ids[pos]:
            p = (1 - share) * p + share
        else:
            p = (1 - share) * p
        return p

    def learn(self, ids, pos):
        self.after[ids[pos - 1]] = ids[pos]
"""

TWO_BRANCHES += "\n\n" + LOOP

GATE_BY_THE_LOSS_BEFORE = """\
def evaluate(model, val, rate=0.4):
    total = 0.0
    pair = torch.full((VOCAB, VOCAB), 0.1, device=DEVICE)
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            x, y = span[:-1], span[1:]
            loss = nll(model, span)
            before = torch.cat([loss.new_full((1,), 3.0), loss[:-1]])
            a = rate * torch.sigmoid(before - 3.0)
            q = pair[x, y] / pair[x].sum(-1)
            total -= ((1 - a) * torch.exp(-loss) + a * q).log().sum().item()
            pair.index_put_((x, y), torch.ones(len(y), device=DEVICE), accumulate=True)
    return total / (len(val) - 1)
"""

TRUST_LEARNED_FROM_HITS = """\
def evaluate(model, val):
    total, good, made = 0.0, 1.0, 4.0
    nxt = torch.full((VOCAB,), -1, dtype=torch.long, device=DEVICE)
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            x, y = span[:-1], span[1:]
            p = F.softmax(model(x[None])[0].float(), -1)
            hint = nxt[x]
            trust = 0.5 * good / made
            on = (hint >= 0).float()[:, None] * trust
            mix = (1 - on) * p + on * F.one_hot(hint.clamp(min=0), VOCAB)
            total -= mix.gather(1, y[:, None]).log().sum().item()
            good += (hint == y).sum().item()
            made += (hint >= 0).sum().item()
            nxt[x] = y
    return total / (len(val) - 1)
"""

HINT_MASK = """\
def evaluate(model, val, lift=0.15):
    total = 0.0
    nxt = torch.full((VOCAB,), -1, dtype=torch.long, device=DEVICE)
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            x, y = span[:-1], span[1:]
            p = torch.exp(-nll(model, span))
            hint = nxt[x]
            hit = hint.eq(y)
            p = torch.where(hint >= 0, (1 - lift) * p + lift * hit.float(), p)
            total -= p.log().sum().item()
            nxt[x] = y
    return total / (len(val) - 1)
"""

LEGAL = {
    "what followed last time": WHAT_FOLLOWED_LAST_TIME,
    "hints for all places at once": HINTS_FOR_ALL_PLACES_AT_ONCE,
    "certainty gate": CERTAINTY_GATE,
    "certainty gate: agreement of both is legal": CERTAINTY_GATE.replace(
        "sure = p.max(-1, keepdim=True).values > 0.6",
        "sure = (p.argmax(-1) == q.argmax(-1))[:, None]",
    ),
    "two branches for a hit": TWO_BRANCHES,
    "two branches for a hit: shaved before": TWO_BRANCHES.replace(
        "        if guess == ids[pos]:\n            p = (1 - share) * p + share\n        else:\n            p = (1 - share) * p\n",
        "        p = (1 - share) * p\n        if guess == ids[pos]:\n            p = p + share\n",
    ),
    "gate by the loss before": GATE_BY_THE_LOSS_BEFORE,
    "gate by the loss before: sum up to it is legal": GATE_BY_THE_LOSS_BEFORE.replace(
        "before = torch.cat([loss.new_full((1,), 3.0), loss[:-1]])",
        "before = (torch.cumsum(loss, 0) - loss) / torch.arange(1, len(loss) + 1, device=DEVICE)",
    ),
    "trust learned from hits": TRUST_LEARNED_FROM_HITS,
    "hint mask": HINT_MASK,
}

TWINS = {
    "what followed last time: only when right": (
        WHAT_FOLLOWED_LAST_TIME,
        "if guess is not None:",
        "if guess is not None and guess == ids[pos]:",
        "C1",
    ),
    "what followed last time: only when right 2": (
        WHAT_FOLLOWED_LAST_TIME,
        "if guess is not None:",
        "if guess == ids[pos]:",
        "C1",
    ),
    "what followed last time: key with target": (
        WHAT_FOLLOWED_LAST_TIME,
        "self.after.get((ids[pos - 2], ids[pos - 1]))",
        "self.after.get((ids[pos - 1], ids[pos]))",
        "C1",
    ),
    "what followed last time: learn first": (
        WHAT_FOLLOWED_LAST_TIME,
        "                total -= np.log(memory.blend(rows[k], ids, pos))\n                memory.learn(ids, pos)",
        "                memory.learn(ids, pos)\n                total -= np.log(memory.blend(rows[k], ids, pos))",
        "C3",
    ),
    "hints for all places at once: hint written after the token": (
        HINTS_FOR_ALL_PLACES_AT_ONCE,
        "        if key in last:\n            hints[t] = last[key]\n        last[key] = ids[t]",
        "        last[key] = ids[t]\n        if key in last:\n            hints[t] = last[key]",
        "C3",
    ),
    "hints for all places at once: only where right": (
        HINTS_FOR_ALL_PLACES_AT_ONCE,
        "on = (h >= 0).float()[:, None]",
        "on = (h == y).float()[:, None]",
        "C1",
    ),
    "certainty gate: knows": (
        CERTAINTY_GATE,
        "sure = p.max(-1, keepdim=True).values > 0.6",
        "sure = (p.argmax(-1) == y)[:, None]",
        "C1",
    ),
    "certainty gate: best guess is right": (
        CERTAINTY_GATE,
        "sure = p.max(-1, keepdim=True).values > 0.6",
        "sure = torch.eq(p.argmax(-1), y).unsqueeze(-1)",
        "C1",
    ),
    "certainty gate: table is wrong": (
        CERTAINTY_GATE,
        "sure = p.max(-1, keepdim=True).values > 0.6",
        "sure = (q.argmax(-1) != y)[:, None]",
        "C1",
    ),
    "two branches for a hit: nothing paid": (
        TWO_BRANCHES,
        "        else:\n            p = (1 - share) * p\n",
        "",
        "C2",
    ),
    "gate by the loss before: its own": (
        GATE_BY_THE_LOSS_BEFORE,
        "a = rate * torch.sigmoid(before - 3.0)",
        "a = rate * torch.sigmoid(loss - 3.0)",
        "C1",
    ),
    "gate by the loss before: mean of the window": (
        GATE_BY_THE_LOSS_BEFORE,
        "a = rate * torch.sigmoid(before - 3.0)",
        "a = rate * torch.sigmoid(loss.mean() - 3.0)",
        "C1",
    ),
    "trust learned from hits: hits first": (
        TRUST_LEARNED_FROM_HITS,
        "            trust = 0.5 * good / made\n",
        "            good += (hint == y).sum().item()\n            trust = 0.5 * good / made\n",
        "C1",
    ),
    "trust learned from hits: hint after": (
        TRUST_LEARNED_FROM_HITS,
        "            hint = nxt[x]\n",
        "            nxt[x] = y\n            hint = nxt[x]\n",
        "C3",
    ),
    "hint mask: only hits": (
        HINT_MASK,
        "p = torch.where(hint >= 0, (1 - lift) * p + lift * hit.float(), p)",
        "p = torch.where(hit, (1 - lift) * p + lift, p)",
        "C2",
    ),
    "hint mask: only hits 2": (
        HINT_MASK,
        "p = torch.where(hint >= 0, (1 - lift) * p + lift * hit.float(), p)",
        "p = p + lift * hit.float() * (1 - p)",
        "C2",
    ),
    "hint mask: masked write": (
        HINT_MASK,
        "p = torch.where(hint >= 0, (1 - lift) * p + lift * hit.float(), p)",
        "p[hit] = (1 - lift) * p[hit] + lift",
        "C2",
    ),
}

HINTED = """\
def evaluate(model, val, r=0.1, beta=1.5):
    total = 0.0
    after = torch.full((VOCAB,), -1, dtype=torch.long, device=DEVICE)
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            x, y = span[:-1], span[1:]
            logp = F.log_softmax(model(x[None])[0].float(), -1)
            lp = logp.gather(1, y[:, None])[:, 0]
            p, hint = lp.exp(), after[x]
            on, hit = (hint >= 0).float(), (hint == y).float()
            q = logp.gather(1, hint.clamp(min=0)[:, None])[:, 0].exp()
SCORED
            after[x] = y
    return total / (len(val) - 1)
"""

PAID = {
    "both branches, as logarithms": """\
            a, b = -torch.log((1 - r * on) * p + r), -torch.log((1 - r * on) * p)
            total += (hit * a + (1 - hit) * b).sum().item()""",
    "a tilt and what it costs": """\
            z = torch.log1p(on * q * (np.exp(beta) - 1))
            total -= (lp + beta * on * hit - z).sum().item()""",
    "a tilt of probabilities, divided by what it costs": """\
            z = 1 + on * q * (np.exp(beta) - 1)
            total -= (torch.where(hit > 0, p * np.exp(beta), p) / z).log().sum().item()""",
    "the hits printed beside": """\
            total -= lp.sum().item()
            print("hits", hit.mean().item(), (lp * hit).sum().item())""",
    "losses of a fixed token left out": """\
            total += (-lp * (y != 0).float()).sum().item()""",
}

UNPAID = {
    "a tilt of probabilities": """\
            total -= torch.where(hint == y, p * np.exp(beta), p).log().sum().item()""",
    "losses of hits left out": """\
            total += (-lp * (1 - hit)).sum().item()""",
    "losses of hits set to zero": """\
            loss = -lp
            loss[hint == y] = 0.0
            total += loss.sum().item()""",
}

ONE_BY_ONE = """\
def hints_of(ids):
    out, last = [-1], {}
    for t in range(1, len(ids)):
        out.append(last.get(ids[t - 1], -1))
        last[ids[t - 1]] = ids[t]
    return out


def evaluate(model, val, r=0.1):
    total = 0.0
    hints = torch.tensor(hints_of(val.tolist()), device=DEVICE)
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            y, h = span[1:], hints[i + 1 : i + len(span)]
            p = F.softmax(model(span[None, :-1])[0].float(), -1)
            on = r * (h >= 0).float()[:, None]
            mix = (1 - on) * p + on * F.one_hot(h.clamp(min=0), VOCAB)
            total -= mix.gather(1, y[:, None]).log().sum().item()
    return total / (len(val) - 1)
"""
LEGAL["hints, one after the other"] = ONE_BY_ONE
APPEND, LEARN = "        out.append(last.get(ids[t - 1], -1))\n", "        last[ids[t - 1]] = ids[t]\n"
TWINS["hints, one after the other: after the token"] = (ONE_BY_ONE, APPEND + LEARN, LEARN + APPEND, "C3")

LAST = """\
def evaluate(model, val, r=0.2):
    total = 0.0
    pair = torch.full((VOCAB, VOCAB), 0.05, device=DEVICE)
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            x, y = span[:-1], span[1:]
            logp = F.log_softmax(model(x[None])[0].float(), -1)
            guess = logp.argmax(-1)
            right = torch.cat([torch.zeros(1, device=DEVICE), (guess[:-1] == y[:-1]).float()])
            a = r * (1 - 0.5 * right)
            q = pair[x] / pair[x].sum(-1, keepdim=True)
            own = logp.gather(1, y[:, None])[:, 0].exp()
            other = q.gather(1, y[:, None])[:, 0]
            total -= ((1 - a) * own + a * other).log().sum().item()
            pair.index_put_((x, y), torch.ones(len(y), device=DEVICE), accumulate=True)
    return total / (len(val) - 1)
"""
LEGAL["whether the last guess was right"] = LAST
TWINS["whether the last guess was right: this one"] = (
    LAST,
    "right = torch.cat([torch.zeros(1, device=DEVICE), (guess[:-1] == y[:-1]).float()])",
    "right = (guess == y).float()",
    "NG2",
)

LATER = """\
def evaluate(model, val, size=4096, share=0.5):
    chances, targets = [], []
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            chances.append(torch.exp(-nll(model, val[i : i + SEQ + 1])))
            targets.append(val[i + 1 : i + SEQ + 1])
    chances, targets = torch.cat(chances), torch.cat(targets)
    total = torch.zeros((), device=DEVICE, dtype=torch.float64)
    counts = torch.ones(VOCAB, device=DEVICE)
    for i in range(0, len(targets), size):
        y, p = targets[i : i + size], chances[i : i + size]
        total -= torch.log((1 - share) * p + share * counts[y] / counts.sum()).double().sum()
        counts.index_add_(0, y, torch.ones(len(y), device=DEVICE))
    return total.item() / (len(val) - 1)
"""
LEGAL["mixed in a later loop, the sum subtracted"] = LATER
TWINS["mixed in a later loop, the sum subtracted: counted first"] = (
    LATER,
    "        total -= torch.log(",
    "        counts.index_add_(0, y, torch.ones(len(y), device=DEVICE))\n        total -= torch.log(",
    "C3",
)


@pytest.mark.parametrize("name", LEGAL)
def test_a_legal_form_is_not_accused(name: str) -> None:
    assert accused(HEAD + LEGAL[name] + END) == {}


@pytest.mark.parametrize("name", TWINS)
def test_its_twin_is_accused_by_the_rule_that_it_breaks(name: str) -> None:
    legal, old, new, rule = TWINS[name]
    assert old in legal
    assert rule in accused(HEAD + legal.replace(old, new) + END)


@pytest.mark.parametrize("name", PAID)
def test_a_hint_that_is_paid_for_is_not_accused(name: str) -> None:
    assert accused(HEAD + HINTED.replace("SCORED", PAID[name]) + END) == {}


@pytest.mark.parametrize("name", UNPAID)
def test_a_hint_that_nobody_pays_for_is(name: str) -> None:
    assert "C2" in accused(HEAD + HINTED.replace("SCORED", UNPAID[name]) + END)
