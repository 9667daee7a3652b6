"""Tables that are read under a key: whether the token being scored is in the key, and whether it decides what is mixed in."""

from __future__ import annotations

from auditor.source.labels import Lookup, Mark, Read
from auditor.source.walk import Walk
from rules.events import Sight


def targets_of(w: Walk, scores: int) -> int:
    out = 0
    for s in w.marks.numbers(scores, Mark.SCORE)[:8]:
        out |= w.scores[s].targets
    return out


def same_run(w: Walk, marks: int, targets: int) -> bool:
    """Whether some of the tokens begin where the scored ones begin."""
    heads = {(r.base, r.start) for r in w.marks.reads(targets) if r.start is not None}
    return any((r.base, r.start) in heads for r in w.marks.reads(w.val_reads(marks)) if r.start is not None)


def look_at_keys(w: Walk, scores: int, extra: int, form: str = "") -> None:
    """Whether a table that is mixed into a score was read under a key that holds the scored token."""
    for look, key in in_context(w, extra):
        what = "the context under which counts are kept has the token being scored in it"
        with w.under(look.guards):
            w.see(
                Sight.TARGET_GATE,
                w.site_of(look.at),
                what,
                scores,
                path=(
                    *((w.site_of(r.at), "tokens are read") for r in w.marks.reads(key)[:1]),
                    (w.site_of(look.at), "the token is looked up in a context that holds it already"),
                    (w.site, "what was found is mixed into the probability of the token"),
                ),
            )
        break
    for look, key in with_target(w, scores, extra):
        what = "the token being scored is part of the key under which a hashed table is read"
        reads = tuple((w.site_of(r.at), "tokens are read") for r in w.marks.reads(key)[:1])
        made = w.hashed_at.get(key) if key else None
        if made is not None and (made.path, made.line) != (look.at.file, look.at.line):
            reads += ((made, "the token itself is mixed into the key"),)
        with w.under(look.guards):
            w.see(
                Sight.TARGET_IN_KEY,
                w.site_of(look.at),
                what,
                look.key | scores,
                detail=(("form", form),) if form else (),
                path=(
                    *reads,
                    (w.site_of(look.at), "the table is read under a key made with the token itself"),
                    (w.site, "what was found is mixed into the probability of the token"),
                ),
            )


def gated(w: Walk, scores: int, extra: int) -> None:
    """Whether it is decided by a count under the scored token's own key where something is mixed in."""
    for look, _ in with_target(w, scores, extra):
        what = "whether the table is mixed in depends on what it holds for the token being scored"
        with w.under(look.guards):
            w.see(
                Sight.TARGET_GATE,
                w.site,
                what,
                scores,
                detail=(("form", "found"),),
                path=((w.site_of(look.at), "the table is read under a key made with the token itself"),),
            )
        return


def with_target(w: Walk, scores: int, extra: int) -> list[tuple[Lookup, int]]:
    """Look-ups of hashed tables under a key that holds the scored token, and the tokens of that key."""
    looks = w.marks.lookups(extra)
    if not looks:
        return []
    targets = targets_of(w, scores)
    keys = [look.key for look in looks if look.hashed]
    out = []
    for look in looks:
        if not look.hashed or look.generic:
            continue
        key = w.val_reads(look.key)
        if (
            key & targets
            or same_run(w, key, targets)
            or (not _behind(w, key, targets) and _further(w, look.key, key, keys))
        ):
            out.append((look, key))
    return out


def in_context(w: Walk, extra: int) -> list[tuple[Lookup, int]]:
    """Look-ups of a token in exact counts of a context, where the context has that token in it already.

    A joint count names its context and one token more; if that one lies within the context, the context was cut too late.
    """
    looks = [look for look in w.marks.lookups(extra) if look.whole or look.row]
    out = []
    for look in looks:
        key = w.val_reads(look.key)
        if look.row:
            contexts = [w.val_reads(look.row)]
            more = key
        else:
            contexts = [k for other in looks if (k := w.val_reads(other.key)) and k != key and not k & ~key]
            more = 0
        for context in contexts:
            last = more or key & ~context
            if last and all(within(w, r, context) for r in w.marks.reads(last)):
                out.append((look, context))
                break
    return out


def within(w: Walk, token: Read, context: int) -> bool:
    """Whether a single token is one of the tokens of a context, as far as both places are known."""
    if token.start is None or token.stop != token.start + 1:
        return False
    return any(
        r.base == token.base
        and r.start is not None
        and r.stop is not None
        and r.start <= token.start < r.stop
        and (r.split, r.at) == (token.split, token.at)
        for r in w.marks.reads(context)
    )


def _behind(w: Walk, key: int, targets: int) -> bool:
    """Whether all tokens of a key are known to stand before the scored ones."""
    heads: dict[int, list[Read]] = {}
    for t in w.marks.reads(targets):
        if t.start is not None:
            heads.setdefault(t.base, []).append(t)
    found = w.marks.reads(key)
    return bool(found) and all(r.base in heads and all(before(r, t) for t in heads[r.base]) for r in found)


def before(r: Read, t: Read) -> bool:
    """Whether a token stands before another one; of two runs of one length, whether each does at its place."""
    if r.start is None or t.start is None or r.start >= t.start:
        return False
    return r.stop is None or r.stop <= t.start or (t.stop is not None and t.stop - t.start == r.stop - r.start)


def _further(w: Walk, whole: int, key: int, keys: list[int]) -> bool:
    """Whether a key has tokens behind those of another one."""
    longer = any(k != whole and k & ~whole == 0 and w.val_reads(k) and not _older(w, key & ~k, k) for k in keys)
    return longer or _ahead(w, key, keys)


def _older(w: Walk, more: int, key: int) -> bool:
    """Whether the tokens that a longer key has beyond a shorter one all stand before those of the shorter one."""
    last: dict[int, int] = {}
    for r in w.marks.reads(w.val_reads(key)):
        if r.start is not None:
            last[r.base] = max(last.get(r.base, r.start), r.start)
    found = w.marks.reads(w.val_reads(more))
    return bool(found) and all(r.start is not None and r.start < last.get(r.base, r.start) for r in found)


def _ahead(w: Walk, key: int, keys: list[int]) -> bool:
    """Whether this key reaches further along a run of tokens than another one does."""

    def reach(k: int) -> dict[int, int]:
        out: dict[int, int] = {}
        for r in w.marks.reads(w.val_reads(k)):
            if r.start is not None:
                out[r.base] = max(out.get(r.base, r.start), r.start)
        return out

    mine = reach(key)
    for k in keys:
        if k == key:
            continue
        for base, start in reach(k).items():
            if mine.get(base, start) > start:
                return True
    return False
