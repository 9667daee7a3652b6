"""Is a smoothed ratio of hashed counters a distribution?

## The question
p = (count of context and token + c · p₀(token)) / (count of context + c), applied from short contexts to long ones, is a distribution if
the counts are exact and p₀ is one. The submissions apply it to *hashed* counters, where different contexts and tokens share a bucket.

## Side A: it is
The formula adds up to 1 whatever c is, and the model's probability enters as a proper prior (Robby955 in #900, 03-26; dentity007 keeps
#948 open for that reason, 04-13). On 03-26 valerio-oai was leaning towards accepting n-gram caches.

## Side B: it is not
The two counters collide independently, so the counts of all tokens do not add up to the count of the context. #886
measured sums of several hundred (abaybektursun, 03-26). #1147 derived the sum, above a thousand for one million
buckets, and showed that the gain is gone when it is divided out: written by the author of #900, 03-30. The closures of 03-27 included #900.

## What the tool says meanwhile
`disputed` for what can be read in the code. A measured sum over the vocabulary is decisive in either direction.

## What would settle it
Running: put every token at one position and add up. For the class as a whole: the general words of 03-27 repeated for the
smoothed formula.
"""

from rules import ng1_target_in_key
from rules.finding import Status
from rules.rule import Authority, Dispute, Example, Source
from rules.samples.programs import program

DISPUTE = Dispute(
    id="D-03-dirichlet-over-hashed-counts",
    title="Dirichlet smoothing over hashed counts",
    question="Is a Dirichlet-smoothed ratio of hashed counters a normalised distribution?",
    side_a="The formula adds up to 1 for any strength, with the model's probability as its prior.",
    side_b="The counters collide independently, so the sum is far above 1; measured and derived.",
    state="the leaning of 2026-03-26 was overtaken by the closures of 03-27, #900 among them; some authors keep theirs open",
    sources=(
        Source(
            "#677",
            "2026-03-26",
            "valerio-oai",
            "leaning towards accepting n-gram caches, not final",
            Authority.ORGANIZER_QUOTED,
        ),
        Source("#886", "2026-03-26", "abaybektursun", "hashed ratios add up to several hundred", Authority.COMMUNITY),
        Source(
            "#900", "2026-03-26", "Robby955", "the smoothed formula is normalised by construction", Authority.COMMUNITY
        ),
        Source("#900", "2026-03-27", "valerio-oai", "closed with the other hashed caches", Authority.ORGANIZER_QUOTED),
        Source(
            "#1147",
            "2026-03-30",
            "Robby955",
            "derives the sum over the vocabulary under collisions: far above 1",
            Authority.COMMUNITY,
        ),
        Source(
            "#948",
            "2026-04-13",
            "dentity007",
            "keeps a submission open until there is a ruling on this class",
            Authority.COMMUNITY,
        ),
    ),
    rules=("NG1", "C2"),
)

EXAMPLES = (
    *(e for e in ng1_target_in_key.INVALID if e.dispute == "D-03"),
    Example(
        name="smoothed from short contexts to long ones",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-03",
        files={
            "train_gpt.py": program("""\
BUCKETS = 1 << 16
STRENGTH = {1: 50.0, 2: 7.0, 3: 3.0}


def keys(x, y, order):
    past = F.pad(x, (order, 0))
    key = torch.zeros_like(x)
    for back in range(order):
        key = key * 92821 + past[order - back : order - back + x.numel()]
    return key % BUCKETS, (key * 92821 + y) % BUCKETS


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    contexts, joint = torch.zeros(4, BUCKETS), torch.zeros(4, BUCKETS)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        p = F.softmax(model(x), -1).gather(1, y[:, None])[:, 0]
        for order, c in STRENGTH.items():
            a, b = keys(x, y, order)
            p = (joint[order, b] + c * p) / (contexts[order, a] + c)
        total -= p.clamp(max=1.0).log().sum().item()
        for order in STRENGTH:
            a, b = keys(x, y, order)
            contexts[order].index_add_(0, a, torch.ones(y.numel()))
            joint[order].index_add_(0, b, torch.ones(y.numel()))
    return total
""")
        },
        note="asked of NG1: the prior of each order is the result of the order before",
    ),
)
