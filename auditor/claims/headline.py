"""The headline of a README: the one bpb that its author claims.

Every bpb in titles, prose and two-column tables is a candidate. Where it stands and which words
stand before it put the candidates in order; words that speak of other runs, of differences or of
earlier stages rule one out. Where two read equally well there is no headline.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from auditor.claims import numbers, result_tables
from auditor.claims.markdown import Line, Table, Text, clean
from auditor.claims.result_tables import foreign, read_cell
from auditor.claims.vocabulary import EARLY, PLAIN, QUANTISED, VAGUE, Quantity, classify, words
from rules.evidence import Number

TOP_LINES = 30  # lines of prose that count as the top of the file
LABELLED = re.compile(
    r"(?:val(?:idation)?[\s_-]?\\?_?(?:var_)?bpb|\bbpb|bits[\s/-]per[\s/-]byte)"
    r"(?P<mid>[`*_\s]{0,6}(?:\([^()]{0,90}\)[`*_\s]{0,4})?(?::|=|≈|~|→|->|\||—|–|-|\bis\b|\bof\b|\bwas\b)?[`*_\s:=≈~]{0,8})"
    r"(?P<number>\d{1,2}\.\d{2,12})(?!\d|\.\d|\s?[-–]\s?\d|[*`\s]{0,4}(?:MB|MiB|GB|KB|nats|ms|sec|s|x|×|%|→|->)(?:\b|(?<=\W)))",
    re.IGNORECASE,
)
_FOLLOWED = re.compile(
    r"(?<![\w.,+−/#±-])(?<![±−]\s)(?P<number>\d{1,2}\.\d{2,12})[*`_\s]{0,4}(?:val[\s_-]?\\?_?bpb|bpb|bits per byte)\b",
    re.IGNORECASE,
)
FOREIGN_WORDS = re.compile(
    r"\b(?:baseline|previous|prior|sota|vs|versus|merged|improv\w*|delta|beats?|beating|from|than|over|under|below|above|record of|pr ?#?\d+|target\w*"
    r"|expect\w*|goal|project\w*|threshold|without|before|pre-?quant\w*|pre-?ttt|pre-?ema|drop\w*|gain\w*|loses?|worse|better|minus|plus|gap"
    r"|their|his|original|unless|if|would|could|should|reduc\w*|compared|against|down|to beat|parent|upstream|control|ablat\w*"
    r"|leaderboard|reference|sponsor|estimat\w*|extrapolat\w*|reach|nearly|cost\w*|hurts?|adds?|saves?|degrad\w*|float|fp32|bf16|unquantized|raw|in-run|within|per-seed|each|mid-training|during training|step \d+|seed ?[=:#]? ?\d{1,10})\b"
    r"|[Δδ]|\d\s?[*`]{0,3}\s?→|#\d{2,5}|@[A-Za-z]|\d{4}-\d\d-\d\d|\d/\d{3,}",
    re.IGNORECASE,
)
FOREIGN_INTRO = re.compile(
    r"\b(?:baseline|prior|previous|sota|merged|control|ablat\w*|pre-?quant\w*|pre-?ttt|pre-?ema|mid-?run|in-run|at (?:wallclock )?stop|at step|leaderboard"
    r"|reference|expect\w*|target\w*|project\w*|compar\w*|other|journey|relative|failed|earlier|parent)\b",
    re.IGNORECASE,
)
_STAGE_AFTER = re.compile(
    r"[*`_\s]{0,4}(?:[-–]\s?\d|→|->|\(?(?:pre-?quant\w*|pre-?ttt|baseline|merged|previous|prior|target|estimat\w*|expect\w*|project\w*|float|without))",
    re.IGNORECASE,
)
_CHANGE_AFTER = re.compile(
    r"[*`_\s]{0,4}(?:\(?(?!lower (?:is )?better)(?:on average )?(?:gain|improv\w*|better|worse|lower|higher|reduc\w*|drop|delta|gap|loss\b|penalty|cost|diff\w*)"
    r"|(?:of|from|per|below|above|between|over|noise|spread|range|threshold|margin|each|record|sota)\b)",
    re.IGNORECASE,
)
_RESULT_HEADING = re.compile(
    r"result|score|metric|final|summar|headline|performan|submission|seed|validation|tl;?dr|overview|abstract|outcome|claim|record|key (?:number|fig)|measure|valid|stat"
    r"|training run|best|reported|exact|evidence|run",
    re.IGNORECASE,
)
_STEP_WORDS = re.compile(
    r"\bat step\b|\bsteps? ?[=:] ?\d|\bstep \d{2,}|\d[k ]{0,2} steps\b|\bat stop\b|\biter", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A bpb in the text; the smaller `order`, the more it reads like the claim."""

    number: Number
    order: tuple[int, ...]  # where it stands, the rank of its label, mean before best, line, column
    line: int
    end: int  # where the number ends in its line
    bold: bool = False
    item: bool = False  # stands in a list
    weak: bool = False  # its words are not understood: never the claim, but a reason to doubt


