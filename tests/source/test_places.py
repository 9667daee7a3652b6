"""What a finding shows: where the number is printed, who calls, which loop repeats, and what the log decides."""

from __future__ import annotations

from auditor.gather import gather
from rules.adaptation import Kind, cases, facts
from rules.events import Program, Sight
from rules.finding import Fact
from rules.order import headlines, places
from rules.samples.programs import program
from rules.samples.records import log
from tests.support import submission

ADAPT = """\
EPOCHS = int(os.environ.get("EPOCHS", 3))
LIMIT = float(os.environ.get("EVAL_SECONDS", 500))


def say(text):
    print(text, flush=True)


def fit(model, val_tokens, optimizer):
    loss = F.cross_entropy(model(val_tokens[:-1]), val_tokens[1:])
    loss.backward()
    optimizer.step()


def graded(model, val_tokens):
    with torch.no_grad():
        return F.cross_entropy(model(val_tokens[:-1]), val_tokens[1:], reduction="sum").item()


def evaluate(model, val_tokens, seq=1024):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    begun = time.perf_counter()
    total = 0.0
    for at in range(0, val_tokens.numel() - 1, seq):
        if time.perf_counter() - begun > LIMIT:
            say(f"out of time at {at}")
            break
        span = val_tokens[at : at + seq + 1]
        for epoch in range(EPOCHS):
            last = graded(model, span)
            fit(model, span, optimizer)
        total += last
        say(f"  graded so far: {at} loss={last:.4f}")
    return total
"""
MAIN = """\
def main():
    model = Model()
    train(model, load_tokens("train"))
    val_tokens = load_tokens("val")
    total = evaluate(model.eval(), val_tokens)
    say(
        f"final_int6_sliding_window_exact val_loss:{total / (val_tokens.numel() - 1):.8f}"
    )


main()
"""
SCRIPT = "import time\n" + program(ADAPT, main=MAIN)


def followed(**files: str) -> Program:
    found = gather(submission({"train_gpt.py": SCRIPT} | {k.replace("_log", ".log"): v for k, v in files.items()}))
    assert found.program is not None
    return found.program


def line(words: str) -> int:
    """The last line with these words."""
    return max(n for n, text in enumerate(SCRIPT.splitlines(), 1) if words in text)


def shown(p: Program) -> list[Fact]:
    return list(facts(cases(p)[0].conflict, p))


def test_a_report_stands_where_its_words_stand() -> None:
    (report,) = headlines(followed())
    assert report.at.line == line("final_int6")
    assert report.at.text.startswith('f"final_int6')


def test_a_conflict_names_the_calls_that_update_and_score_do_not_share() -> None:
    (case,) = cases(followed())
    step, grade = line("    loss.backward()") + 1, line("reduction=")
    assert places(case.conflict) == (
        f"train_gpt.py:{step} (called at line {line('fit(model, span')}) before "
        f"train_gpt.py:{grade} (called at line {line('last = graded')})"
    )


def test_the_loop_over_the_same_tokens_and_its_setting_are_shown() -> None:
    steps = shown(followed())
    assert [f.at.line for f in steps if f.at and "goes over the same tokens again" in f.value] == [line("for epoch")]
    assert "EPOCHS=3 (default)" in [f.value for f in steps if f.label == "setting"]


def test_a_clock_leaves_it_open_whether_code_ran() -> None:
    (case,) = cases(followed())
    assert not case.conflict.sure


def logged(line: str) -> Program:
    said = log().replace("final_int6_roundtrip", f"{line}\nfinal_int6_roundtrip")
    return followed(train_log=said)


def test_a_line_of_the_log_shows_that_the_clock_did_not_stop_it() -> None:
    (case,) = cases(logged("  graded so far: 1024 loss=3.3102"))
    assert case.conflict.sure


def test_a_line_of_the_other_branch_does_not_show_it() -> None:
    (case,) = cases(logged("out of time at 4096"))
    assert not case.conflict.sure


