"""The JSON contract: published, generated, obeyed by every example, and read back without loss."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from auditor.audit import SCHEMA_VERSION, Audit
from auditor.report import Options, contract, render
from auditor.report.json_ import SCHEMA_FILE, load, schema, schema_text
from rules.evidence import Comparison, Location, Number
from rules.finding import Finding
from tests.report import samples
from tests.report.hostile import hostile

KEEP = Options(keep_evidence=True)


def valid(document: Any) -> None:
    jsonschema.Draft202012Validator(schema()).validate(document)


def test_schema_file_is_the_generated_one() -> None:
    assert SCHEMA_FILE.read_text() == schema_text(), "regenerate it: scorefirst schema > " + SCHEMA_FILE.name


def test_schema_is_valid_and_versioned() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["$id"].endswith(SCHEMA_VERSION)
    assert contract.VERSION == SCHEMA_VERSION


def test_one_folder_is_an_object_and_several_are_a_list(full: Audit, several: tuple[Audit, ...]) -> None:
    one, many, none = (json.loads(render("json", a)) for a in ([full], several, []))
    assert isinstance(one, dict)
    assert [d["submission"]["folder"] for d in many] == [a.submission.folder for a in several]
    assert none == []


def test_fields_are_those_of_the_contract(full: Audit) -> None:
    d = json.loads(render("json", [full]))
    assert list(d) == [
        "schema_version",
        "tool_version",
        "edition",
        "submission",
        "verdict",
        "findings",
        "coverage",
        "waivers",
        "suspects",
    ]
    assert list(d["submission"]) == ["pr", "head", "base", "folder", "track", "date", "source", "files_read"]
    f = d["findings"][0]
    assert list(f) == [
        "rule",
        "status",
        "severity",
        "message",
        "locations",
        "evidence",
        "disputes",
        "instead",
        "show_again",
        "waiver",
        "fingerprint",
    ]
    assert f["locations"][0] == {
        "file": "train_seed42.log",
        "line": 812,
        "text": "Total submission size int6+brotli: 16012345 bytes",
        "layer": 0,
    }
    assert list(f["evidence"][0]) == ["label", "value", "at", "shipped"]
    assert d["coverage"][0] == {
        "what": "final_model.int6.ptz",
        "why": "the clone does not hold the object",
        "file": "final_model.int6.ptz",
    }


@pytest.mark.parametrize("options", [Options(), KEEP])
def test_every_example_obeys_the_schema(options: Options, several: tuple[Audit, ...]) -> None:
    for audits in ([samples.audit()], several, [], [hostile()]):
        valid(json.loads(render("json", audits, options)))


def test_the_schema_refuses_what_breaks_the_contract(full: Audit) -> None:
    d = json.loads(render("json", [full]))
    for broken in (
        {**d, "verdict": "guilty"},
        {k: v for k, v in d.items() if k != "coverage"},
        {**d, "findings": [{}]},
        {**d, "submission": None},
    ):
        with pytest.raises(jsonschema.ValidationError):
            valid(broken)


def test_round_trip(several: tuple[Audit, ...]) -> None:
    assert load(render("json", several, KEEP)) == several
    without = tuple(replace(a, evidence=None) for a in several)
    assert load(render("json", several)) == without


def test_figures_that_are_no_numbers_survive() -> None:
    audit = samples.audit()
    assert audit.evidence is not None
    odd = replace(
        audit.evidence.statistics,
        values=(Number(math.nan, Location("a.log", 1)), Number(math.inf, Location("a.log", 2))),
        comparisons=(Comparison("x", "bpb", 0.0, math.nan, None, 1, 1),),
    )
    text = render("json", [replace(audit, evidence=replace(audit.evidence, statistics=odd))], KEEP)
    valid(json.loads(text))
    (back,) = load(text)
    assert back.evidence is not None
    assert all(math.isnan(v.value) for v in back.evidence.statistics.values)
    assert math.isnan(back.evidence.statistics.comparisons[0].gain)


@pytest.mark.parametrize("text", ["{}", "[1]", '{"schema_version": "2.0"}', '{"schema_version": 1}'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an audit of version"):
        load(text)


def test_other_fields_are_ignored(full: Audit) -> None:
    d = json.loads(render("json", [full]))
    assert load(json.dumps({**d, "added_in": "1.1"})) == load(json.dumps(d))


def test_finding_fields_are_all_carried_over() -> None:
    """A new field of `Finding` must be added to the contract or named here as left out."""
    assert set(Finding.__slots__) - {"decided_by"} == set(contract.Answer.__struct_fields__)
