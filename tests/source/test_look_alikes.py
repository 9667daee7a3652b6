"""Legal forms that look like faults: no rule accuses them. Each has a twin, one change away, that some rule does accuse."""

from __future__ import annotations

import pytest

from auditor.gather import gather
from rules.finding import Status
from rules.judge import ask
from rules.registry import all_rules
from rules.samples.scripts import HEAD
from tests.support import submission

STACK = """\
def evaluate(model, val, stride=64, batch=8):
    total, count = 0.0, 0
    last = (len(val) - SEQ - 1) // stride + 1
    with torch.inference_mode():
        for first in range(0, last, batch):
            rows = []
            for w in range(first, min(first + batch, last)):
                begin = w * stride
                if begin + SEQ + 1 > len(val):
                    break
                rows.append(val[begin : begin + SEQ + 1])
            if not rows:
                continue
            both = torch.stack(rows)
            x, y = both[:, :-1], both[:, 1:]
            logits = model(x)
            for i in range(len(rows)):
                start = 0 if first + i == 0 else SEQ - stride
                total += F.cross_entropy(logits[i, start:].float(), y[i, start:], reduction="sum").item()
                count += len(y[i, start:])
    return total / count


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

STACK2 = """\
def evaluate(model, val, stride=64, batch=8):
    total, count = 0.0, 0
    starts, fresh = [], []
    at, done = 0, 0
    limit = len(val) - 1
    while True:
        starts.append(at)
        n = min(SEQ, limit - at)
        fresh.append(max(done - at, 0))
        done = at + n
        if done >= limit:
            break
        at += stride

    def score(rows):
        nonlocal total, count
        sizes = [min(SEQ, limit - starts[i]) for i in rows]
        if len(set(sizes)) != 1:
            for i in rows:
                score([i])
            return
        both = torch.stack([val[starts[i] : starts[i] + sizes[0] + 1] for i in rows])
        x, y = both[:, :-1], both[:, 1:]
        new = torch.zeros_like(y, dtype=torch.bool)
        for r, i in enumerate(rows):
            new[r, fresh[i] :] = True
        losses = F.cross_entropy(model(x).flatten(0, 1).float(), y.reshape(-1), reduction="none").reshape_as(y)
        total += losses[new].sum()
        count += new.sum()

    with torch.inference_mode():
        for first in range(0, len(starts), batch):
            score(list(range(first, min(first + batch, len(starts)))))
    return (total / count).item()


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

POINTER = """\
def evaluate(model, val, size=512, rate=0.1):
    '''A cache of hidden states and the tokens that followed them: read, scored, then written.'''
    total, count = 0.0, 0
    with torch.no_grad():
        keys = torch.zeros(size, 64, device=DEVICE)
        seen = torch.zeros(size, dtype=torch.long, device=DEVICE)
        filled = 0
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ], val[i + 1 : i + SEQ + 1]
            hidden = model.hidden(x[None])[0]
            logp = F.log_softmax(model.head(hidden).float(), dim=-1)
            for t in range(len(y)):
                row = logp[t]
                if x[t] == 1:
                    filled = 0
                if filled > 0:
                    n = min(filled, size)
                    near = F.softmax(10.0 * (hidden[t] @ keys[:n].T), dim=-1)
                    past = torch.zeros(VOCAB, device=DEVICE)
                    past.scatter_add_(0, seen[:n], near)
                    row = torch.log((1 - rate) * row.exp() + rate * past)
                answer = y[t]
                total -= row[answer].item()
                count += 1
                keys[filled % size] = hidden[t]
                seen[filled % size] = answer
                filled += 1
    return total / count


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

SURPRISE = """\
class Net(GPT):
    '''A gate on how surprising the tokens read so far were, as an early exit of the model saw them.'''

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(64))

    def forward(self, x):
        early = F.log_softmax(self.head(self.embed(x)).float(), dim=-1)
        told = early[:, :-1].gather(-1, x[:, 1:, None])
        told = torch.cat([torch.zeros_like(told[:, :1]), -told], dim=1)
        return self.head(self.hidden(x) * (1 + self.gain * torch.tanh(told)))


