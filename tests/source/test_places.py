"""What a finding shows: where the number is printed, who calls, which loop repeats, and what the log decides."""

from __future__ import annotations

from auditor.gather import gather
from rules.adaptation import cases, facts
from rules.events import Program
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
