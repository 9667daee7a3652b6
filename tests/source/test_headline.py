"""Which printed number the claim rests on, and what is said where the log does not tell."""

from __future__ import annotations

import json

import pytest

from auditor.gather import gather
from rules import order, view
from rules.evidence import Evidence
from rules.finding import Status
from rules.judge import ask
from rules.registry import find
from rules.samples.scripts import HEAD
from tests.support import submission

TWO_PASSES = (
    HEAD
    + """\
def sweep(model, val, learn):
    opt = torch.optim.SGD(model.parameters(), lr=LR)
    total = 0.0
    for i in range(0, len(val) - 1, SEQ):
        x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
        loss = F.cross_entropy(model(x[None])[0].float(), y, reduction="sum")
        total += loss.item()
        if learn:
            step(opt, loss / len(y))
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
val = load("fineweb_val_*.bin")
one = sweep(model, val, learn=True)
print(f"final_graded_exact val_loss:{one:.8f} val_bpb:{one / 1.69:.8f}")
two = sweep(model, val, learn=False)
print(f"final_again_exact val_loss:{two:.8f} val_bpb:{two / 1.69:.8f}")
"""
)
TABLES = (
    HEAD
    + """\
SWITCH = bool(int(os.environ.get("SECOND_LOOK", "0")))


def evaluate(model, val):
    counts = np.zeros((VOCAB, VOCAB))
    tokens = val.cpu().numpy()
    if SWITCH:
        np.add.at(counts, (tokens[:-1], tokens[1:]), 1.0)
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            p = (-nll(model, val[i : i + SEQ + 1])).exp().cpu().numpy()
            x, y = tokens[i : i + SEQ + 1][:-1], tokens[i + 1 : i + SEQ + 1]
            if SWITCH:
                p = 0.3 * p + 0.7 * counts[x, y] / counts[x].sum(-1)
            total -= np.log(p).sum()
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
total = evaluate(model, load("fineweb_val_*.bin"))
print(f"final val_loss:{total:.6f} val_bpb:{total / 1.69:.6f}")
"""
)


def log(*results: tuple[str, float]) -> str:
    lines = ["model_params:17059912", "world_size:8 grad_accum_steps:1", "seed:1337"]
    lines += [f"step:{n}/200 train_loss:2.5 train_time:{n}000ms step_avg:100.00ms" for n in (100, 200)]
    lines += ["Serialized model int8+zlib: 15000000 bytes", "Total submission size int8+zlib: 15500000 bytes"]
    return "\n".join(lines + [f"{name} val_loss:{bpb * 1.69:.8f} val_bpb:{bpb:.8f}" for name, bpb in results]) + "\n"


def evidence(script: str, claim: float, **logs: str) -> Evidence:
    files = {"train_gpt.py": script, "submission.json": json.dumps({"name": "a", "val_bpb": claim})}
    return gather(submission(files | {f"{name}.log": text for name, text in logs.items()}))


def said(e: Evidence, rule: str) -> set[Status]:
    return {f.status for f in ask(find(rule), e)}


@pytest.mark.parametrize(
    ("claim", "status"),
    [(1.1150, Status.VIOLATION), (1.1180, Status.OK), (1.11705, Status.NEEDS_HUMAN)],
)
def test_a_fault_in_one_of_two_printed_numbers(claim: float, status: Status) -> None:
    e = evidence(TWO_PASSES, claim, train=log(("final_graded_exact", 1.1180), ("final_again_exact", 1.1150)))
    assert said(e, "TTT3") == {status}


def test_a_claim_far_from_all_lines_rests_on_the_result() -> None:
    e = evidence(TWO_PASSES, 1.0100, train=log(("final_graded_exact", 1.1180), ("final_again_exact", 1.1150)))
    assert e.program is not None
    assert [r.name.split()[0] for r in order.headlines(e.program)] == ["final_again_exact"]
    assert not e.program.rivals


def test_the_mean_of_the_runs_is_the_claim() -> None:
    runs = {
        name: log(("final_graded_exact", 1.1000 + d), ("final_again_exact", 1.0900 + d))
        for name, d in (("seed1", 0.0), ("seed2", 0.004), ("seed3", 0.005))
    }
    e = evidence(TWO_PASSES, 1.1030, **runs, copy_of_seed1=runs["seed1"])
    assert {found.name for r in e.claims.runs if (found := view.headline(r, e))} == {"final_graded_exact"}
    assert said(e, "TTT3") == {Status.OK}


@pytest.mark.parametrize(("claim", "assumed"), [(0.31, True), (1.12, False)])
def test_switches_are_open_where_the_model_alone_cannot_reach_the_claim(claim: float, assumed: bool) -> None:
    e = evidence(TABLES, claim)
    assert e.program is not None
    assert e.program.assumed is assumed
    assert said(e, "C3") == ({Status.LIKELY} if assumed else {Status.OK})


def test_a_log_that_shows_the_claim_leaves_the_switches_alone() -> None:
    e = evidence(TABLES, 0.31, train=log(("final", 0.31)))
    assert e.program is not None
    assert not e.program.assumed


WITHOUT_A_LOG = {
    "first": 'print(f"first val_bpb:{first / 1.69:.6f}")',
    "again": 'print(f"again val_bpb:{again / 1.69:.6f}")',
    "aside": 'print(f"diagnostic val_bpb:{again / 1.69:.6f}")',
}


@pytest.mark.parametrize(
    ("told", "learns", "status"),
    [
        (("first", "again"), True, Status.NEEDS_HUMAN),
        (("first", "aside"), True, Status.OK),
        (("again",), True, Status.VIOLATION),
        (("first", "again"), False, Status.VIOLATION),
    ],
)
def test_without_a_log_a_later_number_may_be_a_look_at_the_adapted_weights(
    told: tuple[str, ...], learns: bool, status: Status
) -> None:
    passes = "first = sweep({})\n{}again = sweep(False)\n".format(learns, "" if learns else "sweep(True)\n")
    script = HEAD + SWEEP + passes + "\n".join(WITHOUT_A_LOG[name] for name in told) + "\n"
    assert said(evidence(script, 1.11), "C3") == {status}


SWEEP = """\
model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
val = load("fineweb_val_*.bin")
opt = torch.optim.SGD(model.parameters(), lr=LR)


def sweep(learn):
    total = 0.0
    for i in range(0, len(val) - 1, SEQ):
        span = val[i : i + SEQ + 1]
        with torch.no_grad():
            total += nll(model, span).sum().item()
        if learn:
            step(opt, nll(model, span).mean())
    return total / (len(val) - 1)


"""
