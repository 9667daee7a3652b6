"""The byte counts of a log, and which of several printed variants is the artifact that ships."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from auditor.claims.logs.figures import count, figure, place
from rules.evidence import Location, Number

_INT = r"(\d[\d,_]{2,20})(?![\d.])"
_BYTES = rf"{_INT}(?:\s?(?:bytes|B)\b)?"
_TAG = r"(?:[^:=(]|\([^)]{0,40}\))"  # a codec's options may hold what else ends a label: int6+zlib(level=9)
_TOTAL = re.compile(
    rf"(?i)(?:total[_ ](?:[\w/+-]{{1,20}}[_ ])?(?:submission|artifact)|final[_ ]submission|submission[_ ]total|"
    rf"total[_ ]trinity submission)"
    rf"(?:[_ ](?:size|bytes))*(?P<tag>(?:[ _]{_TAG}{{1,90}}?)?)\s?[:=]\s?{_BYTES}"
)
_TOTAL_OTHER = re.compile(
    rf"(?i)\btotal[:=]\s?{_INT}(?=[\s(/|B,]|$)|\bbudget:{_INT}/1[56]\d{{6}}\b|= {_INT} total\b|code = {_INT}B\b"
)
_ARTIFACT = re.compile(
    rf"(?i)\b(?:artifact(?:[_ ](?:size|bytes))?|total_bytes|bytes_total|size_total|total_size|submission_size|"
    rf"submission_bytes|submission size)\s{{0,2}}[:=]\s{{0,12}}{_BYTES}"
)
_MODEL = re.compile(
    rf"(?i)(?:serialized[_ ](?:model)?|compressed[_ ]model(?:_bytes)?|quant(?:ized)?[_ ]model|"
    rf"quant_(?:file_)?bytes|compressed_blob_bytes|model[_ ]bytes|model[_ ]size|[\w+]{{3,30}} model)"
    rf"(?P<tag>{_TAG}{{0,90}}?)\s?[:=]\s{{0,12}}(?:\S{{1,80}}\sbytes:)?{_BYTES}|\bmodel:{_INT}\b(?=.*\bcode:)"
)
_CODE = re.compile(
    rf"(?i)\bcode(?:[_ ](?:size|bytes))*(?:\s?\((?P<tag>[^)]{{1,60}})\))?\s{{0,2}}[:=]\s{{0,12}}{_BYTES}(?!\.)"
)
_CODE_PLUS = re.compile(rf"(?P<tag>)\+ {_INT}\s?B? code =")
_WORDS = (
    "size",
    "bytes",
    "artifact",
    "submission",
    "Serialized",
    "serialized",
    "code:",
    "Total",
    "total:",
    "budget:",
    "Artifact",
    "Size",
)
CAP = 16_000_000  # used to prefer, of several variants in one log, the one that can ship
MAX_CODE = 500_000  # bytes; a total so little above the raw weights is of them
MAX_ARTIFACT = 1e8  # a `total_bytes` beyond this counts text, not an artifact
_RAW = re.compile(r"(?i)\braw\b|fp32|bf16|uncompressed|\bnpz\b|\.pt\b")
_MEGA = re.compile(r"(?i)\b(?:total|artifact)[\w ]{0,40}[:=]\s{0,12}(\d{1,3}\.\d{1,6}) ?MB\b")
_NOT_ONE = re.compile(
    r"(?i)limit|target|would|expected|estimate|cap\b|headroom|\bmax_|quant_try|baseline_|_budget|per_|param|tokens|"
    r"download|upload|"
    r"uploading|selective_prune|bigram|vocab|batch_size|chunk_size|block_?size|group_size|n-?gram|tensor"
)


@dataclass(slots=True)
class Sizes:
    """Every size line seen so far, in order, each with its tag ("" for the bare label)."""

    totals: list[tuple[str, Number]] = field(default_factory=list)
    models: list[tuple[str, Number]] = field(default_factory=list)
    codes: list[tuple[str, Number]] = field(default_factory=list)
    rough: list[Number] = field(default_factory=list)  # totals given in MB only

    def read(self, text: str, raw: str, file: str, line: int) -> None:
        """Note the sizes on this line, if it has any."""
        if len(text) > 600 or not any(w in text for w in _WORDS):
            return
        at = place(file, line, raw)
        m = _TOTAL.search(text)
        if m and not _NOT_ONE.search(text[: m.end(2)].replace("under the", "")):
            self._note(self.totals, m["tag"] or "", m[2], at)
        else:
            self._read_other(text, at)
        m = _MODEL.search(text)
        if (
            m
            and not text.lower().startswith("total")
            and not re.search(r"\bcode\b", m["tag"] or "")
            and not _NOT_ONE.search(text[: m.end()])
        ):
            raw_label = m[0].lower().startswith("serialized") and not m["tag"]
            self._note(self.models, m["tag"] or ("" if raw_label else "model"), m[2] or m[3], at)
        m = _CODE_PLUS.search(text) or _CODE.search(text)
        if m and not re.search(r"(?i)exit code|return code|status", text):
            self._note(self.codes, m["tag"] or "", m[2], at)

    def _read_other(self, text: str, at: Location) -> None:
        """Totals under other words than the challenge's own script uses."""
        o, a = _TOTAL_OTHER.search(text), _ARTIFACT.search(text)
        if o or a:
            m = o or a
            assert m is not None
            if not _NOT_ONE.search(text[: m.end()]) and not _RAW.search(text[: m.end()]):
                literal = next(g for g in m.groups() if g)
                self._note(self.totals, "other" if o else "artifact", literal, at, MAX_ARTIFACT)
        elif not _NOT_ONE.search(text) and (g := _MEGA.search(text)) and (n := figure(g[1], at, 1e6)):
            self.rough.append(n)

    @staticmethod
    def _note(into: list[tuple[str, Number]], tag: str, literal: str, at: Location, limit: float = 1e12) -> None:
        n = count(literal, at)
        if n and 0 < n.value < limit and len(into) < 200:
            into.append((tag.strip(" _").lower(), n))

    def chosen(self) -> tuple[Number | None, Number | None, Number | None]:
        """(code, model, total) of the artifact that ships.

        The total is the last one that is not of raw weights; code and model are those that add up
        to it, else the last compressed ones.
        """
        models = [(t, n) for t, n in self.models if not _RAW.search(t)]
        # The bare label is the checkpoint in full precision in the challenge's own script. Where a log stops
        # there, it shows no artifact.
        tagged = [n for t, n in models if t] or [n for _, n in models if n.value <= CAP]
        total = self._total([n for t, n in self.models if not t or _RAW.search(t)])
        codes = [n for _, n in self.codes]
        if total:
            for c in reversed(codes):
                for m in reversed([n for _, n in self.models]):
                    if c.value + m.value == total.value:
                        return c, m, total
        compressed = [n for t, n in self.codes if "compressed" in t and "un" not in t] or codes
        model = tagged[-1] if tagged else None
        code = compressed[-1] if compressed else None
        if model and total and model.value > total.value:
            model = None
        return code, model, total

    def _total(self, raws: list[Number]) -> Number | None:
        """The last total that is not simply raw weights plus code, the plainest label first."""
        codes = {n.value for _, n in self.codes}
        raw = {r.value + c for r in raws for c in codes}
        clean = [(t, n) for t, n in self.totals if not _RAW.search(t)]
        named = [n for t, n in clean if t not in ("", "other", "artifact")]
        bare = [n for t, n in clean if not t]
        large = [r.value for r in raws if r.value > CAP]
        real = [n for n in bare if n.value not in raw and not any(0 <= n.value - v < MAX_CODE for v in large)]
        other = [n for t, n in clean if t == "other" and n.value not in raw]
        artifact = [n for t, n in clean if t == "artifact" and n.value not in raw]
        alone = [n for n in bare if n.value <= CAP or not self.models] if len(self.models) < 2 else []
        total = next((group[-1] for group in (named, real, other, artifact, self.rough, alone) if group), None)
        if total and total.value > CAP:
            # Scripts print the size of each way to pack the weights, and ship one that fits.
            fitting = [n for group in (named, real, other) for n in group if CAP / 2 < n.value <= CAP]
            return max(fitting, key=lambda n: n.at.line or 0) if fitting else total
        return total
