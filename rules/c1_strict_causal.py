"""The prediction of a token may depend only on the artifact and on the tokens before it.

Not on the token itself, not on later tokens, not on statistics of validation tokens still to come,
and not on anything that is not in the artifact.

## Why
Bits per byte is a compression rate. A decoder that rebuilds the validation text has, at each token,
the artifact and the tokens it has already rebuilt. A prediction that used more cannot be decoded,
so the number printed for it is the length of no code.

## How it is proved
Reading: a value that derives from the scored token, or from tokens after it, reaches the logits
by some way other than the final gather: as a key, a gate, a scale, a shifted feature, an attention
without a mask, a statistic taken over the whole validation array. Running: change every token after
one position, and the scores up to it must stay; change the token at the position, and the whole
vector of log-probabilities there must stay.

## Legal look-alikes
- A hash of (current input, input before it) as an *embedding*: when the token at t is predicted, the
  current input is the token at t - 1.
- Mixing in the previous position, value embeddings, tables keyed by earlier tokens.
- An array of hints made in one go from the whole token array, if each hint uses its own prefix only.
- Gathering the log-probability at the target: a score has to.

## Known evasions
- A gate such as "starts a new word" looked up for the token being predicted.
- The same look-up done in C, numba or a custom kernel, out of sight of the Python code.
- Statistics over a batch or window that mix positions: batch norm, one temperature per window.
- Overlapping windows that share a parameter fitted on all of them.
- A table of counts that takes in the token before the hint for it is read.
- A recurrence run over the window again, from the state that it ended with; a mean over the window at each position.

## Instead
Before:
```python
logits = logits + boost * starts_word[y][:, None] * word_bias     # y is what is being predicted
```
After:
```python
logits = logits + boost * starts_word[x][:, None] * word_bias     # x is what has been read
```
"""

from collections.abc import Iterator

from rules import mixture, ran
from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence
from rules.finding import Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.scripts import HEAD
from rules.trace import Changed

RULE = Rule(
    id="C1-strict-causal",
    title="A prediction that depends on the token itself or on later tokens",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README",
            "2026-03-18",
            "0hq",
            "the score is a compression rate, and a decoder has only the artifact and earlier tokens (our inference)",
            Authority.DERIVED,
        ),
        Source(
            "#677",
            "2026-03-27",
            "valerio-oai",
            "points to the formal criteria for valid evaluation, later collected in #1017",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#982",
            "2026-03-27",
            "valerio-oai",
            "looking ahead to the target in order to mix is not allowed",
            Authority.ORGANIZER,
        ),
        Source(
            "#1017",
            "2026-03-28",
            "NoesisGenesis",
            "condition 1: a prediction uses the artifact and the strict prefix only",
            Authority.COMMUNITY,
        ),
        Source(
            "#2140",
            "2026-05-02",
            "cocohearts",
            "hints gated by the realised token break C1; the corrected version is acceptable",
            Authority.ORGANIZER,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="following validation tokens to the logits, or changing later tokens and the target in a run and comparing the scores, would decide it",
)

_WORDS = """\
import sentencepiece as spm


def word_starts():
    sp = spm.SentencePieceProcessor(model_file=os.environ.get("TOKENIZER_PATH", "./data/tokenizers/fineweb_1024_bpe.model"))
    return torch.tensor([sp.id_to_piece(i).startswith("\u2581") for i in range(VOCAB)], device=DEVICE)


"""

_PLAIN_EVALUATION = """\
def evaluate(model, val):
    model.eval()
    total = torch.zeros((), dtype=torch.float64)
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            total += nll(model, val[i : i + SEQ + 1]).double().sum().cpu()
    return total.item() / (len(val) - 1)


model = train(Net().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

_TILTED_EVALUATION = """\
def evaluate(model, val, beta=1.5):
    hint = torch.from_numpy(hints(val.cpu().numpy())).to(DEVICE)
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            logp = model(x[None])[0].float().log_softmax(-1)
            h = hint[i + 1 : i + SEQ + 1]
            q = logp.gather(1, h[:, None])[:, 0].exp()
            score = logp.gather(1, y[:, None])[:, 0] + beta * (y == h) - torch.log1p(q * (np.exp(beta) - 1))
            total -= score.double().sum().item()
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

_RECURRENT = """\
class Net(GPT):
    def __init__(self, dim=64):
        super().__init__()
        self.cell = nn.GRU(dim, dim, batch_first=True)
        self.read, self.write = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x):
        return self.head(self.hidden(x))

"""

