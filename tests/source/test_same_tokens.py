"""Legal forms in which it takes a second look to see that nothing is known too early; each with a twin that is at fault.

Conditions that are asked twice, counters that run through all chunks, rows that a search finds, arrays of which only
some places are filled, and pieces that are put together.
"""

from __future__ import annotations

import pytest

from auditor.gather import gather
from rules.finding import Status
from rules.judge import ask
from rules.registry import examples, find
from rules.samples.scripts import HEAD
from tests.source.test_look_alikes import said
from tests.support import submission

MAIN = """

model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

RESTORED = """\
import copy


def inner(model):
    return model.module if hasattr(model, "module") else model


def evaluate(model, val, stride=64, rounds=int(os.environ.get("ROUNDS", 2))):
    active = rounds > 0
    before = None
    if active:
        before = copy.deepcopy({k: v.cpu() for k, v in inner(model).state_dict().items()})
    total, count = 0.0, 0
    for i in range(0, len(val) - SEQ, stride):
        x, y = val[i : i + SEQ], val[i + 1 : i + SEQ + 1]
        start = 0 if i == 0 else SEQ - stride
        if active and start > 0:
            opt = torch.optim.Adam(inner(model).parameters(), lr=LR)
            for _ in range(rounds):
                step(opt, F.cross_entropy(inner(model)(x[None, :start])[0], y[:start]))
        with torch.no_grad():
            losses = F.cross_entropy(model(x[None])[0].float(), y, reduction="none")
        total += losses[start:].sum().item()
        count += len(losses[start:])
        if active and start > 0 and before is not None:
            inner(model).load_state_dict({k: v.to(DEVICE) for k, v in before.items()})
    return total / count


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
val = load("fineweb_val_*.bin")
print(f"first look: {evaluate(model, val):.4f}")
print(f"final val_loss:{evaluate(model, val):.6f}")
"""

STATES = """\
from mamba_ssm.ops.selective_scan_interface import selective_scan_fn


class Layer(nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        self.inner = nn.Linear(dim, dim)

    def forward(self, h, state=None, keep=False):
        if state is not None:
            got = selective_scan_fn(self.inner(h), return_last_state=keep)
        else:
            got = selective_scan_fn(self.inner(h), return_last_state=keep)
        if keep and isinstance(got, tuple):
            y, last = got
        else:
            y, last = got if not isinstance(got, tuple) else got[0], None
        return (h + y, last) if keep else h + y


class Net(GPT):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Layer() for _ in range(2)])

    def forward(self, x, states=None, keep=False):
        h, left = self.embed(x), []
        for n, layer in enumerate(self.layers):
            got = layer(h, state=states[n] if states else None, keep=keep)
            if keep:
                h, last = got
                left.append(last)
            else:
                h = got
        return (self.head(h), left) if keep else self.head(h)


def evaluate(model, val):
    total, states = 0.0, None
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            y = val[i + 1 : i + SEQ + 1]
            if val[i] == 1:
                states = None  # a new document
            logits, states = model(val[i : i + len(y)][None], states=states, keep=True)
            total += F.cross_entropy(logits[0].float(), y, reduction="sum").item()
    return total / (len(val) - 1)
""" + MAIN.replace("GPT()", "Net()")

NEAREST = (
    """\
class Store:
    def __init__(self, size=4096, dim=64):
        self.keys, self.seen = torch.zeros(size, dim), torch.zeros(size, dtype=torch.long)
        self.size, self.count = size, 0

    def write(self, keys, tokens):
        n, at = len(tokens), self.count % self.size
        if at + n <= self.size:
            self.keys[at : at + n], self.seen[at : at + n] = keys, tokens
        self.count += n

    def read(self, query, k=8):
        n = min(self.count, self.size)
        if n < k:
            return None
        near, where = (query @ self.keys[:n].T).topk(k, dim=-1)
        out = torch.zeros(len(query), VOCAB)
        out.scatter_add_(1, self.seen[where], F.softmax(near, dim=-1))
        return out


def evaluate(model, val, stride=64, batch=8, rate=0.1):
    store, total, count = Store(), 0.0, 0
    starts = list(range(0, len(val) - SEQ, stride))
    with torch.no_grad():
        for b in range(0, len(starts), batch):
            some = starts[b : b + batch]
            x, y = torch.zeros(len(some), SEQ, dtype=torch.long), torch.zeros(len(some), SEQ, dtype=torch.long)
            for i, at in enumerate(some):
                piece = val[at : at + SEQ + 1]
                x[i], y[i] = piece[:-1], piece[1:]
            keys = model.hidden(x)
            probs = F.softmax(model.head(keys).float(), dim=-1)
            for i, at in enumerate(some):
                new = 0 if at == 0 else SEQ - stride
                mixed, found = probs[i, new:], store.read(keys[i, new:])
                if found is not None:
                    mixed = (1 - rate) * mixed + rate * found
                total -= mixed.gather(1, y[i, new:, None]).log().sum().item()
                count += SEQ - new
                store.write(keys[i], y[i])
    return total / count