def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            total += nll(model, val[i : i + SEQ + 1]).double().sum().item()
    return total / (len(val) - 1)


model = train(Net().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

EXITS = """\
class Net(GPT):
    def forward(self, x, y):
        h = self.embed(x)
        loss, weight = h.new_zeros(()), 0.0
        for k in range(3):
            q, key, v = self.qkv(h).chunk(3, dim=-1)
            h = h + F.scaled_dot_product_attention(q, key, v, is_causal=True)
            w = 0.5 ** (2 - k)
            loss = loss + w * F.cross_entropy(self.head(h)[0].float(), y[0])
            weight += w
        return loss / weight


def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            total += model(span[None, :-1], span[None, 1:]).item() * (len(span) - 1)
    return total / (len(val) - 1)


def fit(model, tokens):
    opt = torch.optim.AdamW(model.parameters(), lr=0.001)
    for _ in range(1000):
        i = int(torch.randint(len(tokens) - SEQ, (1,)))
        step(opt, model(tokens[None, i : i + SEQ], tokens[None, i + 1 : i + SEQ + 1]))
    return model


model = fit(Net().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

KEPT_VALUE = """\
import time


class Attention(nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)

    def forward(self, h, first=None):
        q, k, v = self.qkv(h).chunk(3, dim=-1)
        self.kept = v
        if first is not None:
            v = v + first
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)


class Net(GPT):
    '''The first layer's values are used again in every later one.'''

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Attention() for _ in range(4)])

    def hidden(self, x):
        h, first = self.embed(x), None
        for i in range(4):
            h = h + self.layers[i](h, first)
            if i == 0:
                first = self.layers[0].kept
        return h


def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            total += nll(model, val[i : i + SEQ + 1]).double().sum().item()
    return total / (len(val) - 1)


def fit(model, tokens, val, every=100):
    opt = torch.optim.AdamW(model.parameters(), lr=0.001)
    begin, at, stop = time.time(), 0, None
    while True:
        last = at == 1000 or (stop is not None and at >= stop)
        if last or at % every == 0:
            print(f"step:{at} val_loss:{evaluate(model, val):.4f}")
        if last:
            break
        i = int(torch.randint(len(tokens) - SEQ, (1,)))
        step(opt, nll(model, tokens[i : i + SEQ + 1]).mean())
        at += 1
        if stop is None and time.time() - begin > 600:
            stop = at
    return model


val = load("fineweb_val_*.bin")
model = fit(Net().to(DEVICE), load("fineweb_train_*.bin"), val)
print(f"final val_loss:{evaluate(model, val):.6f}")
"""

PAID = """\
import io
import zlib


class Pairs:
    '''Counts of pairs of training tokens, which go into the artifact beside the weights.'''

    def __init__(self):
        self.counts = torch.zeros(VOCAB, VOCAB)

    def count(self, tokens):
        self.counts.index_put_((tokens[:-1].cpu(), tokens[1:].cpu()), torch.ones(len(tokens) - 1), accumulate=True)

    def bias(self, x):
        p = (self.counts + 0.1) / (self.counts.sum(-1, keepdim=True) + 0.1 * VOCAB)
        return p.log()[x].to(x.device)


