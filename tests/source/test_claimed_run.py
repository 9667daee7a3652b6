"""Which run made the claim, where the documented command could mislead."""

from __future__ import annotations

import itertools
import time

import pytest

from auditor.gather import gather
from rules.events import Program
from rules.finding import Status
from rules.judge import ask
from rules.registry import find
from rules.samples.programs import MAIN, program
from rules.samples.records import record
from tests.support import submission

PLAIN = """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        total += F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="sum").item()
    return total
"""
LEAVE = """\
    if os.environ.get("LEAVE_EARLY", "0") == "1":
        print("minutes in total=0")
        return
    val_tokens = load_tokens"""


def followed(main: str, more: dict[str, str]) -> Program:
    files = {"train_gpt.py": program(PLAIN, main=main), **more}
    found = gather(submission(files)).program
    assert found is not None
    assert found.finished
    return found


def test_a_command_for_training_alone_does_not_hide_the_evaluation() -> None:
    main = MAIN.replace("    val_tokens = load_tokens", LEAVE, 1)
    p = followed(main, {"README.md": "Train:\n\n```bash\nLEAVE_EARLY=1 python train_gpt.py\n```\n"})
    assert p.headline


def test_time_that_others_take_from_the_machine_stops_no_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    late = itertools.count(0.0, 1e6)
    monkeypatch.setattr(time, "monotonic", lambda: next(late))
    assert followed(MAIN, {}).headline


PROFILES = """\
class Plan:
    def __init__(self):
        self.windows = 0
        self.batch_tokens = 786_432
        kind = os.environ.get("PLAN", "")
        if kind == "tiny":
            if "TRAIN_BATCH_TOKENS" not in os.environ:
                self.batch_tokens = 4096
            self.windows = 8


""" + PLAIN.replace(
    "    total = 0.0\n",
    "    plan, total = Plan(), 0.0\n    if plan.windows > 0:\n        val_tokens = val_tokens[: plan.windows * seq + 1]\n",
)


@pytest.mark.parametrize(("plan", "found"), [("", Status.OK), ("tiny", Status.LIKELY)])
def test_a_variable_that_a_branch_asks_for_is_no_line_of_the_log(plan: str, found: Status) -> None:
    lines = ("train_batch_tokens:786432 train_seq_len:1024", *([f"plan: {plan}"] if plan else []))
    files = {**record(settings=lines), "train_gpt.py": program(PROFILES)}
    if plan:
        files["README.md"] = f"```bash\nPLAN={plan} python train_gpt.py\n```\n"
    assert status("EVAL1", files) is found


def test_a_piece_of_a_chunk_is_no_part_of_the_split() -> None:
    body = """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    total = 0.0
    for c in range((val_tokens.numel() - 1) // 64):
        chunk = val_tokens[c * 64 : c * 64 + 1089]
        head = chunk[:1025]
        total += F.cross_entropy(model(head[:-1]), head[1:], reduction="sum").item()
    return total
"""
    assert status("EVAL1", {"train_gpt.py": program(body)}) is Status.OK


MERGED = """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    kinds = torch.bincount(load_tokens("train"), minlength=VOCAB).argsort()
    ids, total = IDS, 0.0
    for start in range(0, ids.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        y = TARGET
        total += F.cross_entropy(model(ids[start : start + y.numel()]), y, reduction="sum").item()
    return total
"""


@pytest.mark.parametrize(
    ("target", "found"), [("ids[start + 1 : start + seq + 1]", Status.NEEDS_HUMAN), ("y", Status.VIOLATION)]
)
def test_a_vocabulary_made_of_training_text_is_for_a_person(target: str, found: Status) -> None:
    body = MERGED.replace("TARGET", target).replace("IDS", "kinds[val_tokens]")
    assert status("DATA1", {"train_gpt.py": program(body)}) is found


def status(rule: str, files: dict[str, str]) -> Status:
    """The gravest that the source stage says under a rule."""
    e = gather(submission(files))
    said = [f.status for f in ask(find(rule), e)]
    return min(said, key=lambda s: s.rank)