"""
    + MAIN
)

SEGMENTS = (
    """\
def segments(last, stride=64):
    out, done = [(0, SEQ, 0)], SEQ
    while done < last:
        end = min(done + stride, last)
        out.append((end - SEQ, end, done))
        done = end
    return out


def evaluate(model, val, weight=0.2):
    counts, total, tokens = np.ones((VOCAB, VOCAB)), 0.0, val.cpu().numpy()
    cut, n = segments(len(val) - 1), 0
    with torch.no_grad():
        for first in range(1, len(val), CHUNK):
            last = min(first + CHUNK, len(val))
            mine = []
            while n < len(cut) and cut[n][2] + 1 < last:
                mine.append(cut[n])
                n += 1
            for begin, end, new in mine:
                neural = (-nll(model, val[begin : end + 1])).exp()[new - begin :].cpu().numpy()
                at = np.arange(new + 1, end + 1)
                counted = counts[tokens[at - 1], tokens[at]] / counts[tokens[at - 1]].sum(-1)
                total -= np.log((1 - weight) * neural + weight * counted).sum()
            at = np.arange(first, last)
            np.add.at(counts, (tokens[at - 1], tokens[at]), 1)
    return total / (len(val) - 1)
"""
    + MAIN
)

FILLED = (
    """\
SIZE = 1 << 20


def evaluate(model, val, weight=0.2):
    pairs, sums = np.zeros(SIZE), np.zeros(SIZE)
    total, tokens = 0.0, val.cpu().numpy()
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            p = (-nll(model, val[i : i + SEQ + 1])).exp().cpu().numpy()
            before = (tokens[i : i + len(p)] * 36313) % SIZE
            both = (before ^ (tokens[i + 1 : i + 1 + len(p)] * 27191)) % SIZE
            share = np.full(len(p), -1.0)
            seen, among = pairs[both], sums[before]
            known = (among > 0) & (share < 0)
            places = np.nonzero(known)[0]
            share[places] = np.clip(np.minimum(seen[known], among[known]) / among[known], 0.0, 1.0)
            told = share >= 0
            if told.any():
                p[told] = (1 - weight) * p[told] + weight * share[told]
            total -= np.log(p).sum()
            np.add.at(sums, before, 1)
            np.add.at(pairs, both, 1)
    return total / (len(val) - 1)
"""
    + MAIN
)

GATED = """\
class Pairs(GPT):
    def __init__(self, dim=64):
        super().__init__()
        self.pairs = nn.Embedding(4096, dim)

    def hidden(self, x):
        both = torch.zeros_like(x)
        both[..., 1:] = (x[..., 1:] * 31 + x[..., :-1]) % 4096
        return super().hidden(x) + self.pairs(both)


def evaluate(model, val, batch=8):
    counts, total = torch.ones(VOCAB, VOCAB, device=DEVICE), 0.0
    starts = list(range(0, len(val) - SEQ, SEQ))
    with torch.no_grad():
        for b in range(0, len(starts), batch):
            some = starts[b : b + batch]
            x = torch.zeros(len(some), SEQ, dtype=torch.long, device=DEVICE)
            y = torch.zeros(len(some), SEQ, dtype=torch.long, device=DEVICE)
            for i, at in enumerate(some):
                piece = val[at : at + SEQ + 1]
                x[i], y[i] = piece[:-1], piece[1:]
            logp = F.log_softmax(model(x).float(), dim=-1)
            unsure = -(logp.exp() * logp).sum(-1)
            losses = F.nll_loss(logp.flatten(0, 1), y.flatten(), reduction="none").reshape(len(some), SEQ)
            for i in range(len(some)):
                for t in range(SEQ):
                    rate = 0.3 / (1.0 + np.exp(2.0 - unsure[i, t].item()))
                    row = counts[x[i, t]]
                    total -= np.log((1 - rate) * np.exp(-losses[i, t].item()) + rate * (row[y[i, t]] / row.sum()).item())
                counts.index_put_((x[i], y[i]), torch.ones(SEQ, device=DEVICE), accumulate=True)
    return total / (len(starts) * SEQ)
""" + MAIN.replace("GPT()", "Pairs()")

JOINED = (
    """\
def evaluate(model, val, stride=64, batch=8):
    total, count = 0.0, 0
    starts = list(range(0, len(val) - 1, stride))
    with torch.no_grad():
        for b in range(0, len(starts), batch):
            inputs, targets, ranges, offset = [], [], [], 0
            for at in starts[b : b + batch]:
                size = min(at + SEQ, len(val) - 1) - at
                piece = val[at : at + size + 1]
                inputs.append(piece[:-1])
                targets.append(piece[1:])
                ranges.append((offset, size, at))
                offset += size
            x, y = torch.cat(inputs)[None], torch.cat(targets)
            losses = F.cross_entropy(model(x).reshape(-1, VOCAB).float(), y, reduction="none")
            for offset, size, at in ranges:
                low = offset + (0 if at == 0 else SEQ - stride)
                total += losses[low : offset + size].sum().item()
                count += offset + size - low
    return total / count