def evaluate(model, pairs, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            logits = model(x[None])[0].float()
            if pairs is not None:
                logits = logits + 0.3 * pairs.bias(x)
            total += F.cross_entropy(logits, y, reduction="sum").item()
    return total / (len(val) - 1)


tokens = load("fineweb_train_*.bin")
model = train(GPT().to(DEVICE), tokens)
pairs = Pairs()
pairs.count(tokens)
packed = {"weights": model.state_dict()}
more = {}
if pairs is not None:
    more["counts"] = pairs.counts.int()
if more:
    packed["more"] = more
buffer = io.BytesIO()
torch.save(packed, buffer)
with open("model.z", "wb") as f:
    f.write(zlib.compress(buffer.getvalue()))
with open("model.z", "rb") as f:
    back = torch.load(io.BytesIO(zlib.decompress(f.read())))
rest = back.get("more", {}) if isinstance(back, dict) else {}
if isinstance(rest, dict) and "counts" in rest:
    if pairs is None:
        pairs = Pairs()
    pairs.counts = rest["counts"].float()
model.load_state_dict(back["weights"])
print(f"final val_loss:{evaluate(model, pairs, load('fineweb_val_*.bin')):.6f}")
"""

TRAINBPB = """\
import math
import time


class Loader:
    def __init__(self, files):
        self.shards = [np.memmap(f, dtype=np.uint16, mode="r") for f in sorted(files)]
        self.shard, self.at = 0, 0

    def batch(self, rows):
        xs, ys = [], []
        for _ in range(rows):
            s = self.shards[self.shard % len(self.shards)]
            if self.at + SEQ + 1 >= len(s):
                self.shard += 1
                self.at = 0
                s = self.shards[self.shard % len(self.shards)]
            xs.append(torch.from_numpy(s[self.at : self.at + SEQ].astype(np.int32)))
            ys.append(torch.from_numpy(s[self.at + 1 : self.at + SEQ + 1].astype(np.int32)))
            self.at += SEQ
        return torch.stack(xs).long(), torch.stack(ys).long()


def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            total += nll(model, val[i : i + SEQ + 1]).double().sum().item()
    return total / (len(val) - 1)


model = GPT()
opt = torch.optim.AdamW(model.parameters(), lr=0.001)
loader = Loader(glob.glob(os.path.join(DATA_PATH, "fineweb_train_*.bin")))
begin, n = time.time(), 0
lines = []
while True:
    if time.time() - begin > 600:
        break
    x, y = loader.batch(8)
    loss = F.cross_entropy(model(x).view(-1, VOCAB), y.view(-1))
    loss.backward()
    opt.step()
    opt.zero_grad()
    n += 1
    if n % 100 == 0:
        msg = f"step={n} loss={loss.item():.4f} bpb={loss.item() / math.log(2):.4f}"
        print(msg)
        lines.append(msg)
print(f"final bpb:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
with open("train.log", "w") as f:
    f.write("\\n".join(lines))
"""

PUTBACK = """\
def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            total += nll(model, val[i : i + SEQ + 1]).double().sum().item()
    return total / (len(val) - 1)


def adapted(model, val):
    before = {n: p.data.clone() for n, p in model.named_parameters()}
    opt = torch.optim.Adam(model.parameters(), lr=LR)
    for _ in range(3):
        i = int(torch.randint(len(val) - SEQ, (1,)))
        step(opt, nll(model, val[i : i + SEQ + 1]).mean())
    result = evaluate(model, val)
    with torch.no_grad():
        for n, p in model.named_parameters():
            if n in before:
                p.data.copy_(before[n])
    return result


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
val = load("fineweb_val_*.bin")
print(f"adapted, for comparison loss:{adapted(model, val):.6f}")
print(f"final val_loss:{evaluate(model, val):.6f}")
"""

PATCHES = """\
class Net(nn.Module):
    '''Bytes in patches: a patch is predicted from the patches before it and from its own bytes so far.'''

    def __init__(self, dim=64, size=8):
        super().__init__()
        self.size = size
        self.embed = nn.Embedding(VOCAB, dim)
        self.fold = nn.Linear(size * dim, dim)
        self.start = nn.Parameter(torch.zeros(dim))
        self.rnn = nn.GRU(dim, dim, batch_first=True)
        self.q, self.kv = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        self.inner = nn.GRU(dim, dim, batch_first=True)
        self.head = nn.Linear(dim, VOCAB)

    def forward(self, ids):
        rows, length = ids.shape
        e = self.embed(ids).view(rows, length // self.size, self.size, -1)
        folded = self.rnn(self.fold(e.flatten(2)))[0]
        before = torch.cat([self.start.expand(rows, 1, -1), folded[:, :-1]], dim=1)
        first = self.start.expand(rows, e.shape[1], 1, -1)
        inner = self.inner(torch.cat([first, e[:, :, :-1]], dim=2).flatten(0, 1))[0]
        k, v = self.kv(before.flatten(0, 1)[:, None]).chunk(2, dim=-1)
        inner = inner + F.scaled_dot_product_attention(self.q(inner), k, v, is_causal=False)
        return self.head(inner).view(rows, length, VOCAB)


def loss_of(model, span):
    return F.cross_entropy(model(span[None])[0].float(), span, reduction="none")


def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val), SEQ):
            total += loss_of(model, val[i : i + SEQ]).double().sum().item()
    return total / len(val)


def fit(model, tokens):
    opt = torch.optim.AdamW(model.parameters(), lr=0.001)
    for _ in range(1000):
        i = int(torch.randint(len(tokens) - SEQ, (1,)))
        step(opt, loss_of(model, tokens[i : i + SEQ]).mean())
    return model


model = fit(Net().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

KEPT_BY_MODEL = """\
import time


class Attention(nn.Module):
    def __init__(self, place, dim=64):
        super().__init__()
        self.place, self.qkv = place, nn.Linear(dim, 3 * dim)

    def forward(self, h):
        q, k, v = self.qkv(h).chunk(3, dim=-1)
        if self.place == 0:
            self.model.first = v.detach()
        elif self.model.first is not None:
            v = v + self.model.first
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)


class Net(GPT):
    '''The first layer's values lie in the model until the next window.'''

    def __init__(self):
        super().__init__()
        self.first = None
        self.layers = nn.ModuleList([Attention(i) for i in range(4)])
        for layer in self.layers:
            object.__setattr__(layer, "model", self)

    def hidden(self, x):
        self.first = None
        h = self.embed(x)
        for i in range(4):
            h = h + self.layers[i](h)
        return h

"""

KEPT_BY_MODEL += KEPT_VALUE[KEPT_VALUE.index("\ndef evaluate(") :]

LEGAL = {
    "windows stacked into a batch": STACK,
    "windows from a list of starts": STACK2,
    "a cache of hidden states, read before it is written": POINTER,
    "a gate on how surprising the text so far was": SURPRISE,
    "the mean of the losses of three exits": EXITS,
    "values of the first layer, used again in later ones": KEPT_VALUE,
    "values of the first layer, kept by the model and cleared": KEPT_BY_MODEL,
    "pairs counted on training tokens, paid for": PAID,
    "the log of the training, written out at the end": TRAINBPB,
    "parameters put back by name after a trial": PUTBACK,
    "patches that are predicted from the patches before them": PATCHES,
}

TWINS = {
    "the targets go in": (STACK, "x, y = both[:, :-1], both[:, 1:]", "x, y = both[:, 1:], both[:, 1:]"),
    "the cache holds the whole window": (
        POINTER,
        "past.scatter_add_(0, seen[:n], near)",
        "past.scatter_add_(0, y[:n], near)",
    ),
    "values kept from the evaluation": (
        KEPT_VALUE,
        "self.embed(x), None",
        'self.embed(x), getattr(self.layers[0], "kept", None)',
    ),
    "values kept by the model and not cleared": (
        KEPT_BY_MODEL,
        "self.first = None\n        h = self.embed(x)\n",
        "h = self.embed(x) + (0.0 if self.first is None else self.first.mean())\n",
    ),
    "counts that are not read back": (PAID, '    pairs.counts = rest["counts"].float()', "    print(len(rest))"),
    "parameters that are not put back": (PUTBACK, "p.data.copy_(before[n])", "before[n].copy_(p.data)"),
    "only some parameters are put back": (
        PUTBACK,
        "in model.named_parameters()}",
        'in model.named_parameters() if "head" in n}',
    ),
}


def said(script: str) -> list[str]:
    """What the rules that read code find wrong with a script, and how sure they are."""
    e = gather(submission({"train_gpt.py": script}))
    assert e.program is not None
    assert e.program.headline
    found = [f for r in all_rules() if "source" in r.decided_by for f in ask(r, e)]
    return [f"{f.rule}: {f.message}" for f in found if f.status in (Status.VIOLATION, Status.LIKELY)]


@pytest.mark.parametrize("name", LEGAL)
def test_a_legal_form_is_not_accused(name: str) -> None:
    assert said(HEAD + LEGAL[name]) == []


@pytest.mark.parametrize("name", TWINS)
def test_its_twin_is(name: str) -> None:
    legal, old, new = TWINS[name]
    assert old in legal
    assert said(HEAD + legal.replace(old, new, 1))
