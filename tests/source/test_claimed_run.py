"""Which run made the claim, where the documented command could mislead."""

from __future__ import annotations

import itertools
import time

import pytest

from auditor.gather import gather
from rules.events import Program
from rules.samples.programs import MAIN, program
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
