"""The page: small, alone, readable in both themes, and honest about what it left out."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from auditor.audit import Audit
from auditor.report import Options, render
from rules.evidence import Location
from rules.finding import Fact, Finding, Severity, Status
from tests.report import samples
from tests.report.samples import DISPUTED, LIKELY, NEEDS_HUMAN, PASSED, VIOLATION

STYLE = (Path(__file__).parents[2] / "auditor/report/templates/style.css.j2").read_text()


def realistic(folder: int) -> Audit:
    """As many findings as a whole rulebook gives: 6 alarms, 25 undecided, 40 that hold."""
    alarms = [
        replace(VIOLATION, rule="SIZE2-code"),
        replace(DISPUTED, rule="TIME1-train"),
        VIOLATION,
        LIKELY,
        NEEDS_HUMAN,
        DISPUTED,
    ]
    rest = [
        Finding(
            f"RULE{i}-some-rule",
            Status.UNVERIFIABLE,
            Severity.FATAL,
            "reading the order of scoring and training in the source, or a trace, would decide it",
        )
        for i in range(25)
    ]
    rest += [
        Finding(
            f"HELD{i}-some-rule",
            Status.OK,
            Severity.FATAL,
            "the figures of log, README and submission.json agree to the last written digit",
        )
        for i in range(40)
    ]
    return samples.audit(*alarms, *rest, folder=f"records/track_10min_16mb/2026-04-2{folder}_SomeStack")


def test_five_folders_stay_under_100_kb() -> None:
    page = render("html", [realistic(i) for i in range(5)])
    assert len(page.encode()) < 100_000
    assert page.count('class="card ') == 30, "no alarm is left out"
    assert page.count("<svg") == 15
    alone = render("html", [realistic(0)])
    assert len(alone.encode()) < 40_000
    assert "This page is kept small" not in alone


@pytest.mark.parametrize(("alarms", "facts"), [(40, 40), (250, 2), (2, 1_000)])
def test_a_large_audit_is_cut_and_says_so(alarms: int, facts: int) -> None:
    evidence = tuple(Fact(f"fact {i}", "y" * 300, Location("a.log", i + 1)) for i in range(facts))
    many = [replace(VIOLATION, message=f"{i} {'x' * 300}", evidence=evidence) for i in range(alarms)]
    page = render("html", [samples.audit(*many)] * 5)
    assert len(page.encode()) < 100_000
    assert "This page is kept small" in page
    if alarms > 200:
        assert "further alarms are not shown on this page" in page


def test_nothing_is_loaded_and_nothing_runs(several: tuple[Audit, ...]) -> None:
    page = render("html", several)
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    assert not re.search(r"<(script|iframe|object|embed|img|base|form)\b|@import|url\(", page)
    assert re.findall(r'(?:src|href)="(?!#)([^"]*)"', page) == ["data:,"]


def test_verdict_comes_before_pictures_before_cards_before_what_holds(full: Audit) -> None:
    page = render("html", [full])
    places = [
        page.index(x)
        for x in (
            "Breaks 1 rule, on decisive evidence.",
            "<svg",
            'class="card violation"',
            "What could not be looked at",
            "What was looked at and holds",
        )
    ]
    assert places == sorted(places)


def test_a_card_holds_all_of_its_finding(full: Audit) -> None:
    card = render("html", [full]).split('class="card violation"')[1].split('class="card ')[0]
    for text in (
        VIOLATION.message,
        VIOLATION.instead,
        VIOLATION.show_again,
        "train_seed42.log:812",
        VIOLATION.locations[0].text,
        "16,012,345 bytes",
        "eligibility",
    ):
        assert text in card


def test_both_sides_of_a_dispute(full: Audit) -> None:
    page = render("html", [full])
    assert "<b>One side</b>All work done at evaluation counts." in page
    assert "<b>The other</b>Only the final scored function counts" in page


def test_no_filter_for_a_single_status() -> None:
    assert "<fieldset>" not in render("html", [samples.audit(VIOLATION, *PASSED)])
    assert render("html", [samples.audit(VIOLATION, DISPUTED)]).count('type="radio"') == 3


def test_ids_are_unique_and_labels_point_at_them(several: tuple[Audit, ...]) -> None:
    page = render("html", several)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for wanted in re.findall(r'(?:for|href)="#?(a\d[^"]*)"', page):
        assert wanted in ids
    for pair in re.findall(r'aria-labelledby="([^"]+)"', page):
        assert set(pair.split()) <= set(ids)


def test_pictures_have_a_title_a_description_and_a_table(full: Audit) -> None:
    page = render("html", [full])
    assert page.count("<svg") == page.count("<desc") == page.count("The figures as a table") == 3
    assert page.count("<title") > 3


def test_links_only_with_a_repository(full: Audit) -> None:
    assert "https://" not in render("html", [full])
    page = render(
        "html",
        [full],
        Options(repo_url="https://github.com/openai/parameter-golf", dispute_url="https://e.example/new"),
    )
    assert f"/blob/{samples.HEAD}/{samples.FOLDER}/train_seed42.log#L812" in page
    assert page.count("Object to this finding") == len(full.alarms)


def test_what_changed(full: Audit) -> None:
    page = render("html", [full], Options(previous=(samples.audit(VIOLATION, *PASSED),)))
    assert "the same verdict; 4 new, 0 gone, 0 changed, 1 as before." in page


def test_nothing_to_audit() -> None:
    assert "No record folder was found." in render("html", [])


def tokens(block: str) -> dict[str, tuple[float, ...]]:
    found = re.findall(r"--([\w-]+): #([0-9a-f]{6})", block)
    return {name: tuple(int(v[i : i + 2], 16) / 255 for i in (0, 2, 4)) for name, v in found}


def luminance(rgb: tuple[float, ...]) -> float:
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_of_text_and_marks(theme: str) -> None:
    light, dark = STYLE.split("prefers-color-scheme: dark")
    colours = tokens(light) | (tokens(dark) if theme == "dark" else {})
    words_ = ["ink", "muted", "accent", *(s.value for s in Status)]
    for name in words_:
        for ground in ("bg", "card", "soft"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (theme, name, ground)
    for name in ("c1", "c2", "c3"):
        assert contrast(colours[name], colours["card"]) >= 2.6, (theme, name)
