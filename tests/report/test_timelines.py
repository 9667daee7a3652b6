"""The timeline: what it shows, in SVG and in characters, and that it says the same in words."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

from auditor.report import html, timelines, trace_html, trace_text
from rules.place import Location
from rules.trace import Act, Closeup, Early, How, Printed, Stretch, Trace
from tests.report import samples

AT = Location("train_gpt.py", 50, "loss.backward()")
CLEAN = Trace(
    entry="train_gpt.py",
    sealed="bubblewrap",
    ended="exit code 0",
    positions=4000,
    printed=(Printed("val_bpb:1.23456", 1.23456, "bits per byte", 4000, AT),),
    headline=0,
    timeline=tuple(
        s
        for i in range(4)
        for s in (
            Stretch(4 * i + 1, 4 * i + 1, Act.SCORED, 1000 * i, 1000 * i + 999, headline=True),
            Stretch(4 * i + 2, 4 * i + 2, Act.TRAINED, 1000 * i, 1000 * i + 999),
            Stretch(4 * i + 3, 4 * i + 3, Act.UPDATED),
            Stretch(4 * i + 4, 4 * i + 4, Act.COUNTED, 1000 * i, 1000 * i + 999),
        )
    ),
)
AHEAD = replace(
    CLEAN,
    early=(Early(How.TRAINED, 200, 4000, 2000, 2199, AT, AT),),
    timeline=(*CLEAN.timeline[:6], Stretch(6, 6, Act.TRAINED, 2000, 2199, early=True), *CLEAN.timeline[6:]),
)


def paths(t: Trace, positions: tuple[int, int] | None = None) -> dict[str, str]:
    p = timelines.picture(t, positions)
    assert p is not None
    return dict(p.paths)


def boxes(path: str) -> list[tuple[float, float, float, float]]:
    """(x, y, width, height) of the rectangles of a path."""
    found = re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-[\d.]+z", path)
    return [tuple(float(x) for x in m) for m in found]  # type: ignore[misc]


def test_scored_first_goes_up_and_to_the_right() -> None:
    drawn = paths(CLEAN)
    scored, trained = boxes(drawn["area c1"]), boxes(drawn["area c3"])
    assert len(scored) == len(trained) == 4
    assert [b[0] for b in scored] == sorted(b[0] for b in scored)
    assert [b[1] for b in scored] == sorted((b[1] for b in scored), reverse=True)
    for s, t in zip(scored, trained, strict=True):
        assert s[0] < t[0], "scored before it is trained on"
        assert s[1] == t[1], "the same tokens"
    assert drawn["tick"].count("M") == 4
    assert "area early" not in drawn


def test_what_was_used_first_is_drawn_last_and_named() -> None:
    p = timelines.picture(AHEAD)
    assert p is not None
    assert p.paths[-2][0] == "area early", "over everything but the marks of updates"
    assert "Tokens 2,000 to 2,199 were used before they were scored." in p.description
    assert any(style == "early" for style, _ in p.legend)
    assert p.table[0] == (
        "trained on first",
        "200 of 4,000 tokens, 2,000 to 2,199, at train_gpt.py:50; scored at train_gpt.py:50",
    )
    [(x, y, w, h)] = boxes(p.paths[-2][1])
    assert h == round(timelines.TALL * 200 / 4000, 1)
    assert timelines.LEFT < x < timelines.WIDTH
    assert timelines.TOP < y < timelines.TOP + timelines.TALL
    assert w > 0


def test_zoom_shows_only_what_touches_the_positions() -> None:
    drawn = paths(AHEAD, (2100, 2299))
    assert drawn["tick"].count("M") == 2, "of what happens between"
    assert len(boxes(drawn["area c1"])) == 1
    [(_, y, _, h)] = boxes(drawn["area early"])
    assert (y + h, h) == (timelines.TOP + timelines.TALL, timelines.TALL / 2)
    assert timelines.picture(AHEAD, (9000, 9999)) is None


def test_everything_stays_inside_of_the_picture() -> None:
    many = replace(
        CLEAN, timeline=tuple(Stretch(i, i, Act.SCORED, i % 3999, i % 3999, headline=bool(i % 2)) for i in range(2000))
    )
    for t in (CLEAN, AHEAD, many):
        p = timelines.picture(t)
        assert p is not None
        for style, path in p.paths:
            for x, y, w, h in boxes(path) if style.startswith("area") else ():
                assert x >= timelines.LEFT - 1
                assert x + w <= timelines.WIDTH + 1
                assert y >= timelines.TOP - 1
                assert y + h <= timelines.TOP + timelines.TALL + 1
        assert sum(len(path) for _, path in p.paths) < 45_000


def test_a_run_that_wrote_nothing_has_no_picture() -> None:
    nothing = replace(CLEAN, timeline=(Stretch(1, 1, Act.UPDATED),))
    assert timelines.picture(nothing) is None
    assert trace_html.svg(nothing) is None
    assert list(timelines.characters(nothing)) == []


def test_in_characters_the_early_tokens_cover_the_rest() -> None:
    lines = [x.plain for x in timelines.characters(AHEAD)]
    assert len(lines) <= 20
    assert all(len(x) < 110 for x in lines[:-1])
    rows = [x.split("│", 1)[1] for x in lines if "│" in x]
    assert len(rows) == timelines.LINES
    bang = [i for i, row in enumerate(rows) if "!" in row]
    assert bang == [timelines.LINES - 1 - 2000 * timelines.LINES // 4000]
    first, last = rows[-1], rows[0]
    assert first.index("█") < first.index("t") < first.index("c") < last.index("█")
    assert "!" in lines[-1]
    assert not any("!" in x.plain for x in timelines.characters(CLEAN))
    assert lines[0].startswith("  3,999 │")


def test_the_order_of_an_unexplained_run_is_not_judged() -> None:
    p = timelines.picture(replace(CLEAN, headline=-1))
    assert p is not None
    assert "was not judged" in p.description


def test_the_drawing_is_well_formed_and_has_words_for_those_who_cannot_see_it() -> None:
    text = trace_html.svg(AHEAD)
    assert text is not None
    root = ET.fromstring(text)
    assert root.tag.endswith("svg")
    titles = [e.text for e in root.iter() if e.tag.endswith("title")]
    assert "What was done with which tokens, in order" in titles
    assert "prefers-color-scheme: dark" in text or "prefers-color-scheme:dark" in text


def test_the_page_shows_the_lines_and_nothing_of_a_program_becomes_markup() -> None:
    bad = replace(AHEAD, printed=(replace(AHEAD.printed[0], text="<script>alert(1)</script> val_bpb"),))
    text = trace_html.page([("records/x/<b>y</b>", bad), ("records/z", None)])
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "no program that can be run" in text
    assert text.count("<svg") == 1


def test_an_audit_with_a_run_shows_its_timeline() -> None:
    base = samples.audit()
    assert base.evidence is not None
    page = html.render([replace(base, evidence=replace(base.evidence, trace=AHEAD))])
    assert "What was done with which tokens, in order" in page
    assert "What was done with which tokens" not in html.render([base])


def test_the_terminal_shows_it_between_the_numbers_and_the_order() -> None:
    text = trace_text.trace_text([("records/x", AHEAD)], verbose=False, color=False)
    assert "!" in text
    assert text.index("█") < text.index("order: 200 of 4,000 tokens")


CLOSE = replace(
    AHEAD,
    closeups=(
        Closeup(
            1936,
            2447,
            (
                Stretch(5, 5, Act.SCORED, 1936, 1999, headline=True),
                Stretch(6, 6, Act.TRAINED, 2000, 2010, early=True),
                Stretch(7, 7, Act.UPDATED),
                Stretch(8, 8, Act.TRAINED, 2100, 2110, early=True),
            ),
        ),
    ),
)


def test_a_finding_has_a_picture_of_its_own_in_full() -> None:
    [zoom] = timelines.zooms(CLOSE)
    assert zoom.title == "Closer: tokens 1,936 to 2,447, trained on at train_gpt.py:50 first"
    assert len(boxes(dict(zoom.paths)["area early"])) == 2, "of the book and not of the timeline"
    assert {says for _, _, _, says in zoom.texts} >= {"1,936", "2,447"}
    assert list(timelines.zooms(AHEAD)) == []


def test_positions_inside_a_closeup_are_shown_from_it() -> None:
    assert len(boxes(paths(CLOSE, (2000, 2200))["area early"])) == 2
    assert len(boxes(paths(CLOSE, (1000, 2200))["area early"])) == 1


def test_the_page_links_to_the_pictures_of_findings() -> None:
    page = trace_html.page([("x", CLOSE)])
    assert 'href="#t1-timeline-1"' in page
    assert page.count('id="t1-timeline-1"') == 1
    assert 'href="#t1-timeline-1"' not in trace_html.page([("x", AHEAD)])


def test_how_a_run_differs_from_the_program_as_shipped_is_said() -> None:
    hurried = replace(AHEAD, manner="fewer steps")
    assert "how: fewer steps" in trace_text.trace_text([("records/x", hurried)], verbose=False, color=False)
    assert "how:" not in trace_text.trace_text([("records/x", AHEAD)], verbose=False, color=False)
