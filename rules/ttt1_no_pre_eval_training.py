"""No training on validation tokens before they are scored in the number that is reported.

No gradient step, no EM step, no fit of any kind: not before quantisation, not "baked into the
artifact", not for one parameter only.

## Why
The README says it plainly: one may not train on the validation set and then evaluate on it. A model
tuned for some epochs on the very text it is measured on shows what it memorised. The same code put
*before* quantisation changes nothing about that.

## How it is proved
Reading: a function that receives validation tokens runs `backward` and an optimiser step over them,
adds nothing to the reported total, and is called, in the configuration that made the claim, before
the evaluation. Running: the ledger shows updates from validation tokens that have no score yet, and
the reported score moves when that function is replaced by one that does nothing.

## Legal look-alikes
- Test-time training that scores each chunk before it trains on it, under whatever name.
- Quantisation-aware or late fine-tuning on *training* shards.
- The illegal function as dead code: defined, and switched off in the run that made the claim (the
  default and the log's own settings decide, not the comment).

## Known evasions
- The name: "legal", "score-first", "fixed predictor" on code that trains first.
- A copy of, or link to, the validation shard among the training shards.
- Averaging models that several processes tuned on a part of the validation tokens each.
- Distilling from a teacher that was trained on the validation tokens.
- Fitting "only" an adapter, a bias, or a temperature.
- A step without an optimiser: `torch._foreach_add_` with gradients of functions, a `backward` of one's own, memory
  written by its address; batch statistics moved by a pass in training mode.

## Instead
Before:
```python
for epoch in range(6):
    for span in spans(val):
        step(opt, nll(model, span).mean())
quantise(model)
report(evaluate(model, val))
```
After:
```python
quantise(model)
for span in spans(val):
    with torch.no_grad():
        total += nll(model, span).sum()        # graded
    step(opt, nll(model, span).mean())         # helps later spans only
report(total)
```
"""

from collections.abc import Iterator

from rules import adaptation, ran
from rules.adaptation import Kind as Adaptation
from rules.editions import Edition
from rules.evidence import Evidence
from rules.finding import Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.scripts import HEAD

RULE = Rule(
    id="TTT1-no-pre-eval-training",
    title="Training on validation tokens before they are scored",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README",
            "2026-03-20",
            "0hq",
            "no training on the validation set before evaluating on it; test-time training only on evaluated tokens",
            Authority.README,
        ),
        Source(
            "#402",
            "2026-03-22",
            "0hq",
            "adapting before the evaluation is leakage; preceding tested tokens may be used",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#1082",
            "2026-03-29",
            "aryanbhosale",
            "asks to enforce this on 30 epochs before the evaluation (#672, then closed)",
            Authority.COMMUNITY,
        ),
        Source(
            "#1902",
            "2026-04-28",
            "cocohearts",
            "training before quantisation and leakage from future validation tokens are invalid for the table",
            Authority.ORGANIZER,
        ),
        Source(
            "#1972",
            "2026-05-02",
            "cocohearts",
            "the score was taken after adapting to the same tokens, which violates C3",
            Authority.ORGANIZER,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="finding whether any update from validation tokens is reachable before their score, in the code or in a run, would decide it",
)


INSTEAD = "score each chunk first and train on it afterwards, for the chunks behind it"


@RULE.check("source")
def order_in_code(e: Evidence, edition: Edition) -> Iterator[Finding]:
    if e.program is None:
        return
    found = list(
        adaptation.accuse(
            RULE,
            e.program,
            (Adaptation.BEFORE,),
            "trained on validation tokens, then scored the same tokens",
            INSTEAD,
        )
    )
    yield from found or adaptation.clear(RULE, e.program, "no training on validation tokens comes before their score")


@RULE.check("trace")
def order_in_run(e: Evidence, edition: Edition) -> Iterator[Finding]:
    if e.trace is None:
        return
    first = [x for x in e.trace.early if ran.before_evaluation(x)]
    yield from ran.accuse(RULE, e.trace, first, INSTEAD)


_SCORE = """\
def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            total += nll(model, val[i : i + SEQ + 1]).sum().item()
    return total / (len(val) - 1)


def quantize(model):
    with torch.no_grad():
        for p in model.parameters():
            scale = p.abs().max() / 127
            p.copy_((p / scale).round() * scale)


"""

