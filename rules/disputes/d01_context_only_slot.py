"""May a window's correction be optimised on tokens that earlier windows have already scored?

## The question
SLOT adds a small trainable vector (or bias) to the frozen model for one evaluation window and optimises it for some steps. The
"context-only" or "causal" kind uses as labels only targets that were scored before the window's new tail,
then scores that tail. aryanbhosale asked on 2026-04-04 whether this is legal (#1336). No organizer answer was found.

## Side A: legal
Every label was scored before it is used, so the README's sentence on test-time training and the conditions of causality and
score-before-update hold (bigbag in #1217, the askers in #1336). It is test-time training of one vector with a reset after each
window.

## Side B: not legal, or not as it is written
It is still an optimisation for each window that is scored, close to the kind shown to leak in #1240. And implementations often leak where the idea
does not: windows are batched and overlap, so one vector shared by the batch sees, as "context" of a later window, the very tokens
that an earlier window of the batch is about to score.

## What the tool says meanwhile
`disputed`, if every label used precedes the first scored position of *every* window that shares the parameter. If one label does
not, this is SLOT on scored positions (rule SLOT1), whatever it is called.

## What would settle it
An answer on #1336. For a single submission: change the scored tail of window j + 1 and see that no score of window j moves.
"""

from rules.finding import Status
from rules.rule import Authority, Dispute, Example, Source
from rules.samples.programs import program

DISPUTE = Dispute(
    id="D-01-context-only-slot",
    title="Context-only SLOT",
    question="May a window's correction be optimised on targets that earlier windows have already scored?",
    side_a="Legal: every label was scored before it is used, which is all that the README and the conditions ask.",
    side_b="Still an optimisation per scored window, and batches of overlapping windows often leak.",
    state="asked in #1336; no organizer answer found",
    sources=(
        Source(
            "#1217",
            "2026-04-01",
            "bigbag",
            "optimises on already scored context and argues that it is causal",
            Authority.COMMUNITY,
        ),
        Source(
            "#1240",
            "2026-04-02",
            "andrewbaggio1",
            "shows that SLOT on scored positions lets future targets move earlier scores",
            Authority.COMMUNITY,
        ),
        Source(
            "#1336", "2026-04-04", "aryanbhosale", "asks whether the context-only kind is legal", Authority.COMMUNITY
        ),
        Source(
            "#1336",
            "2026-04-11",
            "MatoTeziTanka",
            "sums up the evidence and asks organizers again",
            Authority.COMMUNITY,
        ),
    ),
    rules=("SLOT2",),
)

SLOT = """\
def evaluate(model, val_tokens, seq=1024, stride=256, steps=4):
    last, scored, total = val_tokens.numel() - 1, 0, 0.0
    while scored < last:
        stop = min(scored + (stride if scored else seq), last)
        start = max(0, stop - seq)
        y, known = val_tokens[start + 1 : stop + 1], scored - start
        with torch.no_grad():
            hidden = model.rnn(model.embed(val_tokens[start:stop]))[0]
        delta = torch.zeros(hidden.shape[1], requires_grad=True)
        optimizer = torch.optim.AdamW([delta], lr=5e-3)
        for _ in range(steps if {labels}.numel() else 0):
            optimizer.zero_grad()
            F.cross_entropy(model.head({inputs} + delta), {labels}).backward()
            optimizer.step()
        with torch.no_grad():
            total += F.cross_entropy(model.head(hidden[known:] + delta), y[known:], reduction="sum").item()
        scored = stop
    return total
"""

EXAMPLES = (
    Example(
        name="vector fitted to scored context",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-01",
        files={"train_gpt.py": program(SLOT.format(inputs="hidden[:known]", labels="y[:known]"))},
        note="asked of SLOT2; one window at a time, labels end where scoring begins",
    ),
)
