"""README.md, read into a `Statement`.

READMEs compare: with the previous record, with a baseline, with variants that failed. So a
number only counts where its words and its place say that it is this run's result: near the top,
beside the words `val_bpb` and nothing foreign; in a table of seeds; in a list of results. Where
that is not clear, the field stays None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from auditor.claims import markdown, numbers, result_tables
from auditor.claims.headline import FOREIGN_INTRO, FOREIGN_WORDS, LABELLED, Mention, headline, spread, top, with_intro
from auditor.claims.markdown import Text, clean
from auditor.claims.result_tables import foreign, read_cell
from auditor.claims.seeds import reproduces
from auditor.claims.vocabulary import BYTES, QUANTISED, TIMES, VAGUE, Quantity, classify, words
from rules.evidence import Location, Number, SeedClaim, Statement, Words

_GPU = re.compile(
    r"(?<![\w.])(?P<n>\d{1,3})\s?[x×*]\s?(?:NVIDIA\s|GeForce\s|Tesla\s|\*\*|`){0,3}"
    r"(?P<kind>(?:H100|H200|A100|B200|GH200|A10G?|A40|A6000|L4|L40S?|T4|V100|GB10|MI300X|RTX[ -]?[A-Z]?\d{3,4}|P100|TPU|M[1-4])\b(?:[ -]?(?:Ti|SXM5?|PCIe|NVL|HBM3|\d{2}\s?GB|Pro|Max|Ultra|Ada)\b){0,3})",
    re.IGNORECASE,
)
_P_VALUE = re.compile(
    r"(?<![\w-])p(?:[ -]?val(?:ue)?)?\s?\*{0,2}\s?(?:\([^()]{0,40}\))?\s?(?P<sign><|>|=|≈|~|:|≪|<<|&lt;|\bof\b|\bis\b)\s?[*`~≈=]{0,3}\s?(?=[\d.])",
    re.IGNORECASE,
)
_P_RULE = re.compile(
    r"\b(?:requir\w*|threshold|need\w*|criteri\w*|rule|must|bar\b|standard|at least|condition|level|alpha|guideline|spec|0\.005[- ]nats?\b.{0,30}\bat|skip\w*|pending|todo|not yet|would|will|should|probabilit\w*|fraction|blend|mix\w*|power|claims\b|see root|not\W{1,4}(?:meet|reach|clear|satisf\w*))",
    re.IGNORECASE,
)
_P_COMPUTED = re.compile(r"\bt-?stat|\bt\s?[=≈:]|\bdf\s?=|\bstd\b|improv|beats|[-−]\d\.\d+ nats", re.IGNORECASE)
_P_CONTEXT = re.compile(
    r"\bt-?\s?(?:test|stat\w*)|\bt\s?[=≈]|welch|\bdf\b|signific|statist|one-sided|two-sided|\bstd\b|σ|seeds?\b|improv|\bnats\b|z-?score|bootstrap|\bvs\b",
    re.IGNORECASE,
)
_TOKENS = re.compile(
    r"\bval(?:idation)?[_ ]tokens?`?\**\s{0,2}[:=]\s{0,2}[*`~≈]{0,4}(?=\d)|(?P<n>\d[\d,.]{4,16}\s?M?)\s(?:val(?:idation)?|scored)[_ ]tokens\b",
    re.IGNORECASE,
)
_PERSON = re.compile(
    r"\W{0,6}(author|submitted by|submitter|by|github(?: id| handle| username)?|track|date|hardware|gpus?)\W{0,6}[:=][*_`\s]{0,6}(\S.{0,200})",
    re.IGNORECASE,
)


def read_readme(data: bytes, file: str) -> Statement:
    """Read a README.md. Never raises; a field is None where the text leaves doubt."""
    text = markdown.read(data, file)
    claim = headline(text)
    stated = claim.number if claim else None
    seeds, averages = result_tables.read_seeds(text, stated)
    if not seeds:
        seeds = _listed_seeds(text, stated)
    val_bpb = stated
    if averages.bpb and (claim is None or claim.order[0] >= 3):
        val_bpb = averages.bpb
    if val_bpb is None and len(seeds) == 1:
        val_bpb = seeds[0].val_bpb
    found = dict(_labelled(text))
    for q, n in _top_line(text, claim):
        found.setdefault(q, n)
    loss = found.get(Quantity.LOSS)
    return Statement(
        file=file,
        val_bpb=val_bpb,
        val_bpb_std=spread(text, claim) or averages.std or found.get(_STD),
        val_loss=loss,
        seeds=seeds,
        total_bytes=found.get(Quantity.TOTAL),
        code_bytes=found.get(Quantity.CODE),
        model_bytes=found.get(Quantity.MODEL),
        train_seconds=found.get(Quantity.TRAIN),
        eval_seconds=found.get(Quantity.EVAL),
        val_tokens=_val_tokens(text),
        p_value=_p_value(text) or found.get(Quantity.P_VALUE),
        author=_person(text, "author", "submitted by", "submitter", "by"),
        github_id=_person(text, "github", "github id", "github handle", "github username"),
        name=_title(text),
        track=_person(text, "track"),
        date=_person(text, "date"),
        hardware=_hardware(text),
        mebibytes=_mebibytes(text, found, seeds),
        problems=tuple(text.problems),
    )


_STD = "std"


# --- seeds in a list ---------------------------------------------------------------------------

_SEED_LINE = re.compile(
    r"\s{0,6}(?:[-*+]\s{1,3})?[*`_]{0,3}seed[ =_:#]{0,2}(?P<seed>\d{1,10})[*`_]{0,3}(?:\s?\([^()]{0,40}\))?\s{0,2}[:=—–|-]{1,2}(?P<rest>.{3,300})",
    re.IGNORECASE,
)


def _listed_seeds(text: Text, headline: Number | None) -> tuple[SeedClaim, ...]:
    """`- Seed 42: **1.0673**`, when at least two such lines stand together and fit the headline."""
    found: dict[int, Number] = {}
    for line in text.prose:
        m = _SEED_LINE.match(line.text)
        if not m or foreign(line.headings):
            continue
        rest = m["rest"]
        labelled = LABELLED.search(rest)
        figure = numbers.read_plain(labelled["number"] if labelled else rest[:60])
        if figure is None or not (figure.step and 0 < figure.value < 20) or figure.bound:
            continue
        seed = int(m["seed"])
        if seed in found and found[seed].value != figure.value:
            return ()
        found.setdefault(seed, figure.at(text.at(line.number)))
    if len(found) < 2 or (headline and not reproduces(found.values(), headline)):
        return ()
    return tuple(SeedClaim(seed, val_bpb=n) for seed, n in found.items())


# --- other quantities --------------------------------------------------------------------------

_BULLET = re.compile(
    r"\s{0,8}(?:[-*+]|\d{1,2}[.)])\s{1,4}(?P<label>[^:=|<>≤≥]{2,80}?)\s{0,2}(?::|=)(?P<value>.{1,300})"
)
_LINE = re.compile(
    r"\s{0,3}(?P<label>\*\*[A-Za-z][^:*|<>≤≥]{1,60}:?\*\*|`[A-Za-z][^`:|]{1,40}`)\s{0,2}:?(?P<value>.{1,300})"
)
_DIGIT = re.compile(r"\d")
_CODEC = re.compile(r"\b(?:int\d|zlib|zstd|lzma|brotli)", re.IGNORECASE)
_COUNTED = (*BYTES, *TIMES, Quantity.LOSS)


def _labelled(text: Text) -> Iterator[tuple[Quantity | str, Number]]:
    """Labelled numbers in lists and two-column tables, the most direct first."""
    candidates: list[tuple[int, int, Quantity | str, Number]] = []
    for line, intro in with_intro(text.prose):
        if foreign(line.headings) or not _DIGIT.search(line.text) or FOREIGN_INTRO.search(intro):
            continue
        m = _BULLET.match(line.text) or _LINE.match(line.text)
        if m:
            candidates += _pair(text, clean(m["label"]), clean(m["value"]), line.number)
    for t in text.tables:
        if len(t.header) != 2 or foreign(t.headings) or classify(t.header[0]).quantity is Quantity.SEED:
            continue
        for number, cells in t.rows:
            candidates += _pair(text, cells[0], cells[1], number)
    candidates.sort(key=lambda c: c[:2])
    seen: set[Quantity | str] = set()
    for _, _, q, n in candidates:
        if q not in seen:
            seen.add(q)
            yield q, n


def _pair(text: Text, label: str, value: str, line: int) -> list[tuple[int, int, Quantity | str, Number]]:
    meaning = classify(label)
    q = meaning.quantity
    if q is None or not meaning.usable or FOREIGN_WORDS.search(label):
        return []
    at = text.at(line)
    if q is Quantity.BPB and meaning.aggregate == "std":
        figure = numbers.read_plain(value)
        return [(meaning.rank, line, _STD, figure.at(at))] if figure and figure.step and 0 <= figure.value < 0.5 else []
    if q is Quantity.P_VALUE:
        number = read_cell(value, meaning, at)
        return [(meaning.rank, line, q, number)] if number else []
    if q not in _COUNTED or meaning.aggregate in ("std", "min"):
        return []
    if (q in TIMES and meaning.rank == VAGUE and len(words(label)) > 1) or (q in BYTES and meaning.rank >= VAGUE):
        return []
    if q is Quantity.TOTAL and re.search(r"artifact", label, re.IGNORECASE) and _CODEC.search(value):
        return []  # perhaps the compressed model without the code
    if q in BYTES and (total := re.search(r"\+[^=]{1,80}=(.{1,80})", value)):
        value = total[1]
    number = read_cell(value, meaning if meaning.scale or q not in TIMES else replace(meaning, rank=VAGUE), at)
    if number is None or (q in BYTES and not _bytes_plausible(number, q)):
        return []
    rank = meaning.rank + (4 if meaning.aggregate == "best" else 0)
    if q is Quantity.LOSS and rank > QUANTISED:
        return []
    return [(rank, line, q, number)]


def _bytes_plausible(number: Number, quantity: Quantity) -> bool:
    """A total or model below 10 kB, or code above 5 MB, is something else."""
    return number.value <= 5e6 if quantity is Quantity.CODE else number.value >= 1e4


_TRAIN_PART = re.compile(r"\btrain(?:ing)?\b(?!\s(?:tokens|shards))", re.IGNORECASE)
_EVAL_PART = re.compile(r"\beval(?:uation)?\b", re.IGNORECASE)
_SIZE_PART = re.compile(
    r"\W*(?:(?:total|mean|max|artifact|size|submission)\W{1,3}){0,3}[~≈*\s]{0,4}\d[\d.,]{0,12}\s?(?:MB|MiB|bytes|B)\b(?:\W{1,3}(?:total|artifact|mean|max|avg|average|submission|size|int\d|zstd|lzma|all seeds)){0,4}\W*",
    re.IGNORECASE,
)


def _top_line(text: Text, claim: Mention | None) -> Iterator[tuple[Quantity | str, Number]]:
    """The parts of the line of the claim: `**15.53 MB** artifact | 600s train, 507s eval`."""
    if claim is None or claim.order[0] > 2:
        return
    for number in (claim.line, claim.line + 1):
        line = text.lines[number - 1] if number <= len(text.lines) else ""
        if number != claim.line and ("|" not in line or line.lstrip().startswith("|")):
            return
        parts = line.split("|")
        if len(parts) == 1 and number != claim.line:
            return
        at = text.at(number)
        for part in parts:
            plain = clean(part)
            if _SIZE_PART.fullmatch(plain) and not re.search(r"code|model|params", plain, re.IGNORECASE):
                size = numbers.read_bytes(plain)
                if size and not size.bound and size.value >= 1e4:
                    yield Quantity.TOTAL, size.at(at)
            for piece in re.split(r"[,+·•;]", plain):
                train, ev = _TRAIN_PART.search(piece), _EVAL_PART.search(piece)
                f = numbers.read_seconds(piece)
                if (
                    f is None
                    or f.bound
                    or bool(train) == bool(ev)
                    or re.search(r"ttt|limit|cap|budget|ms/step|/step", piece, re.IGNORECASE)
                ):
                    continue
                yield (Quantity.TRAIN if train else Quantity.EVAL), f.at(at)


def _p_value(text: Text) -> Number | None:
    """A p-value in a sentence about significance; thresholds, plans and probabilities are not claims."""
    for line in text.prose:
        if foreign(line.headings) and not re.search(r"signific|statist", line.headings[-1], re.IGNORECASE):
            continue
        for m in _P_VALUE.finditer(line.text):
            around = line.text[max(0, m.start() - 160) : m.end() + 60]
            if m["sign"] == ">" or "[ ]" in around or _P_RULE.search(around) or not _P_CONTEXT.search(around):
                continue
            f = next((f for f in numbers.figures(line.text[: m.end() + 30]) if f.start >= m.end() - 1), None)
            limit = m["sign"] in ("<", "&lt;") and f is not None and f.value >= 0.01
            if limit and not _P_COMPUTED.search(around):
                continue  # the criterion, repeated
            if f and f.start - m.end() <= 1 and 0 <= f.value < 0.5:
                return f.at(text.at(line.number))
    return None


def _val_tokens(text: Text) -> Number | None:
    for line in text.prose:
        m = _TOKENS.search(line.text)
        if not m or foreign(line.headings):
            continue
        f = numbers.read_count(m["n"] or line.text[m.end() : m.end() + 24])
        if f and f.value >= 1e5:
            return f.at(text.at(line.number))
    return None


def _mebibytes(text: Text, found: dict[Quantity | str, Number], seeds: tuple[SeedClaim, ...]) -> tuple[Location, ...]:
    """Where MiB is written, and where a figure in MB must have been computed with 1,048,576."""
    places = []
    for i, line in enumerate(text.lines, 1):
        if ("MiB" in line or "mebibytes" in line) and _MEBI.search(line) and _SIZE_WORDS.search(line):
            places.append(text.at(i))
        elif "MB" in line and (pair := _BOTH.search(line)):
            figure, count = numbers.read_bytes(pair[1] or pair[4]), numbers.read_bytes(pair[2] or pair[3])
            if figure and count and numbers.is_mebibytes(figure.at(text.at(i)), [count.at(text.at(i))]):
                places.append(text.at(i))
    counts = [n for q in BYTES if (n := found.get(q))] + [s.total_bytes for s in seeds if s.total_bytes]
    exact = [n for n in counts if n.step < 1000]
    places += [n.at for n in counts if n.step >= 1e3 and numbers.is_mebibytes(n, exact)]
    return tuple(dict.fromkeys(places))


_MEBI = re.compile(r"\d\s?(?:MiB|mebibytes)\b")
_SIZE_WORDS = re.compile(r"artifact|size|model|total|submission|compress", re.IGNORECASE)
_BOTH = re.compile(  # 15.74 MB (16,507,081 bytes), or the other way round
    r"(\d{1,3}\.\d{2,4}\s?MB)\W{1,6}(\d[\d,]{6,12}\s?(?:bytes|B))|(\d[\d,]{6,12}\s?(?:bytes|B))\W{1,6}(\d{1,3}\.\d{2,4}\s?MB)"
)


# --- words -------------------------------------------------------------------------------------


def _person(text: Text, *labels: str) -> Words | None:
    """`Author: …`, `Track: …` near the top."""
    for line in text.prose[:40]:
        for part in line.text.split("|"):
            m = _PERSON.match(part)
            if m and m[1].lower() in labels:
                value = clean(m[2]).strip(" .,*_`|@")[:200]
                if value and not re.fullmatch(r"(?:tbd|pending|n/?a|todo|none|\?+)", value, re.IGNORECASE):
                    return Words(value, text.at(line.number))
    return None


def _title(text: Text) -> Words | None:
    first = next((t for t in text.titles if t.text.strip()), None)
    return Words(clean(first.text)[:240], text.at(first.number)) if first else None


def _hardware(text: Text) -> Words | None:
    """The first GPUs named in the top of the file or in its results."""
    stated = _person(text, "hardware", "gpu", "gpus")
    if stated and _GPU.search(stated.value):
        return stated
    for line in [*text.titles[:1], *top(text)]:
        m = _GPU.search(line.text)
        if m and not re.search(
            r"\b(?:pending|await|baseline|target\w*|not|need|would|once|until)\b", line.text, re.IGNORECASE
        ):
            return Words(f"{m['n']}x{clean(m['kind'])}", text.at(line.number))
    return stated