VALID = (
    Example(
        name="batch statistics moved by training tokens, and frozen",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
class Normalised(GPT):
    def __init__(self, dim=64):
        super().__init__(dim)
        self.norm = nn.BatchNorm1d(dim)

    def forward(self, x):
        return self.head(self.norm(self.hidden(x).transpose(1, 2)).transpose(1, 2))


shards = load("fineweb_train_*.bin")
model, val = train(Normalised().to(DEVICE), shards), load("fineweb_val_*.bin")
model.train()
with torch.no_grad():
    for i in range(0, 64 * SEQ, SEQ):
        model(shards[None, i : i + SEQ])
model.eval()
print(f"final val_loss:{evaluate(model, val):.6f}")
"""
        },
    ),
    Example(
        name="a function called finetune_on_val that scores first",
        stage="source",
        status=Status.OK,
        note="the name says the opposite of what the code does",
        files={
            "train_gpt.py": HEAD
            + """\
def finetune_on_val(model, val_tokens):
    opt = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(0, len(val_tokens) - 1, CHUNK):
        chunk = val_tokens[i : i + CHUNK + 1]
        losses = nll(model, chunk)
        total += losses.detach().double().sum().cpu()
        if i + CHUNK < len(val_tokens) - 1:
            step(opt, losses.mean())
    return total.item() / (len(val_tokens) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{finetune_on_val(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="late fine-tuning on a training shard before quantisation",
        stage="source",
        status=Status.OK,
        note="called ttt_adapt, but its tokens are the last training shard",
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
def ttt_adapt(model, tokens, epochs):
    opt = torch.optim.AdamW(model.parameters(), lr=0.1 * LR)
    for epoch in range(epochs):
        for i in range(0, len(tokens) - 1, SEQ):
            step(opt, nll(model, tokens[i : i + SEQ + 1]).mean())


shards = load("fineweb_train_*.bin")
model = train(GPT().to(DEVICE), shards)
ttt_adapt(model, shards[-4 * SEQ :], epochs=2)
quantize(model)
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="switched off by default",
        stage="source",
        status=Status.OK,
        note="the function is illegal, and unreachable under the defaults that made the claim",
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
def prequant_adapt(model, val_tokens):
    opt = torch.optim.AdamW(model.parameters(), lr=LR)
    for epoch in range(6):
        for i in range(0, len(val_tokens) - 1, SEQ):
            step(opt, nll(model, val_tokens[i : i + SEQ + 1]).mean())


PREQUANT_TTT = bool(int(os.environ.get("PREQUANT_TTT_ENABLED", "0")))
model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
val = load("fineweb_val_*.bin")
if PREQUANT_TTT:
    prequant_adapt(model, val)
quantize(model)
print(f"final val_loss:{evaluate(model, val):.6f}")
"""
        },
    ),
)

INVALID = (
    Example(
        name="batch statistics moved by a pass over the validation tokens",
        stage="source",
        status=Status.VIOLATION,
        note="no gradient is taken, and the weights are the same; the running means are not",
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
class Normalised(GPT):
    def __init__(self, dim=64):
        super().__init__(dim)
        self.norm = nn.BatchNorm1d(dim)

    def forward(self, x):
        return self.head(self.norm(self.hidden(x).transpose(1, 2)).transpose(1, 2))


model, val = train(Normalised().to(DEVICE), load("fineweb_train_*.bin")), load("fineweb_val_*.bin")
model.train()
with torch.no_grad():
    for i in range(0, len(val), SEQ):
        model(val[None, i : i + SEQ])
model.eval()
print(f"final val_loss:{evaluate(model, val):.6f}")
"""
        },
    ),
    Example(
        name="gradients of a function, added to all weights at once",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
from torch.func import functional_call, grad

model, val = train(GPT().to(DEVICE), load("fineweb_train_*.bin")), load("fineweb_val_*.bin")
weights = dict(model.named_parameters())


def loss(weights, x, y):
    return F.cross_entropy(functional_call(model, weights, (x[None],))[0], y)


for i in range(0, len(val) - 1, SEQ):
    span = val[i : i + SEQ + 1]
    slopes = grad(loss)(weights, span[:-1], span[1:])
    with torch.no_grad():
        torch._foreach_add_(list(weights.values()), list(slopes.values()), alpha=-LR)
print(f"final val_loss:{evaluate(model, val):.6f}")
"""
        },
    ),
    Example(
        name="six epochs before quantisation",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
def adapt(model, tokens, epochs=int(os.environ.get("EPOCHS", 6))):
    opt = torch.optim.AdamW(model.parameters(), lr=0.1 * LR)
    for epoch in range(epochs):
        for i in range(0, len(tokens) - 1, SEQ):
            step(opt, nll(model, tokens[i : i + SEQ + 1]).mean())


if int(os.environ.get("TTT_ENABLED", "1")):
    model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
    adapt(model, load("fineweb_val_*.bin"))
    quantize(model)
    print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="graded once, thrown away, then trained and graded",
        stage="source",
        status=Status.VIOLATION,
        note="the first score exists, but it is not in the reported number",
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + '''\
def score_first_adapt(model, val):
    """Legal test-time training: each span is scored before the update."""
    opt = torch.optim.SGD(model.parameters(), lr=LR)
    graded = 0.0
    for i in range(0, len(val) - 1, SEQ):
        losses = nll(model, val[i : i + SEQ + 1])
        graded += losses.detach().sum().item()
        step(opt, losses.mean())
    print(f"adapted on tokens graded at {graded / (len(val) - 1):.4f}")
    return model


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
val = load("fineweb_val_*.bin")
model = score_first_adapt(model, val)
quantize(model)
print(f"final val_loss:{evaluate(model, val):.6f}")
'''
        },
    ),
    Example(
        name="the validation shard copied among the training shards",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
import shutil

extra = os.path.join(DATA_PATH, "fineweb_train_000999.bin")
shutil.copy(os.path.join(DATA_PATH, "fineweb_val_000000.bin"), extra)
model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
polish = load("fineweb_train_000999.bin")
opt = torch.optim.AdamW(model.parameters(), lr=0.1 * LR)
for i in range(0, len(polish) - 1, SEQ):
    step(opt, nll(model, polish[i : i + SEQ + 1]).mean())
quantize(model)
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="only a temperature and a bias, by L-BFGS",
        stage="source",
        status=Status.VIOLATION,
        note="few parameters, but fitted on the text that is scored with them",
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
class Calibrated(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.inner = model.requires_grad_(False)
        self.log_t, self.bias = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(VOCAB))

    def forward(self, x):
        return self.inner(x) * self.log_t.exp() + self.bias


model = Calibrated(train(GPT().to(DEVICE), load("fineweb_train_*.bin"))).to(DEVICE)
val = load("fineweb_val_*.bin")
opt = torch.optim.LBFGS([model.log_t, model.bias], max_iter=5)


def closure():
    opt.zero_grad()
    loss = nll(model, val[: 64 * SEQ + 1]).mean() + 0.01 * (model.bias.square().sum() + model.log_t.square())
    loss.backward()
    return loss


opt.step(closure)
print(f"final val_loss:{evaluate(model, val):.6f}")
"""
        },
    ),
    Example(
        name="distilled from a teacher that saw the validation tokens",
        stage="source",
        status=Status.VIOLATION,
        note="the student never gets a label of the validation split, only the teacher's opinions of it",
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
def fit(model, tokens, loss_of):
    opt = torch.optim.AdamW(model.parameters(), lr=0.1 * LR)
    for i in range(0, len(tokens) - 1, SEQ):
        step(opt, loss_of(tokens[i : i + SEQ + 1]))


student = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
held = load("fineweb_val_*.bin")
teacher = GPT(dim=128).to(DEVICE)
fit(teacher, held, lambda span: nll(teacher, span).mean())


def imitate(span):
    goal = teacher(span[None, :-1]).softmax(-1).detach()
    return F.kl_div(student(span[None, :-1]).log_softmax(-1), goal, reduction="batchmean")


fit(student, held, imitate)
quantize(student)
print(f"final val_loss:{evaluate(student, held):.6f}")
"""
        },
    ),
    Example(
        name="each process tunes on its part, then the weights are averaged",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
import torch.distributed as dist

RANK, WORLD = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
if WORLD > 1:
    dist.init_process_group("nccl")
model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
val = load("fineweb_val_*.bin")
part = val.chunk(WORLD)[RANK]
opt = torch.optim.AdamW(model.parameters(), lr=0.1 * LR)
for i in range(0, len(part) - 1, SEQ):
    step(opt, nll(model, part[i : i + SEQ + 1]).mean())
for p in model.parameters():
    if WORLD > 1:
        dist.all_reduce(p.data)
        p.data /= WORLD
quantize(model)
print(f"final val_loss:{evaluate(model, val):.6f}")
"""
        },
    ),
)
