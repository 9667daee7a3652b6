"""What a walked native function says: which token each output predicts, and whether that token shaped it.

Which token an output predicts is not taken from names. A program that predicts token i from a table stores
token i into that table, under the key that it looked up before it knew the token: the read that feeds the
output does not use the token, and the write does. A program whose outputs predict the next token looks up
under the present one, and shows nothing of the kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from auditor.source.native.memory import Memory, Read, Write
from auditor.source.native.values import (
    COPY,
    DIRECT,
    GATE,
    GATHER,
    HASHED,
    KEYED,
    MARKER,
    MATCH,
    OFFSET,
    STATE,
    Taints,
    Token,
    convert,
    decides,
    either,
    merge,
)
from rules.events import Sight

_DIRECT = re.compile(r"^(?:p:\w+(?:\[\])?|ref:return|heap:\d+\[\]|(?:this\.|g:)\w+\[\]|l:\d+:\w+\[\])$")
_GATE_NAME = re.compile(r"gate|hint|beta|boost|alpha|lam|weight|mask|valid|conf|mix", re.I)
_SIZE_NAME = re.compile(r"byte|len|size|space|count|dump", re.I)
_TARGET_NAME = re.compile(
    r"^(?:tgt|tgts|target|targets|target_ids|labels?|y|y_true|truth|next_tok\w*|true_tok\w*)$", re.I
)

_TOKEN_NAME = re.compile(r"tok|tgt|target|next|sym|label|truth", re.I)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing seen in a native function; lines count in the native text."""

    sight: Sight
    function: str
    line: int
    what: str
    trail: tuple[int, ...] = ()
    token: str = ""
    output: str = ""
    kind: str = ""  # "hint", "gate", "score"
    guards: tuple[tuple[int, str], ...] = ()
    knobs: tuple[str, ...] = ()
    certain: bool = True
    ok: bool = False


@dataclass(slots=True)
class _Output:
    name: str
    writes: list[Write] = field(default_factory=list)
    written: frozenset[str] = frozenset()  # all that the function writes: state, not settings

    def taints(self) -> Taints:
        return merge(*(_all(w) for w in self.writes))


def _all(w: Write) -> Taints:
    return merge(w.value.taints, convert(w.control.taints, decides, w.line))


def judge(memory: Memory, function: str, finished: bool = True) -> Iterator[Verdict]:
    """The verdicts on one walked function."""
    final = [w for w in memory.writes if w.final]
    outputs = _outputs(memory, final)
    targets: dict[Token, tuple[int, int]] = {}
    learned = _Learned(final)
    for output in outputs.values():
        for w in output.writes:
            for token, lines in _predicted(memory, w, learned, targets):
                targets.setdefault(token, lines)
    latest = _latest(memory, targets)
    for output in outputs.values():
        yield from _keyed(output, function)
        yield from _weighted(output, function)
        yield from _spread(output.writes, function)
        if not finished:
            continue  # what was not seen to the end is not judged by its order
        if latest is not None:
            yield from _gated(memory, output, latest, targets[latest], final, function)
        else:
            yield from _named(output, function)
    yield from _spread(
        [w for w in memory.writes if id(w) not in {id(x) for o in outputs.values() for x in o.writes}], function
    )


def _outputs(memory: Memory, final: list[Write]) -> dict[str, _Output]:
    """Stores that leave the function: at an index that moves with a loop, or into memory nobody here reads."""
    out: dict[str, _Output] = {}
    written = frozenset(w.region for w in memory.writes)
    for w in final:
        if not _DIRECT.match(w.region):
            continue
        moving = w.lin is not None and w.lin.has_counter()
        unread = not w.compound and not any(r == w.region or r.startswith(w.region + ".") for r in memory.read_regions)
        if (moving and w.region.startswith("p:")) or unread:
            name = w.region.removesuffix("[]").rpartition(":")[2].rpartition(".")[2]
            name = "the returned array" if w.region.startswith("heap:") else name
            out.setdefault(w.region, _Output(name, written=written)).writes.append(w)
    return out


def _predicted(
    memory: Memory, out: Write, learned: _Learned, known: dict[Token, tuple[int, int]]
) -> Iterator[tuple[Token, tuple[int, int]]]:
    """The tokens that an output predicts, with the lines of the read and of the write that show it."""
    for number in sorted(out.value.content):
        read = memory.reads.get(number)
        if read is None:
            continue
        copied = number in out.value.copies
        for w, tokens, places in learned.under(read.region):
            if w.region == out.region or not (w.seq > read.seq or w.ids & read.ids - {0}):
                continue
            for token in (tokens if copied else ()) + places:
                if out.region == "ref:return" and token[0].endswith("[]"):
                    continue  # what a function over many tokens returns is no prediction
                if token not in known and (
                    not _uses(memory, read, token) or (copied and token in tokens and _swapped(memory, read, w, token))
                ):
                    yield token, (read.line, w.line)