"""
    + MAIN
)

READ_TWO_WAYS = """\
import fastshards

FAST = bool(int(os.environ.get("FAST", fastshards.available())))


def shard(path):
    if FAST:
        try:
            return torch.from_numpy(np.asarray(fastshards.read(path)))
        except OSError:
            print("reading slowly")
    return torch.from_numpy(np.fromfile(path, dtype="<u2", offset=1024).astype(np.int64))


def evaluate(model, paths, weight=0.2):
    val = torch.cat([shard(p) for p in paths]).contiguous()
    counts, total, tokens = np.ones((VOCAB, VOCAB)), 0.0, val.numpy()
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            neural = (-nll(model, val[i : i + SEQ + 1])).exp().numpy()
            before, now = tokens[i : i + len(neural)], tokens[i + 1 : i + 1 + len(neural)]
            total -= np.log((1 - weight) * neural + weight * counts[before, now] / counts[before].sum(-1)).sum()
            np.add.at(counts, (before, now), 1)
    return total / (len(val) - 1)
""" + MAIN.replace("load('fineweb_val_*.bin')", "sorted(glob.glob(os.path.join(DATA_PATH, 'fineweb_val_*.bin')))")

PLAUSIBLE = (
    """\
def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            y = val[i + 1 : i + SEQ + 1]
            x = val[i : i + len(y)]
            logits = model(x[None])[0].float()
            low = logits < logits.max(-1, keepdim=True).values - 9.0
            low.scatter_(-1, x[:, None], False)
            total += F.cross_entropy(logits.masked_fill(low, -30.0), y, reduction="sum").item()
    return total / (len(val) - 1)
"""
    + MAIN
)

LEGAL = {
    "put back under the condition that it was trained under": RESTORED,
    "a state that is kept, beside outputs that are told from pairs": STATES,
    "a store of states that is searched before it is written": NEAREST,
    "segments that a counter takes out chunk by chunk": SEGMENTS,
    "a gate on the entropy of a model that hashes pairs": GATED,
    "inputs and targets put together of pieces": JOINED,
    "shards that one of two libraries reads": READ_TWO_WAYS,
    "a mask that spares the token before": PLAUSIBLE,
}

TWINS = {
    "put back under a narrower condition": (
        RESTORED,
        "if active and start > 0 and before",
        "if start > SEQ and before",
    ),
    "trained on all of the window": (RESTORED, "x[None, :start])[0], y[:start]", "x[None])[0], y"),
    "the state goes back into the window": (
        STATES,
        "return (h + y, last) if keep",
        "return (h + y + last, last) if keep",
    ),
    "written before it is searched": (
        NEAREST,
        "mixed, found = probs[i, new:]",
        "store.write(keys[i], y[i])\n                mixed, found = probs[i, new:]",
    ),
    "counted before the segments are scored": (
        SEGMENTS,
        "            mine = []\n",
        "            mine, at = [], np.arange(first, last)\n"
        "            np.add.at(counts, (tokens[at - 1], tokens[at]), 1)\n",
    ),
    "a gate on the token": (GATED, "unsure[i, t].item()", "y[i, t].item()"),
    "targets among the inputs": (JOINED, "inputs.append(piece[:-1])", "inputs.append(piece[1:])"),
    "counted at once": (
        READ_TWO_WAYS,
        "    with torch.no_grad():\n",
        "    np.add.at(counts, (tokens[:-1], tokens[1:]), 1)\n    with torch.no_grad():\n",
    ),
    "a mask that spares the token itself": (PLAUSIBLE, "x[:, None], False", "y[:, None], False"),
}


@pytest.mark.parametrize("name", LEGAL)
def test_a_legal_form_is_not_accused(name: str) -> None:
    assert said(HEAD + LEGAL[name]) == []


@pytest.mark.parametrize("name", TWINS)
def test_its_twin_is(name: str) -> None:
    legal, old, new = TWINS[name]
    assert old in legal
    assert said(HEAD + legal.replace(old, new, 1))


def test_places_that_are_asked_whether_they_were_filled() -> None:
    """Which places were filled is no more than the context tells, unless they are filled where the token was counted."""
    rules = {line.split("-")[0] for line in said(HEAD + FILLED)}
    assert rules
    assert "C1" not in rules
    assert "C1" in {line.split("-")[0] for line in said(HEAD + FILLED.replace("(among > 0) &", "(seen > 0) &"))}


def test_statistics_for_the_stored_weights_are_no_training() -> None:
    """What is calibrated on validation tokens is told once, by the rule on calibration."""
    shown = [x for valid, x in examples(find("CAL1")) if not valid and x.stage == "source"]
    assert shown
    for x in shown:
        e = gather(submission(x.files, x.track, x.date, x.outside))
        assert not any(f.status in (Status.VIOLATION, Status.LIKELY) for f in ask(find("TTT1"), e)), x.name
