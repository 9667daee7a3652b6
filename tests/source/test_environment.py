"""Settings on the walk: what is set, what is left at its default, and what nobody can tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from auditor.source.config import Configuration
from auditor.source.follow import follow
from rules import order
from rules.adaptation import cases
from rules.events import Program, Setting
from rules.evidence import Script
from rules.samples.programs import program

TEXT = program("""\
def evaluate(model, val_tokens, seq=1024):
    if int(os.environ.get("ADAPT_FIRST", "1")):
        train(model, val_tokens)
    total = 0.0
    with torch.no_grad():
        for start in range(0, val_tokens.numel() - 1, seq):
            y = val_tokens[start + 1 : start + seq + 1]
            total += F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="sum").item()
    return total
""")


@pytest.fixture(scope="module")
def nothing_known() -> Configuration:
    return Configuration(env={}, settings={}, arguments=(), world_size=8, val_tokens=None, label="", label_text="")


def followed(config: Configuration) -> Program:
    script = Script("train_gpt.py", "entry", "", len(TEXT), text=TEXT, shipped_text=TEXT)
    p = follow(script, (), config)
    return replace(p, headline=(order.reports(p)[-1].id,))


def test_the_default_decides(nothing_known: Configuration) -> None:
    assert [c.conflict.sure for c in cases(followed(nothing_known))] == [True]


def test_the_command_outranks_the_default(nothing_known: Configuration) -> None:
    off = replace(nothing_known, env={"ADAPT_FIRST": Setting("ADAPT_FIRST", "0", "command")})
    assert not cases(followed(off))


def test_what_the_commands_disagree_on_is_undecided(nothing_known: Configuration) -> None:
    torn = replace(nothing_known, unsure=frozenset({"adapt_first"}))
    assert [c.conflict.sure for c in cases(followed(torn))] == [False]


@pytest.mark.parametrize(("said", "sure"), [("1", [True]), ("0", [False])])
def test_a_command_that_repeats_the_default_says_what_the_others_say(
    nothing_known: Configuration, said: str, sure: list[bool]
) -> None:
    some = replace(nothing_known, unsure=frozenset({"adapt_first"}), agreed={"ADAPT_FIRST": said})
    assert [c.conflict.sure for c in cases(followed(some))] == sure
