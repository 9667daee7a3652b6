"""The timeline as dots: every box where the geometry says, in the colour of the reports."""

from __future__ import annotations

from io import BytesIO

import pytest

from auditor.report import png as drawing
from auditor.report import timelines
from auditor.report.pictures import Picture
from auditor.submission.base import UsageError
from tests.report.test_timelines import AHEAD


def picture() -> Picture:
    p = timelines.picture(AHEAD)
    assert p is not None
    return p


def test_shapes_of_paths() -> None:
    assert list(drawing.shapes("M1 2h3v4h-3zM5 6.5h1v1h-1z")) == [("box", [1, 2, 4, 6]), ("box", [5, 6.5, 6, 7.5])]
    assert list(drawing.shapes("M1 2v5M3 2v5")) == [("line", [1, 2, 1, 7]), ("line", [3, 2, 3, 7])]
    assert list(drawing.shapes("M38 6V146H300")) == [("line", [38, 6, 38, 146, 300, 146])]


def test_colours_are_those_on_light_ground() -> None:
    c = drawing.colors()
    assert c["card"] == "#ffffff"
    assert c["violation"] == "#b3261e"
    assert {"c1", "c3", "c4", "c6", "ink", "muted"} <= set(c)


def test_every_box_has_its_colour_in_the_picture() -> None:
    image_of = pytest.importorskip("PIL.Image")
    p = picture()
    image = image_of.open(BytesIO(drawing.png(p)))
    image.verify()
    image = image_of.open(BytesIO(drawing.png(p))).convert("RGB")
    assert image.size[0] == (p.width + 2 * drawing.MARGIN) * drawing.SCALE
    boxes = [(style, xy) for style, path in p.paths for shape, xy in drawing.shapes(path) if shape == "box"]
    early = [xy for style, xy in boxes if style == "area early"]
    assert early
    for x, y, right, bottom in early:
        at = tuple(round(((a + b) / 2 + drawing.MARGIN) * drawing.SCALE) for a, b in ((x, right), (y, bottom)))
        assert image.getpixel(at) == (0xB3, 0x26, 0x1E)


def test_without_pillow_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"scorefirst\[png\]"):
        drawing.png(picture())
