"""What a condition asks for and what would open it, and what the code behind it would do."""

from __future__ import annotations

import ast

import pytest

from auditor.source.effects import Effect, effects, functions, of_validation
from auditor.source.switches import Settings

PROGRAM = """
import os

TTT = int(os.environ.get("TTT_ENABLED", "0"))
LIMIT = 1 << 20
MIXED = 3
MIXED = 4


def env(name, default):
    return os.environ.get(name, default)


class Args:
    first_tokens = int(env("FIRST_TOKENS", "4096"))
    mode: str = os.environ.get("MODE", "plain")
    rate = float(os.environ.get("RATE", "0.5"))


parser.add_argument("--warm-up", type=int, default=20)
"""
SETTINGS = Settings([ast.parse(PROGRAM)], ["env"])


@pytest.mark.parametrize(
    ("condition", "wanted", "expected"),
    [
        ("TTT", True, [("setting", "TTT_ENABLED=1")]),
        ("not TTT", True, [("setting", "TTT_ENABLED=0")]),
        ("TTT > 1", True, [("setting", "TTT_ENABLED=2")]),
        ("args.mode == 'two'", True, [("setting", "MODE=two")]),
        ("args.mode in ('a', 'b')", True, [("setting", "MODE=a")]),
        ("args.rate < 0.2", True, [("setting", "RATE=0.1")]),
        ("args.warm_up > 30", True, [("setting", "--warm-up=31")]),
        ("os.environ.get('OPEN', '') == '1'", True, [("setting", "OPEN=1")]),
        ("len(tokens) > LIMIT", True, [("size", "at least 1,048,577 in len(tokens)")]),
        ("100 <= len(tokens)", True, [("size", "at least 100 in len(tokens)")]),
        ("len(tokens) > MIXED", True, [("size", "len(tokens) > MIXED")]),
        ("len(tokens) < 100", False, [("size", "at least 100 in len(tokens)")]),
        ("rank != 0", True, [("rank", "rank != 0")]),
        ("time.time() - begin > 60 * 2", True, [("time", "after 120 in time.time() - begin")]),
        ("step >= 500 and TTT", True, [("count", "step >= 500"), ("setting", "TTT_ENABLED=1")]),
        ("x is None", True, []),
        ("name == 'weight'", True, []),
        ("isinstance(x, list)", True, []),
    ],
)
def test_a_condition_names_its_switches(condition: str, wanted: bool, expected: list[tuple[str, str]]) -> None:
    test = ast.parse(condition, mode="eval").body
    assert [(s.kind, s.words) for s in SETTINGS.switches(test, wanted, {})] == expected


@pytest.mark.parametrize(("now", "met"), [({}, False), ({"TTT_ENABLED": "1"}, True), ({"TTT_ENABLED": "0"}, False)])
def test_a_setting_that_is_as_it_would_have_to_be_is_met(now: dict[str, str], met: bool) -> None:
    for condition in ("TTT", "TTT > 0", "TTT == 1"):
        [s] = SETTINGS.switches(ast.parse(condition, mode="eval").body, True, now)
        assert s.met is met


CODE = """
def learn(x):
    loss = F.cross_entropy(net(x), x)
    loss.backward()


def outer(x):
    learn(x)


class A:
    def step(self):
        self.n += 1
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("outer(x)", {Effect.TRAINS, Effect.SCORES, Effect.CHANGES}),
        ("np.add.at(table, keys, 1)", {Effect.TABLES}),
        ("table[key] += 1", {Effect.TABLES}),
        ("stats['hits'] += 1", set()),
        ("p.data.add_(d)", {Effect.WRITES}),
        ("x.add_(1)", set()),
        ("optimizer.step()", {Effect.TRAINS}),
        ("profiler.step()", set()),
        ("logits = logits * 2", {Effect.CHANGES}),
        ("probs[0] *= 2", {Effect.CHANGES}),
        ("loss = None", set()),
        ("def inner():\n    outer(x)", set()),
        ("print('done')", set()),
    ],
)
def test_what_code_would_do(body: str, expected: set[Effect]) -> None:
    assert effects(ast.parse(body).body, functions([ast.parse(CODE)])) == expected


@pytest.mark.parametrize(
    ("body", "about"), [("f(val_tokens)", True), ("ttt_adapt(x)", True), ("net.eval()", False), ("f(interval)", False)]
)
def test_whether_code_is_about_validation(body: str, about: bool) -> None:
    assert of_validation(ast.parse(body).body, {}) is about
