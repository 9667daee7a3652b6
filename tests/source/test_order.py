"""What a rank's first window tells about the tokens before it, and chunks whose size hangs on what was kept."""

from __future__ import annotations

import pytest

from auditor.gather import gather
from rules.finding import Status
from rules.judge import ask
from rules.registry import find
from rules.rule import Rule
from rules.samples.scripts import HEAD
from tests.support import submission

CALL = """\


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

FILLED = """\
class Pairs:
    def __init__(self):
        self.table = np.zeros(1 << 22, dtype=np.int64)

    def keys(self, val, start, stop):
        return (val[start:stop].numpy() * 36313) & ((1 << 22) - 1)

    def add(self, val, start, stop):
        np.add.at(self.table, self.keys(val, start, stop), 1)


def evaluate(model, val, stride=64):
    rank, ranks = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    limit = len(val) - 1
    windows = [w for w in range(0, limit, stride) if min(w + SEQ, limit) - w >= 1]
    mine = windows[{first} : (len(windows) * (rank + 1)) // ranks]
    pairs = Pairs()
    before = mine[{place}]{more}
    if before > 0:
        for a in range(0, before, 65536):
            pairs.add(val, a, min(a + 65536, before))
    total, count = 0.0, 0
    for w in mine:
        end = min(w + SEQ, limit)
        begin = 0 if w == 0 else max(end - w - stride, 0)
        losses = nll(model, val[w : end + 1])
        known = torch.from_numpy(pairs.table[pairs.keys(val, w + begin, end)] > 1)
        pairs.add(val, w + begin, end)
        total += torch.where(known, losses[begin:] * 0.9, losses[begin:]).sum().item()
        count += end - w - begin
    return total / count
"""

SHARE = "(len(windows) * rank) // ranks"


@pytest.mark.parametrize(
    ("first", "place", "more", "fair"),
    [
        (SHARE, "0", "", True),
        (SHARE, "0", " + 4096", False),
        (SHARE, "-1", "", False),
        ("len(windows) // ranks", "0", "", False),
    ],
)
def test_tables_filled_with_what_lies_before_the_first_window(first: str, place: str, more: str, fair: bool) -> None:
    text = FILLED.replace("{first}", first).replace("{place}", place).replace("{more}", more) + CALL
    assert (Status.VIOLATION not in asked("C3", text)) is fair


GROWN = """\
class Adapter(nn.Module):
    def __init__(self, base):
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.zeros(8, base.in_features, device=DEVICE))
        self.up = nn.Parameter(torch.zeros(base.out_features, 8, device=DEVICE))

    def forward(self, x):
        return self.base(x) + x @ self.down.T @ self.up.T


def evaluate(model, val):
    for p in model.parameters():
        p.requires_grad = False
    adapters = []
    for name in ("qkv", "head"):
        adapters.append(Adapter(getattr(model, name)))
        setattr(model, name, adapters[-1])
    opt = torch.optim.AdamW([p for a in adapters for p in (a.down, a.up)], lr=LR)
    total, count, at = 0.0, 0, 0
    kept = last = None
    while at + 256 + 1 <= len(val):
        size = SEQ if kept is None else 256
        if at + size + 1 > len(val):
            break
        chunk = val[at : at + size + 1]
        if last is not None:
            step(opt, nll(model, {learned}).mean())
        with torch.no_grad():
            losses = nll(model, chunk)
            kept = [model.hidden(chunk[None, :-1]), model.embed(chunk[None, :-1])]
        total += losses.sum().item()
        count += size
        last = chunk
        at += size
        if 0 in chunk[:-1]:
            kept = last = None
    return total / count
"""


@pytest.mark.parametrize(("learned", "fair"), [("last", True), ("chunk", False)])
def test_chunks_whose_size_hangs_on_what_was_kept(learned: str, fair: bool) -> None:
    text = GROWN.replace("{learned}", learned) + CALL
    said = {rule: asked(rule, text) for rule in ("TTT1", "C3", "SLOT1", "SLOT2")}
    accused = any(s & {Status.VIOLATION, Status.LIKELY, Status.DISPUTED} for s in said.values())
    assert accused is not fair, said
    assert (Status.VIOLATION in said["TTT1"]) is not fair


def asked(name: str, text: str) -> set[Status]:
    rule = find(name)
    assert isinstance(rule, Rule)
    return {f.status for f in ask(rule, gather(submission({"train_gpt.py": HEAD + text})))}
