"""Lines of the training loop, and the clock and step at which training stopped."""

from __future__ import annotations

import re

from auditor.claims.logs.draft import Draft
from auditor.claims.logs.figures import LITERAL, count, figure, place, seconds
from rules.evidence import Number

LOOP_STARTS = "sS0123456789[iI"  # first characters of the lines of a training loop
# How a log writes its training loop: `step:5/9 train_loss:`, `5/9 train_loss:`, `s:5/9 tl:`.
FAMILIES = {"step:": "step", "": "fraction", "s:": "short"}

_TRAIN_STEP = re.compile(
    r"(?i)^(?P<form>step[: ]\s{0,8}|\[?step\]?[ :=]{1,3}|s:|iter[: ]\s{0,8})?(?P<step>\d{1,9})(?:/(?P<of>\d{1,9}))?\b"
    r"(?P<rest>.{0,400})"
)
_TRAIN_LOSS = re.compile(r"(?i)\b(?:train_?loss|loss|tl|ce|train)\b[ :=]{1,3}(?:\d|nan)")
_TRAIN_TIME = re.compile(rf"(?i)\b(?:train_time|elapsed|t|tt|time)\s?[:=]\s?({LITERAL})(ms|s|m)\b")
_STOP = re.compile(rf"(?i)\b(?:train_time|tt|total_train_time)\s?[:=]\s?({LITERAL})\s?(ms|s|m)\b")
_STOP_STEP = re.compile(r"(?i)\b(?:steps?|s)[:= ]\s?(\d{1,9})\b")
_STOP_OTHER = re.compile(
    rf"(?i)^(?:phase:train wall_ms:(?P<ms>{LITERAL}) steps:(?P<n1>\d+)|training(?: complete| finished| done| time|"
    rf":(?= \d[\d,]* steps)):?[ a-z]{{0,12}}"
    rf"(?:(?P<n2>\d[\d,]*) steps,? ?(?:in )?)?(?P<t>{LITERAL}) ?(?P<u>ms|seconds|s|min|"
    rf"m)\b(?:.{{0,20}}?\((?P<n3>\d[\d,]*) steps)?)"
)


def starts_over(draft: Draft, text: str) -> bool:
    """Whether this is the first line of the same training loop once more."""
    if draft.train_lines < 6:
        return False
    m = _TRAIN_STEP.match(text)
    return bool(m and int(m["step"]) <= 1 and (m["form"], m["of"]) == draft.loop and _TRAIN_LOSS.search(m["rest"]))


def read_step(draft: Draft, text: str, raw: str, number: int) -> bool:
    """Note a line of the training loop; only the last one is read for figures."""
    if text[:1] not in LOOP_STARTS:
        return False
    if "bpb" in text or "val_loss" in text or "vl:" in text:
        if "step" in text[:6] and "nan" not in text:
            draft.last_train = (text, raw, number) if "train_time" in text else draft.last_train
        return False
    m = _TRAIN_STEP.match(text)
    if not m or not _TRAIN_LOSS.search(m["rest"]):
        return False
    if not m["form"] and not m["of"]:
        return False
    draft.train_lines += 1
    if draft.train_lines == 1:
        draft.loop = (m["form"], m["of"])
    if draft.loop == (m["form"], m["of"]):
        draft.loop_line = number
    draft.last_train = (text, raw, number)
    if not draft.family:
        form = (m["form"] or "").lower()
        draft.family = FAMILIES.get(form.rstrip(), "other")
    if "nan" in m["rest"] and re.search(r"(?i)loss[:= ]{1,3}nan", m["rest"]):
        draft.nan_train = draft.nan_train or number
    return True


def read_stop(draft: Draft, text: str, raw: str, number: int) -> None:
    """The clock and the step at which training stopped."""
    at = place(draft.file, number, raw)
    if "stop" in text[:24]:
        m = _STOP.search(text)
        if m:
            draft.train_seconds = seconds(m[1], m[2], at)
            draft.stopped = True
        n = _STOP_STEP.search(text)
        if n and m:
            draft.steps = count(n[1], at)
        return
    o = _STOP_OTHER.match(text)
    if o and not draft.stopped:
        took = figure(o["ms"], at, 1e-3) if o["ms"] else seconds(o["t"], o["u"], at)
        draft.train_seconds = took or draft.train_seconds
        n_text = o["n1"] or o["n2"] or o["n3"]
        draft.steps = count(n_text, at) if n_text else draft.steps
        draft.stopped = True


def last_clock(draft: Draft) -> None:
    """Take steps and time from the last line of the training loop where no line says it stopped."""
    if draft.last_train and not (draft.steps and draft.train_seconds):
        text, raw, number = draft.last_train
        at = place(draft.file, number, raw)
        m = _TRAIN_STEP.match(text)
        if m and draft.steps is None:
            draft.steps = count(m["step"], at)
            draft.planned_steps = int(m["of"]) if m["of"] else None
        t = _TRAIN_TIME.search(text)
        if t and draft.train_seconds is None:
            draft.train_seconds = seconds(t[1], t[2], at)
    last = max((e for e in draft.evaluations if e.step is not None), key=lambda e: e.step or 0, default=None)
    if last and not draft.stopped and (draft.steps is None or (last.step or 0) > draft.steps.value):
        number_of = last.val_bpb or last.val_loss
        draft.steps = Number(float(last.step or 0), number_of.at) if number_of else draft.steps
