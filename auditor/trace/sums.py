"""Do the scores of a position add up to one? Every token of the vocabulary is put there in turn, in branches of one run.

The run has a vocabulary as small as the program takes, so that there are few. What is added up is exp(-score), the score
in nats, of all tokens but the one that begins documents, which a program may rightly treat as something else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from auditor.trace.branches import Answer, Question, alike, answers, beginning, plan
from auditor.trace.data.vocabulary import BOS
from auditor.trace.execute import Job, Traced, trace
from auditor.trace.explain import Explained
from auditor.trace.foresight import own_tokens
from auditor.trace.groups import Group
from auditor.trace.ledger import Record
from auditor.trace.probes import of
from rules.trace import UNKNOWN, Sum

SMALL = 384  # tokens
AT = 0.8  # of the headline's records: where tables and adaptation have begun
LATE = 0.97  # of the positions of a headline that is one record
SECONDS = 60.0
OFTEN = 64  # tokens
MOST = 100.0  # nats below zero: a probability beyond all bounds
CHECKED = 2  # tokens whose score a whole run has to confirm
CLOSE = 1e-3  # nats


def small(job: Job) -> Job:
    """The job with a small vocabulary, where the program takes one from outside."""
    return replace(job, claimed={**job.claimed, "VOCAB_SIZE": str(SMALL)}) if "VOCAB_SIZE" in job.text else job


def sums(job: Job, base: Traced, headline: Explained, *, seconds: float = SECONDS, workers: int = 2) -> list[Sum]:
    """Add up the scores at a few positions. `base`: a run of the job, with its headline."""
    group = headline.group
    if group is None:
        return []
    questions = [q for at, r in chosen(base.records, group) for q in asked(base, group.records, r, at)]
    if not questions:
        return []
    order = plan(questions, seconds, workers)
    run = trace(replace(job, wall_s=job.wall_s + seconds * 2), branches=order, validation=base.world.validation)
    found = list(answers(questions, run.branches))
    out = []
    for at, r in chosen(base.records, group):
        given = [a for a in found if a.question.at == at and a.question.record is r]
        out.append(added(headline, base, r, at, given))
    return [confirmed(job, base, headline, s, found) if s.improper or s.doubtful else s for s in out]


def chosen(records: Sequence[Record], group: Group) -> list[tuple[int, Record]]:
    """The position to ask about and the record that scores it: a suspect, or one of the later ones.

    One that is asked in full says more than several that are not: what is improper may be the score of a single token.
    """
    found = [(p, r) for p in own_tokens(records, group, 1) for r in group.records if _times(r, p)]
    if not found:
        r = group.records[int((len(group.records) - 1) * AT)]
        if r.positions is not None and len(r.positions):
            late = (
                LATE if len(group.records) == 1 else AT
            )  # a branch goes on to the record: what is left of it should be little
            found = [(int(np.sort(r.positions)[int(len(r.positions) * late)]), r)]
    return [(at, r) for at, r in found[:1] if _times(r, at) == 1]


def _times(r: Record, at: int) -> int:
    return int(np.count_nonzero(r.positions == at)) if r.positions is not None else 0


def asked(base: Traced, group: Sequence[Record], r: Record, at: int) -> list[Question]:
    feeds = [f for f in base.records if f.kind == "feed"]
    after = beginning(feeds, group, r, at)
    often, seldom = strata(base, at)
    return [Question(r, after, at, t) for t in (*often, *np.random.default_rng(at).permutation(seldom).tolist())]


def strata(base: Traced, at: int) -> tuple[list[int], list[int]]:
    """(tokens that are all asked, tokens of which some are drawn): the one that stands there and the frequent ones, and the rest."""
    count = np.bincount(base.world.validation, minlength=base.world.vocabulary)
    count[base.world.validation[at]] = len(base.world.validation)
    order = [int(t) for t in np.argsort(-count, kind="stable") if t != BOS]
    return order[:OFTEN], order[OFTEN:]


def added(headline: Explained, base: Traced, r: Record, at: int, given: Sequence[Answer]) -> Sum:
    """The sum at one position, of what was answered."""
    assert r.positions is not None
    assert r.values is not None
    i = int(np.flatnonzero(r.positions == at)[0])
    p = {a.question.token: math.exp(min(MOST, -headline.nats(float(a.values[i])))) for a in given}
    p = {token: x for token, x in p.items() if math.isfinite(x)}
    often, seldom = strata(base, at)
    drawn = np.array([p[t] for t in seldom if t in p])
    total, error = math.fsum(p.values()), UNKNOWN
    estimate = total
    if len(drawn) > 1 and all(t in p for t in often):  # what is drawn without putting back varies less
        estimate = total - float(drawn.sum()) + len(seldom) * float(drawn.mean())
        error = len(seldom) * float(drawn.std(ddof=1)) * math.sqrt((1 - len(drawn) / len(seldom)) / len(drawn))
    score = headline.nats(float(r.values[i]))
    problem = "" if p else "no branch came to a score: the tokens cannot be exchanged there"
    return Sum(at, len(p), base.world.vocabulary - 1, total, estimate, error, score, problem=problem)


def confirmed(job: Job, base: Traced, headline: Explained, s: Sum, found: Sequence[Answer]) -> Sum:
    """Whether whole runs give the tokens at the position the scores that branches gave."""
    here = [a for a in found if a.question.at == s.at]
    r = here[0].question.record
    assert r.positions is not None
    i = int(np.flatnonzero(r.positions == s.at)[0])
    likely = sorted(here, key=lambda a: headline.nats(a.values[i]))
    gaps = []
    for a in (likely[len(likely) // 3], likely[0])[:CHECKED]:
        ids = base.world.validation.copy()
        ids[s.at] = a.question.token
        value = score_at(base, trace(job, validation=ids, reach=False), headline, r, s.at)
        if value is None:
            return replace(s, problem="whole runs with these tokens did not come to the score")
        gaps.append(abs(value - headline.nats(a.values[i])))
    if max(gaps) > CLOSE:
        return replace(s, problem=f"whole runs with these tokens give other scores, by {max(gaps):.3g} nats")
    return replace(s, confirmed=len(gaps))


def score_at(base: Traced, whole: Traced, headline: Explained, r: Record, at: int) -> float | None:
    """The score of the position in the record of another run that stands in the place of `r`; nats."""
    if headline.group is None or (group := of(whole, base, headline.group)) is None:
        return None
    k = next(k for k, x in enumerate(headline.group.records) if x.n == r.n)
    other = group.records[k] if k < len(group.records) else None
    if other is None or other.values is None or not alike(other, r):
        return None
    return headline.nats(float(other.values[int(np.flatnonzero(r.positions == at)[0])]))
