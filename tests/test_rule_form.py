"""Every rule file has the form that the documentation, the judge and the generated tests rely on."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections import Counter
from datetime import date
from pathlib import PurePosixPath
from types import ModuleType

import pytest

import rules
from rules.evidence import Evidence, Package
from rules.finding import Status
from rules.judge import ask
from rules.registry import all_disputes, all_rules, examples
from rules.rule import Dispute, Example, Kind, Rule

FIRST_DAY, LAST_DAY = "2026-03-18", "2026-05-07"  # the span of the threads that the rules cite
SECTIONS = ("## Why", "## How it is proved", "## Legal look-alikes", "## Instead")
STAGES = {"package", "scripts", "claims", "source", "trace"}
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Roots of real file systems; a bare "/" is division more often than a path.
ABSOLUTE = re.compile(
    r"(?<![\w.}$~/-])/(?:home|root|work|workspace|tmp|mnt|data|usr|opt|var|etc|Users|private|srv|media|dev/(?!null\b))\b"
    r"|(?<!\w)[A-Za-z]:\\\\"
)


def rule_modules() -> dict[str, ModuleType]:
    """Module of each rule by rule id, found on the disk and not through the registry."""
    found = (importlib.import_module(f"rules.{m.name}") for m in pkgutil.iter_modules(rules.__path__) if not m.ispkg)
    return {m.RULE.id: m for m in found if hasattr(m, "RULE")}


def short(dispute: str) -> str:
    """`D-06` of `D-06-code-bytes`."""
    return "-".join(dispute.split("-")[:2])


MODULES = rule_modules()
RULES = all_rules()
ENTRIES: tuple[Rule | Dispute, ...] = (*RULES, *all_disputes())
EXAMPLES = [(rule, valid, example) for rule in RULES for valid, example in examples(rule)]
UNSEEN = [(rule, example) for rule, _, example in EXAMPLES if example.stage in ("source", "trace")]
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
each_example = pytest.mark.parametrize(
    ("rule", "valid", "example"),
    EXAMPLES,
    ids=[f"{r.id}-{'VALID' if v else 'INVALID'}-{e.name}" for r, v, e in EXAMPLES],
)


def test_the_registry_finds_every_rule_file() -> None:
    assert {r.id for r in RULES} == set(MODULES)
    assert len(MODULES) > 0


@pytest.mark.parametrize("names", [[r.id for r in RULES], [r.short for r in RULES]], ids=["ids", "short names"])
def test_names_are_unique(names: list[str]) -> None:
    assert [n for n, k in Counter(names).items() if k > 1] == []


@each_rule
def test_id_is_a_short_name_and_a_slug(rule: Rule) -> None:
    assert re.fullmatch(r"[A-Z]+[0-9]+(-[a-z0-9]+)+", rule.id)
    assert rule.id.startswith(rule.short + "-")


@each_rule
def test_file_is_named_after_the_rule(rule: Rule) -> None:
    assert MODULES[rule.id].__name__ == "rules." + rule.id.lower().replace("-", "_")


@each_rule
def test_the_docstring_is_a_documentation_page(rule: Rule) -> None:
    needed = [s for s in SECTIONS if not (rule.kind is Kind.PERMISSION and s == "## Instead")]
    lines = rule.doc.splitlines()
    assert [s for s in needed if s not in lines] == []
    order = [lines.index(s) for s in needed]
    assert order == sorted(order)
    statement = rule.doc.split("\n## ")[0].strip()
    assert statement
    assert not statement.startswith("#")
    assert statement.split("\n\n")[0].endswith(".")


@each_rule
def test_code_in_the_docstring_is_python(rule: Rule) -> None:
    for block in FENCE.findall(rule.doc):
        ast.parse(block)
    assert rule.doc.count("```") % 2 == 0


@each_rule
def test_sources_are_dated_and_in_order(rule: Rule) -> None:
    assert rule.sources
    dates = [s.date for s in rule.sources]
    assert dates == sorted(dates)
    for source in rule.sources:
        assert date.fromisoformat(source.date).isoformat() == source.date
        assert FIRST_DAY <= source.date <= LAST_DAY
        assert re.fullmatch(r"README|#[0-9]+|[a-z_]+\.(?:py|md)", source.thread)
        assert source.who
        assert source.says
    assert rule.since == dates[0]
    assert rule.authority() is not None
    assert rule.authority("2026-03-17") is None


@each_rule
def test_rule_says_what_would_decide_it(rule: Rule) -> None:
    assert rule.title
    assert rule.undecided
    assert rule.tracks
    assert rule.decided_by
    assert set(rule.decided_by) <= STAGES
    for stages, _ in rule.checks:
        assert stages
        assert set(stages) <= STAGES


@each_rule
def test_named_disputes_exist(rule: Rule) -> None:
    known = {short(d.id) for d in all_disputes()}
    assert [d for d in rule.disputes if short(d) not in known] == []


@each_rule
def test_rule_has_examples_of_both_kinds(rule: Rule) -> None:
    module = MODULES[rule.id]
    assert len(module.VALID) > 0
    assert len(module.INVALID) > 0
    names = Counter(e.name for _, e in examples(rule))
    assert [n for n, k in names.items() if k > 1] == []


@each_example
def test_example_expects_what_the_rule_may_say(rule: Rule, valid: bool, example: Example) -> None:
    assert example.files
    assert example.stage in STAGES
    if valid:
        assert not example.status.is_alarm
    else:
        assert example.status is not Status.OK
    if example.status is Status.VIOLATION:
        authority = rule.authority()
        assert authority is not None
        assert authority.can_convict, f"nobody with authority has stated {rule.id}"
    if example.status is Status.DISPUTED:
        assert example.dispute
    if example.dispute:
        assert short(example.dispute) in {short(d) for d in rule.disputes}
        assert short(example.dispute) in {short(d.id) for d in all_disputes()}


@pytest.mark.parametrize(
    ("valid", "example"), [pytest.param(v, e, id=f"{d.id}-{e.name}") for d in ENTRIES for v, e in examples(d)]
)
def test_example_is_clean(valid: bool, example: Example) -> None:
    for name, text in example.files.items():
        path = PurePosixPath(name)
        assert not path.is_absolute()
        assert ".." not in path.parts
        # A rule about form may show a script that does not compile; nobody could analyse one.
        if path.suffix == ".py" and (valid or example.stage in ("source", "trace")):
            ast.parse(text, filename=name)
        code = "\n".join(line for line in text.splitlines() if not line.startswith("#!"))
        assert ABSOLUTE.search(code) is None, f"{name} names a place on somebody's machine"


@pytest.mark.parametrize(("rule", "example"), UNSEEN, ids=[f"{r.id}-{e.name}" for r, e in UNSEEN])
def test_without_its_stage_the_rule_does_not_judge(rule: Rule, example: Example) -> None:
    evidence = Evidence(Package(folder="x", track=example.track))
    assert example.stage not in evidence.stages
    answers = list(ask(rule, evidence))
    assert answers
    for answer in answers:
        assert answer.rule == rule.id
        assert answer.status in (Status.UNVERIFIABLE, Status.NOT_APPLICABLE)
        assert "crashed" not in answer.message
        if answer.status is Status.NOT_APPLICABLE:
            assert example.track not in rule.tracks
