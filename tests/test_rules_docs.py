"""The rule pages: one for each rule and dispute, whole, linked, and the same as the rules.

If `test_the_committed_pages_are_the_rules` fails, a rule was changed without its page. Refresh with

    python -m auditor.rules_docs docs/rules
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from auditor import rules_docs
from rules.finding import Status
from rules.registry import all_disputes, all_rules, examples
from rules.rule import Authority, Dispute, Rule

COMMITTED = Path(__file__).parent.parent / "docs" / "rules"
PAGES = rules_docs.pages()
ENTRIES: tuple[Rule | Dispute, ...] = (*all_rules(), *all_disputes())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.id)
def test_every_rule_and_dispute_has_a_page(entry: Rule | Dispute) -> None:
    page = PAGES[rules_docs.path(entry)]
    assert page.startswith("# " + entry.id.split("-")[0])
    assert entry.title in page
    assert f"`{entry.id}`" in page
    for source in entry.sources:
        assert f"{source.date}, " in page
        assert source.says in page
    for _, example in examples(entry):
        assert f": {example.name}\n" in page
    assert page.count("```") % 2 == 0


def test_the_index_names_everything_once() -> None:
    for entry in ENTRIES:
        assert PAGES["index.md"].count(f"]({rules_docs.path(entry)}) |") >= 1
    rows = re.findall(r"^\| \[(\w+)\]\(", PAGES["index.md"], flags=re.MULTILINE)
    assert sorted(rows) == sorted(r.short for r in all_rules())
    assert "## Further rules" not in PAGES["index.md"], "give the new prefix a group in rules_docs.GROUPS"


def test_links_resolve() -> None:
    links = 0
    for name, page in PAGES.items():
        text = re.sub(r"^(`{3,}).*?^\1", "", page, flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)]+)\)", text):
            if target.startswith("https://"):
                assert re.fullmatch(r"https://github\.com/openai/parameter-golf(/issues/\d+|#readme)", target)
                continue
            at = PurePosixPath(name).parent
            for part in PurePosixPath(target).parts:
                at = at.parent if part == ".." else at / part
            assert at.as_posix() in PAGES, f"{name}: {target}"
            links += 1
    assert links > 2 * len(PAGES)


def test_code_is_not_linked() -> None:
    assert rules_docs._linked("see NG1, #1017 and `NG1 #1017`", "index.md") == (
        "see [NG1](ng1-target-in-key.md), [#1017](https://github.com/openai/parameter-golf/issues/1017) and `NG1 #1017`"
    )
    assert rules_docs._linked("```python\nx = 1  # NG1\n```", "index.md") == "```python\nx = 1  # NG1\n```"
    assert rules_docs._linked("NG1 here, D-03 there", "ng1-target-in-key.md").startswith(
        "NG1 here, [D-03](disputes/d-03"
    )


def test_pages_are_made_the_same_twice() -> None:
    assert rules_docs.pages() == PAGES


def test_nothing_of_the_machine_is_on_a_page() -> None:
    for name, page in PAGES.items():
        assert str(Path.home()) not in page, name
        assert str(COMMITTED.parent.parent) not in page, name


def test_write_then_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rules_docs.main([str(tmp_path)]) == 0
    assert rules_docs.main(["--check", str(tmp_path)]) == 0
    (tmp_path / "index.md").write_text("changed", encoding="utf-8")
    (tmp_path / "ng1-target-in-key.md").unlink()
    (tmp_path / "old-rule.md").write_text(f"# Old\n\n{rules_docs.MARKER}\n", encoding="utf-8")
    (tmp_path / "notes.md").write_text("# By hand\n", encoding="utf-8")
    capsys.readouterr()
    assert rules_docs.main(["--check", str(tmp_path)]) == 1
    named = [Path(line.split(" differs")[0]).name for line in capsys.readouterr().err.splitlines()[:-1]]
    assert named == ["index.md", "ng1-target-in-key.md", "notes.md", "old-rule.md"]
    rules_docs.main([str(tmp_path)])
    assert not (tmp_path / "old-rule.md").exists()
    assert (tmp_path / "notes.md").exists(), "a page that was not made here is not removed"
    assert rules_docs.differing(tmp_path) == ["notes.md"]


def test_a_new_prefix_lands_under_further_rules() -> None:
    rule = next(r for r in all_rules() if r.short == "NG1")
    assert rules_docs.group(rule) == "Mixing"
    assert rules_docs.group(replace(rule, id="ZZ1-new")) == "Further rules"


def test_the_committed_pages_are_the_rules() -> None:
    assert rules_docs.differing(COMMITTED) == [], "refresh with: python -m auditor.rules_docs docs/rules"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.id)
def test_docstrings_have_the_sections_of_a_page(entry: Rule | Dispute) -> None:
    headings = re.findall(r"^## (.+)$", entry.doc, flags=re.MULTILINE)
    if isinstance(entry, Rule):
        assert headings[:2] == ["Why", "How it is proved"]
        assert headings[-1] == "Instead" or "Instead" not in headings
    else:
        assert headings == ["The question", *headings[1:3], "What the tool says meanwhile", "What would settle it"]
        assert all(h.startswith("Side ") for h in headings[1:3])


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.id)
def test_sources_are_dated_and_in_order(entry: Rule | Dispute) -> None:
    days = [s.date for s in entry.sources]
    assert days
    assert days == sorted(days)
    assert all(re.fullmatch(r"2026-0[3-5]-\d\d", day) for day in days)
    assert all(re.fullmatch(r"README|train_gpt\.py|#\d{2,4}", s.thread) for s in entry.sources)


@pytest.mark.parametrize("rule", all_rules(), ids=lambda r: r.id)
def test_no_example_expects_more_than_the_authority_allows(rule: Rule) -> None:
    authority = rule.authority()
    assert authority is not None
    for valid, example in examples(rule):
        if example.status is Status.VIOLATION:
            assert not valid
            assert authority.can_convict
        if example.status is Status.DISPUTED:
            assert example.dispute in rule.disputes


@pytest.mark.parametrize("dispute", all_disputes(), ids=lambda d: d.id)
def test_disputes_touch_rules_that_exist(dispute: Dispute) -> None:
    shorts = {r.short: r for r in all_rules()}
    assert dispute.rules
    assert set(dispute.rules) <= shorts.keys()
    number = "-".join(dispute.id.split("-")[:2])
    for rule in all_rules():
        if number in rule.disputes:
            assert rule.short in dispute.rules, f"{rule.id} names {number}, and not the other way round"
    for _, example in examples(dispute):
        assert example.dispute == number
        assert not dispute.informational
    assert any(s.authority is not Authority.DERIVED for s in dispute.sources)


def test_there_are_twenty_disputes() -> None:
    assert ["-".join(d.id.split("-")[:2]) for d in all_disputes()] == [f"D-{n:02d}" for n in range(1, 21)]


def test_source_examples_parse() -> None:
    seen = 0
    for entry in ENTRIES:
        for _, example in examples(entry):
            for name, text in example.files.items():
                if example.stage == "source" and name.endswith(".py"):
                    ast.parse(text, filename=f"{entry.id}: {example.name}: {name}")
                    seen += 1
    assert seen >= 80