def observed(body: str, sight: Sight) -> tuple[bool, ...]:
    """Whether each sight of a kind is certain."""
    found = gather(submission({"train_gpt.py": program(body)})).program
    assert found is not None
    return tuple(o.certain for o in found.observations if o.sight is sight)


RATIO = """\
MASK = (1 << 20) - 1


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, weight=0.4):
    contexts, pairs = torch.zeros(MASK + 1), torch.zeros(MASK + 1)
    total = torch.zeros((), dtype=torch.float64)
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        p = F.softmax(model(x), -1).gather(1, y[:, None])[:, 0]
        c = (x * 40503) & MASK
        b = (c ^ (y * 2654435761)) & MASK
        IF
            p = (1 - weight) * p + weight * (pairs[b] / contexts[c].clamp(min=1)).clamp(max=1)
        total -= p.log().double().sum()
        contexts.index_add_(0, c, torch.ones(y.numel()))
        pairs.index_add_(0, b, torch.ones(y.numel()))
    return total.item()
"""


def test_a_table_read_in_a_branch_that_nobody_knows_is_not_certain() -> None:
    seen = observed(RATIO.replace("IF", 'if int(os.environ["MIX"]):'), Sight.TARGET_IN_KEY)
    assert seen
    assert not any(seen)


def test_a_table_read_in_a_branch_that_runs_is_certain() -> None:
    assert all(observed(RATIO.replace("IF", "if weight > 0:"), Sight.TARGET_IN_KEY))


def test_the_line_on_which_the_token_enters_the_key_is_a_step() -> None:
    script = program(RATIO.replace("IF", "if True:"))
    found = gather(submission({"train_gpt.py": script})).program
    assert found is not None
    (seen, *_) = [o for o in found.observations if o.sight is Sight.TARGET_IN_KEY]
    steps = {s.what: s.at.text for s in seen.path}
    assert steps["the token itself is mixed into the key"] == "b = (c ^ (y * 2654435761)) & MASK"


def test_a_draw_goes_both_ways_in_some_turn() -> None:
    body = """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    total = torch.zeros((), dtype=torch.float64)
    for start in range(0, val_tokens.numel() - 1, seq):
        hide = torch.rand(seq) < 0.15
        if not hide.any():
            continue
        y = val_tokens[start + 1 : start + seq + 1]
        q = model.embed(val_tokens[start : start + y.numel()])[None, None]
        seen = F.scaled_dot_product_attention(q, q, q, is_causal=False)
        total += F.cross_entropy(model.head(seen[0, 0]), y, reduction="none")[hide].sum()
    return total.item()
"""
    seen = observed(body, Sight.NON_CAUSAL)
    assert seen
    assert all(seen)


def test_an_array_that_is_filled_anew_forgets() -> None:
    body = """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    total = torch.zeros((), dtype=torch.float64)
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        nll = F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="none")
        boost = (y % 7 == 3).float().numpy()
        FILL
        cold = F.cross_entropy(2 * model(val_tokens[start : start + y.numel()]), y, reduction="none")
        total += torch.where(torch.from_numpy(boost) > 0, cold, nll).sum()
    return total.item()
"""
    assert observed(body.replace("FILL", "pass"), Sight.TARGET_GATE)
    assert not observed(body.replace("FILL", "boost.fill(0)"), Sight.TARGET_GATE)


def test_losses_of_an_earlier_epoch_are_no_scores_to_come_back_to() -> None:
    body = """\
def evaluate(model, val_tokens, seq=1024):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for epoch in range(3):
        for at in range(0, val_tokens.numel() - 1, seq):
            loss = F.cross_entropy(model(val_tokens[at : at + seq]), val_tokens[at + 1 : at + seq + 1])
            loss.backward()
            optimizer.step()
        print(f"adapt: epoch {epoch} loss={loss.item():.4f}")
    with torch.no_grad():
        return F.cross_entropy(model(val_tokens[:-1]), val_tokens[1:], reduction="sum").item()
"""
    found = gather(submission({"train_gpt.py": program(body)})).program
    assert found is not None
    assert {c.kind for c in cases(found)} == {Kind.BEFORE}
