"""Whole runs of small programs of our own in the sandbox: one that is clean, one that trains on what it scores next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("sentencepiece")

from auditor.scripts import read_scripts
from auditor.trace.collect import NONE, read_trace
from auditor.trace.ready import missing
from auditor.trace.ways import Ways
from rules.evidence import Claims, Evidence, Package
from rules.finding import Status
from rules.judge import ask
from rules.registry import find
from rules.samples.scripts import HEAD
from rules.trace import Changed, How, Trace
from tests.support import submission

BYTES = """\
import math
import sentencepiece as spm

sp = spm.SentencePieceProcessor(model_file=os.environ.get("TOKENIZER_PATH", "./data/tokenizers/fineweb_1024_bpe.model"))


def sizes(ids):
    out, before = [], -1
    for i in ids:
        piece = sp.id_to_piece(i)
        if sp.is_control(i) or sp.is_unknown(i):
            out.append(0)
        elif sp.is_byte(i):
            out.append(1)
        else:
            bare = before < 0 or sp.is_control(before) or sp.is_unknown(before)
            out.append(len(piece.removeprefix("\u2581").encode()) + (piece.startswith("\u2581") and not bare))
        before = i
    return out


torch.manual_seed(1)
model = train(GPT().to(DEVICE), load("*train*.bin"))
val = load("*val*.bin")
size = torch.tensor(sizes(val.tolist()))
opt = torch.optim.SGD(model.parameters(), lr=LR)
"""
SCORE = """\
        with torch.no_grad():
            losses = nll(model, chunk)
        total += losses.sum().double().item()
"""
ADAPT = """\
        for _ in range(2):
            step(opt, nll(model, chunk).mean())
"""
LOOP = """\
def evaluate():
    total = 0.0
    for i in range(0, len(val) - 1, SEQ):
        chunk = val[i : i + SEQ + 1]
{body}\
    return total


total = evaluate()
print(f"val_loss:{{total / (len(val) - 1):.8f}} val_bpb:{{total / math.log(2) / size[1:].sum().item():.8f}}")
"""


MIXED = """\
        with torch.no_grad():
            losses = nll(model, chunk)
        {how}
"""
IN_NUMPY = "p = np.exp(-losses.double().cpu().numpy()); total += float(-np.log(0.9 * p + 0.1 / VOCAB).sum())"
IN_A_LOOP = "total += sum(-math.log(0.9 * math.exp(-x) + 0.1 / VOCAB) for x in losses.double().tolist())"
TAKEN_AWAY = "for x in losses.double().tolist(): total -= math.log(0.9 * math.exp(-x) + 0.1 / VOCAB)"
ONE_BY_ONE = "total += sum(float(x) for x in [losses[j].item() for j in range(len(losses))])"

LOOPED = """\
        with torch.no_grad():
            rows = torch.log_softmax(model(chunk[None, :-1])[0].double(), -1)
            {how}