class _Learned:
    """Writes that put a token into memory: as what is kept, or as part of the place where something is kept."""

    def __init__(self, final: list[Write]) -> None:
        self.writes: list[tuple[Write, tuple[Token, ...], tuple[Token, ...]]] = []
        self.kept: dict[str, list[tuple[Write, tuple[Token, ...], tuple[Token, ...]]]] = {}
        for w in final:
            tokens = (
                ()
                if w.compound
                else tuple(t for t, way in w.value.taints.items() if way.modes & COPY and not t[1].earlier())
            )
            places = tuple(
                t
                for t, way in w.index.taints.items()
                if way.modes & (OFFSET | HASHED) and not t[1].earlier() and t[0].endswith("[]")
            )
            if tokens or places:
                self.writes.append((w, tokens, places))

    def under(self, region: str) -> list[tuple[Write, tuple[Token, ...], tuple[Token, ...]]]:
        found = self.kept.get(region)
        if found is None:
            found = self.kept[region] = [x for x in self.writes if _same_region(region, x[0].region)]
        return found


def _uses(memory: Memory, read: Read, token: Token) -> bool:
    """Whether the place that was read was chosen with the token, or with one that may be as late."""
    for other, way in read.index.items():
        if other[0] == token[0] and way.modes & DIRECT:
            distance = memory.apart(other[1], token[1])
            if distance is None or distance >= 0:
                return True
    return False


def _swapped(memory: Memory, read: Read, write: Write, token: Token) -> bool:
    """Whether the token is kept at the very place that was read, under a key that holds earlier tokens besides.

    Then the place foretells the token whatever its key is made of, be it the token itself.
    """
    if read.region != write.region or read.region.endswith((".key", ".tag")) or not write.ids & read.ids - {0}:
        return False
    return any(
        other[0] == token[0] and way.modes & DIRECT and (memory.apart(other[1], token[1]) or 0) < 0
        for other, way in read.index.items()
    )


def _same_region(read: str, write: str) -> bool:
    return read == write or read.startswith(write + ".") or write.startswith(read + ".")


def _latest(memory: Memory, targets: dict[Token, tuple[int, int]]) -> Token | None:
    """The latest of the predicted tokens; None if there is none or they cannot be ordered."""
    best: Token | None = None
    arrays = [t for t in targets if t[0].endswith("[]")]
    for token in arrays or targets:
        if best is None:
            best = token
        elif token[0] == best[0]:
            distance = memory.apart(token[1], best[1])
            if distance is not None and distance > 0:
                best = token
    return best


def _gated(
    memory: Memory, output: _Output, target: Token, shown: tuple[int, int], final: list[Write], function: str
) -> Iterator[Verdict]:
    """Whether an output that predicts `target` was shaped by it, or by a later token."""
    learned = [w for w in final if target in w.value.taints or target in w.index.taints or target in w.control.taints]
    found: list[tuple[int, Write, int, tuple[int, ...], int]] = []
    state = _State(memory, learned)
    hint = False
    if output.writes[0].region == "ref:return" and target[0].endswith("[]"):
        return
    for w in output.writes:
        hint = hint or state.any(w.value.copies)
        if any(m.kind == "log" for m in w.value.marks):
            continue  # a score: it needs the token
        for token, way in _all(w).items():
            if token[0] != target[0]:
                continue
            distance = memory.apart(token[1], target[1])
            if distance is None or distance < 0 or either(way.modes) & (GATHER | MATCH):
                continue
            # a setting that is switched by the token weighs something, as a count of bytes does not
            weighed = any(
                memory.types.get(k, "") in ("float", "double", "half") for k in w.value.knobs - output.written
            )
            content = weighed or state.any(w.value.content | w.control.content)
            modes = either(way.modes)
            if way.modes & COPY and state.any(w.value.copies, before=True):
                modes |= STATE
            if modes & GATE:
                found.append((modes, w, distance, way.trail, 2 if content else 1))
    if not found:
        if hint and not any(t[0] == target[0] and (memory.apart(t[1], target[1]) or 0) > 0 for t in output.taints()):
            w = output.writes[0]
            yield Verdict(Sight.TILT, function, w.line, f"the hint in {output.name} is made of earlier tokens only", shown,
                          _show(target), output.name, "hint", w.guards, _knobs(output), ok=True)  # fmt: skip
        return
    modes, w, distance, trail, content_rank = max(
        found, key=lambda f: (f[4], f[2] > 0, f[1].value.copies != frozenset())
    )
    later = distance > 0
    certain = content_rank == 2 and modes & GATE != MARKER
    if content_rank == 1 and (_SIZE_NAME.search(output.name) or (not later and not _GATE_NAME.search(output.name))):
        return
    kind = "hint" if hint else "gate"
    how = (
        "is made with a token after the one it predicts" if later
        else "is made after the state has taken in the token it predicts" if modes & STATE and not modes & (GATE & ~STATE)
        else "depends on the token that it predicts"
    )  # fmt: skip
    yield Verdict(
        Sight.NON_CAUSAL if later else Sight.TARGET_GATE, function, w.line, f"{output.name} {how}", trail, _show(target), output.name,
        kind, w.guards, _knobs(output), certain,
    )  # fmt: skip