def headline(text: Text) -> Mention | None:
    """The claimed bpb of a README, or None where there is none or the text leaves doubt."""
    return _choose(sorted(_mentions(text), key=lambda m: m.order))


def _choose(mentions: list[Mention]) -> Mention | None:
    """The mention that reads most like the claim, or None where another one is as good."""
    first = next((m for m in mentions if not m.weak), None)
    if first is None:
        return None
    top = first.order[0] < 3  # the first sentence of a file is the claim, the first of several list items is not
    equals = [
        m for m in mentions if not m.weak and m.order[:3] == first.order[:3] and (not top or (m.item and first.item))
    ]
    if any(not numbers.agree(m.number, first.number) for m in equals):
        emphasised = [m for m in equals if m.bold]
        return emphasised[0] if len(emphasised) == 1 else None
    if top:
        return first
    if first.order[1] >= QUANTISED and any(m.weak and m.number.value < first.number.value for m in mentions):
        return None
    return first


def _mentions(text: Text) -> Iterator[Mention]:
    """Every bpb that may be the claim, with how much it reads like one."""
    numbers_of_top = {line.number for line in top(text)}
    for i, title in enumerate(text.titles[:12]):
        if i == 0 or not title.headings:
            yield from _in_line(text, title, 1, is_title=True)
        elif not foreign((*title.headings, title.text)) and (
            title.number < max(numbers_of_top, default=0)
            or re.match(r"\W*(?:result|score|final)", title.text, re.IGNORECASE)
        ):
            yield from _in_line(text, title, 2)
    for line, intro in with_intro(text.prose):
        is_top = line.number in numbers_of_top
        if not is_top and (foreign(line.headings) or not _in_results(line)):
            continue
        if not FOREIGN_INTRO.search(intro):
            yield from _in_line(text, line, 0 if is_top else 3)
    for t in text.tables:
        if len(t.header) < 2 or foreign(t.headings):
            continue
        yield from _in_table(text, t)


def top(text: Text) -> list[Line]:
    """Prose before the second section, at most `TOP_LINES`; a section of its own purpose ends it."""
    sections = [t for t in text.titles if t.headings or t is not text.titles[0]]
    stop = len(text.lines) + 1
    for i, s in enumerate(sections):
        if i >= 1 or not (_RESULT_HEADING.search(s.text) and not result_tables.FOREIGN_HEADING.search(s.text)):
            stop = s.number
            break
    return [x for x in text.prose if x.number < stop][:TOP_LINES]


def _in_results(line: Line) -> bool:
    return not line.headings or bool(_RESULT_HEADING.search(line.headings[-1]) or len(line.headings) == 1)


def with_intro(prose: list[Line]) -> Iterator[tuple[Line, str]]:
    """Each line with the line above its list, if that ends in a colon: "Pre-quant metrics:"."""
    intro, indent = "", -1
    headings: tuple[str, ...] = ()
    for line in prose:
        if line.headings != headings:
            intro, headings, indent = "", line.headings, -1
        item = _ITEM.match(line.text)
        depth = len(item[1].expandtabs(4)) if item else -1
        if depth <= indent:
            intro, indent = "", -1
        yield line, intro
        if clean(line.text).endswith(":"):
            intro, indent = clean(line.text)[-160:], depth
        elif not item:
            intro, indent = "", -1


_ITEM = re.compile(r"(\s{0,12})(?:[-*+]|\d{1,2}[.)])\s")