"""
IN_PLACE = "total = torch.zeros((), dtype=torch.float64) + total\n            for j in range(len(rows)): total += -rows[j][chunk[1 + j]]"
ANEW = "for j in range(len(rows)): total = total - torch.logaddexp(rows[j, chunk[1 + j]], rows[j, chunk[1 + j]] - 9)"
KEPT = """out = losses.double().clone()
        for j in range(0, len(out), 2): out[j] = -math.log(float(torch.exp(-out[j])) * 0.9 + 0.1 / VOCAB)
        for j in range(1, len(out), 2): out[j] = 0.5 * out[j].item()
        total += out.sum().item()"""


def program(*body: str) -> str:
    return HEAD + BYTES + LOOP.format(body="".join(body))


def traced(
    text: str, *, probing: bool = True, device: str = "cpu", ranks: int = 1, given: Mapping[str, str] = NONE
) -> Trace:
    if reason := missing(device):
        pytest.skip(reason)
    s = submission({"train_gpt.py": text, "README.md": "# Run\\n"})
    scripts, _, _ = read_scripts(s)
    t = read_trace(
        Evidence(replace(s.package, scripts=scripts), Claims()),
        s,
        lambda _: None,
        Ways(wall_s=120, probing=probing, device=device, ranks=ranks, given=given),
    )
    assert t is not None
    return t


def line(text: str, part: str) -> int:
    """The last line that holds a part."""
    return max(i for i, x in enumerate(text.split("\n"), 1) if part in x)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_program_that_scores_first_is_explained_and_clean(device: str) -> None:
    text = program(SCORE, ADAPT)
    t = traced(text, device=device)
    assert t.device == device
    assert t.failure == ""
    head = t.printed[t.headline]
    assert head.what == "bits per byte"
    assert head.scores == t.positions - 1
    assert head.at is not None
    assert head.at.line == line(text, "losses.sum()")
    assert re.search(rf"val_bpb:{head.value:.8f}", head.text), "the book gives what was printed, to its last digit"
    assert t.early == ()
    assert t.again == 0
    assert [p.kind for p in t.probes] == [Changed.FUTURE, Changed.FUTURE, Changed.ORDER]
    for p in t.probes:
        assert (p.problem, p.moved, p.leak) == ("", 0, False)
        assert p.compared > (1000 if p.kind is Changed.FUTURE else 100)
    assert t.foresight == ()
    if device == "cpu":
        [added] = t.sums
        assert added.proper
        assert added.asked > 20


def test_losses_that_are_mixed_and_added_up_outside_of_tensors_are_explained() -> None:
    bodies = [MIXED.format(how=how) for how in (IN_NUMPY, IN_A_LOOP, TAKEN_AWAY, ONE_BY_ONE, KEPT)]
    bodies += [LOOPED.format(how=how) for how in (IN_PLACE, ANEW)]
    loops = [LOOP.format(body=body) for body in bodies]
    t = traced(HEAD + BYTES + "".join(loops), probing=False)
    assert t.failure == ""
    assert [n.what for n in t.printed] == ["mean loss in nats", "bits per byte"] * 7
    assert {n.scores for n in t.printed} == {t.positions - 1}
    lines = [n.at.line for n in t.printed if n.at]
    assert lines == sorted(lines)
    assert len(set(lines)) == 7


def test_a_loss_function_in_the_place_of_torch_s_is_called_once() -> None:
    own = (
        "real = F.cross_entropy\nF.cross_entropy = lambda *a, **k: calls.append(1) or real(*a, **k) + 0.5\ncalls = []\n"
    )
    count = 'print(f"{len(calls) / len(range(0, len(val) - 1, SEQ)):.6f}")\n'
    t = traced(HEAD + BYTES + own + LOOP.format(body=SCORE) + count, probing=False)
    assert t.printed[-1].value == 1.0
    assert t.printed[t.headline].scores == t.positions - 1


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_program_that_trains_first_is_found_with_its_lines_and_the_probe_leaks(device: str) -> None:
    text = program(ADAPT, SCORE)
    t = traced(text, device=device)
    assert t.failure == ""
    assert t.printed[t.headline].what == "bits per byte"
    [e] = t.early
    assert e.how is How.TRAINED
    assert (e.count, e.of, e.first, e.last) == (t.positions - 1, t.positions - 1, 1, t.positions - 1)
    assert e.during, "chunk by chunk inside of the evaluation, though the first step came before every score"
    assert e.at.line == line(text, "loss.backward()")
    assert e.changed is not None
    assert e.changed.line == line(text, "opt.step()")
    assert e.scored.line == line(text, "losses.sum()")
    assert any(p.leak for p in t.probes)
    leak = next(p for p in t.probes if p.leak)
    assert leak.last < leak.cut
    assert leak.noise == 0


TWICE = """\
def evaluate(learn):
    total = 0.0
    for i in range(0, len(val) - 1, SEQ):
        chunk = val[i : i + SEQ + 1]
        with torch.no_grad():
            total += nll(model, chunk).sum().double().item()
        if learn:
            step(opt, nll(model, chunk).mean())
    return total


def show(name, total):
    print(f"{name} val_bpb:{total / math.log(2) / size[1:].sum().item():.8f}")


"""


@pytest.mark.parametrize(
    ("calls", "claimed", "after"),
    [
        ('show("first", evaluate(True))\nshow("again", evaluate(False))\n', "first", "again"),
        ('show("first", evaluate(True))\nshow("diagnostic", evaluate(False))\n', "first", ""),
        ('show("plain", evaluate(False))\nevaluate(True)\nshow("again", evaluate(False))\n', "again", ""),
    ],
)
def test_which_of_two_numbers_is_claimed_where_no_log_says_so(calls: str, claimed: str, after: str) -> None:
    t = traced(HEAD + BYTES + TWICE + calls, probing=False)
    assert t.printed[t.headline].text.split()[0] == claimed
    assert bool(t.early) is (claimed == "again")
    assert (t.printed[t.after].text.split()[0] if t.after >= 0 else "") == after
    found = {f.status for f in ask(find("TTT3"), Evidence(Package("a"), stages=("trace",), trace=t))}
    assert (Status.NEEDS_HUMAN in found) is bool(after)


def test_a_program_that_fails_says_how() -> None:
    t = traced(HEAD + "raise KeyError('no such thing')\n")
    assert not t.explained
    assert t.failure == "KeyError: 'no such thing'"