VALID = (
    Example(
        name="hash of the last two inputs, and smear",
        stage="source",
        status=Status.OK,
        note="at position i the input x[i] is known when y[i] = x[i + 1] is predicted",
        files={
            "train_gpt.py": HEAD
            + """\
class Net(GPT):
    def __init__(self):
        super().__init__()
        self.pairs = nn.Embedding(4096, 64)
        self.smear = nn.Parameter(torch.zeros(64))

    def hidden(self, x):
        before = F.pad(x[:, :-1], (1, 0))
        h = self.embed(x) + self.pairs((36313 * x ^ 27191 * before) % 4096)
        inside = (x[:, 1:] != 1)[..., None]
        h = torch.cat([h[:, :1], h[:, 1:] + torch.sigmoid(self.smear) * inside * h[:, :-1]], dim=1)
        q, k, v = self.qkv(h).chunk(3, dim=-1)
        return h + F.scaled_dot_product_attention(q, k, v, is_causal=True)


"""
            + _PLAIN_EVALUATION
        },
    ),
    Example(
        name="a loss of balance beside the mean",
        stage="source",
        status=Status.OK,
        note="it raises the printed number and tells nothing about any token",
        files={
            "train_gpt.py": HEAD
            + """\
class Routed(GPT):
    def __init__(self):
        super().__init__()
        self.pairs = nn.Embedding(4096, 64)
        self.gate = nn.Linear(64, 4)

    def forward(self, x, y):
        pairs = self.pairs((36313 * x[:, 1:] ^ 27191 * x[:, :-1]) % 4096)
        h = self.hidden(x) + F.pad(pairs, (0, 0, 1, 0))
        share = self.gate(h).softmax(-1)
        balance = ((share.mean((0, 1)) - 0.25) ** 2).sum()
        return F.cross_entropy(self.head(h).flatten(0, 1).float(), y.flatten()) + 0.01 * balance


def evaluate(model, val):
    total, count = 0.0, 0
    with torch.no_grad():
        for i in range(0, len(val) - SEQ - 1, SEQ):
            span = val[i : i + SEQ + 1]
            total += model(span[None, :-1], span[None, 1:]).item() * SEQ
            count += SEQ
    return total / count


model = Routed().to(DEVICE)
opt = torch.optim.AdamW(model.parameters(), lr=0.001)
tokens = load("fineweb_train_*.bin")
for i in range(0, len(tokens) - SEQ - 1, SEQ):
    step(opt, model(tokens[None, i : i + SEQ], tokens[None, i + 1 : i + SEQ + 1]))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="gate on the token already read",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + _WORDS
            + """\
def evaluate(model, val, boost=0.7):
    starts = word_starts().float()
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            logits = model(x[None])[0].float() + boost * starts[x][:, None] * starts
            total += F.cross_entropy(logits, y, reduction="sum").item()
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="hints for the whole array, each from its own prefix",
        stage="source",
        status=Status.OK,
        note="the full array goes in at once, but out[t] is written before tokens[t] is counted",
        files={
            "train_gpt.py": HEAD
            + """\
def hints(tokens):
    counts, out = {}, np.zeros(len(tokens), np.int64)
    for t in range(1, len(tokens)):
        row = counts.setdefault(tokens[t - 1], {})
        out[t] = max(row, key=row.get, default=0)
        row[tokens[t]] = row.get(tokens[t], 0) + 1
    return out


"""
            + _TILTED_EVALUATION
        },
    ),
    Example(
        name="state that goes from part to part",
        stage="source",
        status=Status.OK,
        note="the second half begins with what the first one ended with",
        files={
            "train_gpt.py": HEAD
            + _RECURRENT
            + """\
    def hidden(self, x):
        h, state, out = self.embed(x), None, []
        for i in range(0, SEQ, 64):
            y, state = self.cell(h[:, i : i + 64], state)
            out.append(y)
        return h + torch.cat(out, dim=1)


"""
            + _PLAIN_EVALUATION
        },
    ),
    Example(
        name="two rounds, each from nothing",
        stage="source",
        status=Status.OK,
        note="a second round over the same positions may not begin with the end of the first, and does not",
        files={
            "train_gpt.py": HEAD
            + _RECURRENT
            + """\
    def hidden(self, x):
        h = self.embed(x)
        for _ in range(2):
            y, _ = self.cell(h, None)
            h = h + y
        return h


"""
            + _PLAIN_EVALUATION
        },
    ),
    Example(
        name="recurrence written out",
        stage="source",
        status=Status.OK,
        note="the state is made anew in each round and goes forward only",
        files={
            "train_gpt.py": HEAD
            + _RECURRENT
            + """\
    def scan(self, h, state):
        steps = []
        for t in range(h.size(1)):
            state = torch.tanh(self.write(h[:, t]) + state)
            steps.append(self.read(state))
        return torch.stack(steps, dim=1), state

    def hidden(self, x):
        h = self.embed(x)
        for _ in range(2):
            y, _ = self.scan(h, torch.zeros_like(h[:, 0]))
            h = h + y
        return h


"""
            + _PLAIN_EVALUATION
        },
    ),
    Example(
        name="statistic over features",
        stage="source",
        status=Status.OK,
        note="the mean is taken over the last extent, at each position for itself",
        files={
            "train_gpt.py": HEAD
            + _RECURRENT
            + """\
    def hidden(self, x):
        h = self.embed(x)
        h = h - h.mean(dim=-1, keepdim=True)
        return h + self.cell(h)[0]


"""
            + _PLAIN_EVALUATION
        },
    ),
)

INVALID = (
    Example(
        name="gate on the token being predicted",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + _WORDS
            + """\
def evaluate(model, val, boost=0.7):
    starts = word_starts().float()
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            gate = starts.index_select(0, y)
            logits = model(x[None])[0].float() + boost * gate[:, None] * starts
            total += F.cross_entropy(logits, y, reduction="sum").item()
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="hint read after its own token was counted",
        stage="source",
        status=Status.VIOLATION,
        note="the twin of the legal hints: two lines are exchanged",
        files={
            "train_gpt.py": HEAD
            + """\
def hints(tokens):
    counts, out = {}, np.zeros(len(tokens), np.int64)
    for t in range(1, len(tokens)):
        row = counts.setdefault(tokens[t - 1], {})
        row[tokens[t]] = row.get(tokens[t], 0) + 1
        out[t] = max(row, key=row.get, default=0)
    return out


"""
            + _TILTED_EVALUATION
        },
    ),
    Example(
        name="hint kernel in C that looks at the token",
        stage="source",
        status=Status.VIOLATION,
        note="the look-ahead is in the C file; the Python file alone looks like the legal one",
        files={
            "hint.c": """\
#include <stdint.h>

/* last[c * vocab + p]: the token of class c that followed p most recently */
void make_hints(const int64_t *tokens, int64_t n, const uint8_t *word, int64_t vocab, int64_t *last, int64_t *hint) {
    for (int64_t i = 1; i < n; i++) {
        int64_t *slot = last + word[tokens[i]] * vocab + tokens[i - 1];
        hint[i] = *slot;
        *slot = tokens[i];
    }
}
""",
            "train_gpt.py": HEAD
            + _WORDS
            + """\
import ctypes
import subprocess


def hints(tokens):
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "hint.c", "-o", "hint.so"], check=True)
    word = word_starts().cpu().numpy().astype(np.uint8)
    last, out = np.zeros(2 * VOCAB, np.int64), np.zeros(len(tokens), np.int64)
    t, w, table, o = (ctypes.c_void_p(array.ctypes.data) for array in (tokens, word, last, out))
    ctypes.CDLL("./hint.so").make_hints(t, ctypes.c_int64(len(tokens)), w, ctypes.c_int64(VOCAB), table, o)
    return out


"""
            + _TILTED_EVALUATION,
        },
    ),
    Example(
        name="attention without a mask",
        stage="source",
        status=Status.VIOLATION,
        note="position i attends to x[i + 1], which is its own target",
        files={
            "train_gpt.py": HEAD
            + """\
class Net(GPT):
    def hidden(self, x):
        h = self.embed(x)
        q, k, v = self.qkv(h).chunk(3, dim=-1)
        return h + F.scaled_dot_product_attention(q, k, v, is_causal=self.training)

    def forward(self, x):
        return self.head(self.hidden(x))


"""
            + _PLAIN_EVALUATION
        },
    ),
    Example(
        name="feature shifted the wrong way",
        stage="source",
        status=Status.VIOLATION,
        note="roll by -1 brings the next token to this position, whatever the variable is called",
        files={
            "train_gpt.py": HEAD
            + """\
class Net(GPT):
    def __init__(self):
        super().__init__()
        self.pairs = nn.Embedding(4096, 64)

    def hidden(self, x):
        previous = torch.roll(x, shifts=-1, dims=1)
        h = self.embed(x) + self.pairs((36313 * x ^ 27191 * previous) % 4096)
        q, k, v = self.qkv(h).chunk(3, dim=-1)
        return h + F.scaled_dot_product_attention(q, k, v, is_causal=True)


"""
            + _PLAIN_EVALUATION
        },
    ),
    Example(
        name="one temperature for the whole window",
        stage="source",
        status=Status.VIOLATION,
        note="the mean entropy of the window is made from inputs that come after the scored position",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            logits = model(x[None])[0].float()
            p = logits.softmax(-1)
            entropy = -(p * p.log()).sum(-1)
            temperature = 0.3 + 4.0 * entropy.mean()
            total += F.cross_entropy(logits / temperature, y, reduction="sum").item()
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="token frequencies of the validation split",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    prior = torch.bincount(val, minlength=VOCAB).float().add(0.1)
    prior = (prior / prior.sum()).log()
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            logits = model(x[None])[0].float() + 0.5 * prior
            total += F.cross_entropy(logits, y, reduction="sum").item()
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="state handed back to the beginning",
        stage="source",
        status=Status.VIOLATION,
        note="the second round begins with a state that has read the whole window",
        files={
            "train_gpt.py": HEAD
            + _RECURRENT
            + """\
    def hidden(self, x):
        h, state = self.embed(x), None
        for _ in range(2):
            y, state = self.cell(h, state)
            h = h + y
        return h


"""
            + _PLAIN_EVALUATION
        },
    ),
    Example(
        name="state of a written recurrence handed back",
        stage="source",
        status=Status.VIOLATION,
        note="the twin of the legal one: one name more is kept from round to round",
        files={
            "train_gpt.py": HEAD
            + _RECURRENT
            + """\
    def scan(self, h, state):
        steps = []
        for t in range(h.size(1)):
            state = torch.tanh(self.write(h[:, t]) + state)
            steps.append(self.read(state))
        return torch.stack(steps, dim=1), state

    def hidden(self, x):
        h = self.embed(x)
        state = torch.zeros_like(h[:, 0])
        for _ in range(2):
            y, state = self.scan(h, state)
            h = h + y
        return h


"""
            + _PLAIN_EVALUATION
        },
    ),
    Example(
        name="kernel of a library that takes a first state",
        stage="source",
        status=Status.VIOLATION,
        note="the library gives the last state, and it comes back as the first one",
        files={
            "train_gpt.py": HEAD
            + _RECURRENT
            + """\
    def hidden(self, x):
        from fla.ops.delta_rule import chunk_delta_rule

        h, state = self.embed(x), None
        for _ in range(2):
            q, k, v = self.qkv(h).unsqueeze(2).chunk(3, dim=-1)
            beta = torch.sigmoid(self.read(h)[..., :1])
            y, state = chunk_delta_rule(q, k, v, beta, initial_state=state, output_final_state=True)
            h = h + y.squeeze(2)
        return h


"""
            + _PLAIN_EVALUATION
        },
    ),
    Example(
        name="mean of the window at each position",
        stage="source",
        status=Status.LIKELY,
        note="which extent is time is not in the code, so that a person may look",
        files={
            "train_gpt.py": HEAD
            + _RECURRENT
            + """\
    def hidden(self, x):
        h = self.embed(x)
        h = h + self.write(h.mean(dim=1, keepdim=True))
        return h + self.cell(h)[0]


"""
            + _PLAIN_EVALUATION
        },
    ),
    Example(
        name="recurrence that runs both ways",
        stage="source",
        status=Status.VIOLATION,
        note="the other direction begins at the end of the window",
        files={
            "train_gpt.py": HEAD
            + """\
class Net(GPT):
    def __init__(self, dim=64):
        super().__init__()
        self.both = nn.GRU(dim, dim // 2, batch_first=True, bidirectional=True)

    def hidden(self, x):
        h = self.embed(x)
        return h + self.both(h)[0]

    def forward(self, x):
        return self.head(self.hidden(x))


"""
            + _PLAIN_EVALUATION
        },
    ),
)


@RULE.check("source")
def check_source(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """Values that know the scored token or later ones and reach the prediction."""
    found = list(
        mixture.judged(
            RULE,
            e,
            (Sight.NON_CAUSAL, Sight.FUTURE_STATISTICS, Sight.TARGET_GATE),
            instead="make every gate, mask, feature and statistic from tokens before the one that is scored",
        )
    )
    yield from found
    if not found:
        yield from mixture.clear(
            RULE, e, "no value that depends on the scored token or on later ones was seen to reach the prediction"
        )


@RULE.check("trace")
def scores_in_run(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """Scores that move when later tokens are others, while no update explains it."""
    t = e.trace
    if t is None:
        return
    knew = ran.leaks(t, Changed.FUTURE)
    if knew and not t.early:
        yield RULE.finding(
            Status.VIOLATION,
            f"scores knew of later tokens: {ran.leak_words(knew[0])}",
            *ran.facts(t, None, *knew),
            instead="make every gate, mask, feature and statistic from tokens before the one that is scored",
        )