class _State:
    """Which reads are of memory that takes in the predicted token, and which come after it did."""

    def __init__(self, memory: Memory, learned: list[Write]) -> None:
        self.memory = memory
        self.first: dict[str, int] = {}  # region -> the first write
        for w in learned:
            if not _DIRECT.match(w.region) or w.lin is None:
                self.first[w.region] = min(w.seq, self.first.get(w.region, w.seq))
        self.kept: dict[str, int] = {}

    def any(self, numbers: frozenset[int], before: bool = False) -> bool:
        for number in numbers:
            read = self.memory.reads.get(number)
            if read is None:
                continue
            seq = self.kept.get(read.region)
            if seq is None:
                seq = min((s for r, s in self.first.items() if _same_region(read.region, r)), default=1 << 60)
                self.kept[read.region] = seq
            if seq < (read.seq if before else 1 << 60):
                return True
        return False


def _keyed(output: _Output, function: str) -> Iterator[Verdict]:
    """A count looked up under a key that holds the token, over a count looked up without it."""
    for w in output.writes:
        for mark in w.value.marks:
            if (
                mark.kind == "ratio"
                and mark.token is not None
                and (mark.token[0].endswith("[]") or _TOKEN_NAME.search(mark.token[0]))
            ):
                way = w.value.taints.get(mark.token)
                yield Verdict(
                    Sight.TARGET_IN_KEY, function, mark.line,
                    f"{output.name} is made of a count whose key holds the token, divided by one whose key does not",
                    way.trail if way else (), _show(mark.token), output.name, "score", w.guards, _knobs(output),
                )  # fmt: skip
                return


def _weighted(output: _Output, function: str) -> Iterator[Verdict]:
    """A mixing weight that depends on the token whose score is mixed."""
    for w in output.writes:
        for mark in w.value.marks:
            if mark.kind != "weight" or mark.token is None or mark.token[1].earlier():
                continue
            way = w.value.taints.get(mark.token)
            if way is None or not either(way.modes) & (GATHER | KEYED | MATCH):
                continue
            yield Verdict(
                Sight.TARGET_GATE, function, mark.line, f"the weight that mixes {output.name} depends on the token being scored",
                way.trail, _show(mark.token), output.name, "gate", w.guards, _knobs(output),
            )  # fmt: skip
            return


def _spread(writes: list[Write], function: str) -> Iterator[Verdict]:
    for w in writes:
        for mark in w.value.marks:
            if mark.kind == "spread-mixed" and mark.token is not None:
                yield Verdict(
                    Sight.SPREAD_BYTES, function, mark.line, "a token's log-probability is divided evenly over its bytes and mixed there",
                    (mark.line, w.line), "", w.region.removesuffix("[]").rpartition(":")[2], "score", w.guards,
                )  # fmt: skip
                return


def _named(output: _Output, function: str) -> Iterator[Verdict]:
    """Last resort, never certain: an output called a gate, made of a property of something called a target."""
    if not _GATE_NAME.search(output.name) or _SIZE_NAME.search(output.name):
        return
    for w in output.writes:
        if any(m.kind == "log" for m in w.value.marks):
            continue
        for token, way in _all(w).items():
            name = token[0].removesuffix("[]").rpartition(":")[2].rpartition(".")[2]
            if (
                _TARGET_NAME.match(name)
                and either(way.modes) & GATE
                and not either(way.modes) & (GATHER | MATCH | KEYED)
            ):
                yield Verdict(
                    Sight.TARGET_GATE, function, w.line, f"{output.name} depends on {_show(token)}, by its name the token being scored",
                    way.trail, _show(token), output.name, "gate", w.guards, _knobs(output), certain=False,
                )  # fmt: skip
                return


def _knobs(output: _Output) -> tuple[str, ...]:
    """Settings that the output is made of, by their names."""
    names = {
        k.rpartition(".")[2].rpartition(":")[2]
        for w in output.writes
        for k in w.value.knobs - output.written
        if "[]" not in k
    }
    return tuple(sorted(names))[:12]


def _show(token: Token) -> str:
    """A token's name for people: `tokens[i]` whatever the loop's counter is called."""
    name = token[0].removesuffix("[]").rpartition(":")[2].rpartition(".")[2]
    if not token[0].endswith("[]"):
        return name
    const = token[1].const
    inner = any(s[0] == "ld" for s, _ in token[1].terms)
    base = "pos" if inner else "i"
    return f"{name}[{base}{f' + {const}' if const > 0 else f' - {-const}' if const < 0 else ''}]"