def _in_line(text: Text, line: Line, base: int, is_title: bool = False) -> Iterator[Mention]:
    """The labelled bpb of a line; its parts end at `|`, `;` and full stops."""
    s = line.text
    found = [(m, True) for m in LABELLED.finditer(s)]
    if not found:
        found = [(m, False) for m in _FOLLOWED.finditer(s)]
    for m, labelled in found[:4]:
        start = m.start("number")
        before = _part_before(s, m.start() if labelled else start)
        if is_title:
            before = re.split(r" [—–-] |[(,:]", before)[-1]
        if (
            FOREIGN_WORDS.search(before)
            or _STAGE_AFTER.match(s, m.end())
            or (labelled and FOREIGN_WORDS.search(m["mid"]))
        ):
            continue
        label = clean(before) + (" bpb " + clean(m["mid"]) if labelled else " bpb")
        meaning = classify(label[-100:])
        if meaning.foreign or meaning.rank == EARLY or _STEP_WORDS.search(label) or meaning.aggregate == "std":
            continue
        if not (labelled and meaning.rank == PLAIN) and _CHANGE_AFTER.match(s, m.end()):
            continue
        number = _plain(m["number"], text, line.number)
        if number is None or (not labelled and not is_title and number.value < 0.1):
            continue  # small numbers before "bpb" are differences
        vague = meaning.rank == VAGUE and not is_title
        bare = (
            not labelled and not is_title and not words(before) and (base > 0 or bool(clean(s[:start]).strip("~≈>-# ")))
        )
        weak = bare or (vague and (base > 0 or not labelled or len(words(label)) > 14))
        place = base + (2 if vague else 0) + (2 if not labelled and not is_title else 0)
        order = (place, meaning.rank, int(meaning.aggregate == "best"), line.number, start)
        bold = "**" in s[max(0, start - 3) : start]
        yield Mention(number, order, line.number, m.end("number"), bold, bool(_ITEM.match(s)), weak)


def _in_table(text: Text, t: Table) -> Iterator[Mention]:
    """`| val_bpb | 1.0222 |`: two columns, or a last one that is this run's."""
    value = 1
    if len(t.header) > 2:
        ours = [
            i
            for i, h in enumerate(t.header)
            if i and re.fullmatch(r"(?:this (?:pr|run|submission|work)|ours?|value|result|final)", h, re.IGNORECASE)
        ]
        if not ours:
            return
        value = ours[-1]
    if t.header[0] and classify(t.header[0]).quantity is Quantity.SEED:
        return
    if not re.fullmatch(
        r"(?:metric|field|quantity|item|measure\w*|property|key|stat\w*|what|parameter|name|result|value|)",
        t.header[0],
        re.IGNORECASE,
    ):
        return
    for line, cells in t.rows:
        if FOREIGN_WORDS.search(cells[0]) or _STEP_WORDS.search(cells[0]):
            continue
        meaning = classify(cells[0])
        if (
            meaning.quantity is not Quantity.BPB
            or not meaning.usable
            or meaning.aggregate == "std"
            or meaning.rank == VAGUE
        ):
            continue
        number = read_cell(cells[value], meaning, text.at(line))
        if number:
            bold = f"**{cells[value][:6]}" in text.lines[line - 1]
            yield Mention(number, (3, meaning.rank, int(meaning.aggregate == "best"), line, 0), line, 0, bold)


def _part_before(s: str, end: int) -> str:
    """The words before a number that belong to it."""
    return _PART_END.split(s[max(0, end - 160) : end])[-1]


_PART_END = re.compile(r"\||;|(?<=[a-z0-9)*`])[.!?]\s(?=[A-Z*`\d])")


def _plain(digits: str, text: Text, line: int) -> Number | None:
    figure = numbers.read_plain(digits)
    if figure is None or not 0 < figure.value < 20:
        return None
    return figure.at(text.at(line))


def spread(text: Text, headline: Mention | None) -> Number | None:
    """The standard deviation that follows the headline in its line."""
    if headline is None or not headline.end:
        return None
    rest = text.lines[headline.line - 1][headline.end : headline.end + 120]
    f = numbers.read_spread(rest)
    return f.at(text.at(headline.line)) if f and 0 <= f.value < 0.5 else None
