"""A picture of paths as a PNG, drawn by Pillow: rectangles, lines and a few words are all that a timeline has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from auditor.report.pictures import Picture
from auditor.submission.base import UsageError

SCALE = 4  # dots for a unit of the drawing
MARGIN, LINE, TEXT = 8, 13, 10
STYLE = Path(__file__).parent / "templates" / "style.css.j2"
_BOX = re.compile(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-[\d.]+z")
_MARK = re.compile(r"M([\d.]+) ([\d.]+)v([\d.]+)")
_AXIS = re.compile(r"M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)")
_COLOR = re.compile(r"--([\w-]+):\s*(#[0-9a-f]{6})")


def png(p: Picture) -> bytes:
    """The drawing with its legend, on light ground. Raises `UsageError` where Pillow is missing."""
    if find_spec("PIL") is None:
        raise UsageError("drawing a PNG needs Pillow: pip install 'scorefirst[png]'; --svg needs nothing")
    from PIL import Image, ImageDraw, ImageFont

    color = colors()
    height = p.height + LINE * len(p.legend)
    size = (int((p.width + 2 * MARGIN) * SCALE), int((height + 2 * MARGIN) * SCALE))
    image = Image.new("RGB", size, color["card"])
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(TEXT * SCALE)
    for style, path in p.paths:
        for shape, points in shapes(path):
            dots = [_dot(v) for v in points]
            if shape == "box":
                draw.rectangle(dots, fill=color[_name(style)])
            else:
                draw.line(dots, fill=color[_name(style)], width=SCALE // 2)
    for x, y, held, says in p.texts:
        anchor = {"end": "rs", "middle": "ms"}.get(held, "ls")
        draw.text((_dot(x), _dot(y)), _plain(says), fill=color["muted"], font=font, anchor=anchor)
    for i, (style, says) in enumerate(p.legend):
        y = p.height + LINE * i
        draw.rectangle([_dot(0), _dot(y - 4), _dot(8), _dot(y + 4)], fill=color[_name(style)])
        draw.text((_dot(13), _dot(y + 4)), _plain(says), fill=color["ink"], font=font, anchor="ls")
    out = BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def shapes(path: str) -> Iterator[tuple[str, list[float]]]:
    """("box" | "line", its corners x, y, x, y) of what an SVG path of ours says."""
    for m in _BOX.finditer(path):
        x, y, w, h = map(float, m.groups())
        yield "box", [x, y, x + w, y + h]
    if path.endswith("z"):
        return
    if axis := _AXIS.fullmatch(path):
        x, y, bottom, right = map(float, axis.groups())
        yield "line", [x, y, x, bottom, right, bottom]
        return
    for m in _MARK.finditer(path):
        x, y, h = map(float, m.groups())
        yield "line", [x, y, x, y + h]


def colors() -> dict[str, str]:
    """The colours of the reports, by name, on light ground."""
    out: dict[str, str] = {}
    for name, value in _COLOR.findall(STYLE.read_text(encoding="utf-8")):
        out.setdefault(name, value)  # those for dark ground come later
    return out


def _name(style: str) -> str:
    """The colour of a CSS class."""
    last = style.split()[-1]
    return {"early": "violation", "tick": "muted", "axis": "muted"}.get(last, last)


def _dot(v: float) -> Any:
    return round((v + MARGIN) * SCALE)


def _plain(says: str) -> str:
    """Words in letters that every font has."""
    return says.replace("→", "->").encode("ascii", "replace").decode()
