"""Places in packed files, settings around code, and functions that never ran."""

from __future__ import annotations

import base64
import lzma

import pytest

from auditor.api import audit_submission
from auditor.gather import gather
from auditor.source.guards import Guards
from auditor.source.shipped import payload
from rules.events import Setting, Suspect
from rules.evidence import Script
from rules.registry import examples, find
from rules.samples.programs import MAIN, program
from tests.support import submission

BODY = """\
ADAPT = int(os.environ.get("TTT_ENABLED", {default}))


def adapt(model, val_tokens):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loss = F.cross_entropy(model(val_tokens[:-1]), val_tokens[1:])
    loss.backward()
    optimizer.step()


def evaluate(model, val_tokens):
    {call}
    return F.cross_entropy(model(val_tokens[:-1]), val_tokens[1:], reduction="sum").item()
"""


def suspects(default: int, call: str) -> tuple[Suspect, ...]:
    script = program(BODY.format(default=default, call=call))
    found = gather(submission({"train_gpt.py": script})).program
    assert found is not None
    assert found.finished
    return found.suspects


def pack(text: str) -> str:
    blob = base64.b85encode(lzma.compress(text.encode())).decode()
    return f"import base64, lzma\n# weights follow\nexec(lzma.decompress(base64.b85decode({blob!r})))\n"


@pytest.mark.parametrize(
    "call",
    [
        "if ADAPT:\n        adapt(model, val_tokens)",
        "if ADAPT > 0 and len(val_tokens) > 3:\n        adapt(model, val_tokens)",
    ],
)
def test_a_switch_that_is_off_is_named(call: str) -> None:
    (one,) = suspects(0, call)
    assert one.dead
    assert one.what == "adapt takes gradient steps"
    assert one.at.text.startswith("def adapt(")
    assert one.why == "never called under the configuration of the claim: TTT_ENABLED=0 (default)"


def test_code_that_runs_is_no_suspect() -> None:
    assert suspects(1, "if ADAPT:\n        adapt(model, val_tokens)") == ()


def test_nobody_calls_it() -> None:
    (one,) = suspects(1, "pass")
    assert (one.why, one.dead) == ("never called", True)


def test_an_open_switch_explains_nothing() -> None:
    guards = Guards(
        [Script("a.py", "entry", "", 0, "if fast:\n    work()\nelse:\n    rest()\n")], [Setting("FAST", "1", "command")]
    )
    assert [s.name for s in guards.around("a.py", 2, met=True)] == ["FAST"]
    assert guards.around("a.py", 2, met=False) == ()
    assert [s.name for s in guards.around("a.py", 4, met=False)] == ["FAST"]


@pytest.mark.parametrize(
    ("test", "value", "open_"),
    [
        ("x", "1", True),
        ("x", "0", False),
        ("not x", "0", True),
        ("x > 2", "3", True),
        ("x == 'a'", "a", True),
        ("x == 'a'", "b", False),
        ("x or y", "1", True),
        ("x and y", "0", False),
        ("x and y", "1", None),
        ("x + 1", "1", None),
        ("x", "false", False),
    ],
)
def test_conditions_that_settings_decide(test: str, value: str, open_: bool | None) -> None:
    guards = Guards([Script("a.py", "entry", "", 0, f"if {test}:\n    work()\n")], [Setting("X", value, "log")])
    assert bool(guards.around("a.py", 2, met=True)) is (open_ is True)
    assert bool(guards.around("a.py", 2, met=False)) is (open_ is False)


def test_an_early_return_guards_the_rest() -> None:
    text = "def f():\n    if not x:\n        return\n    work()\n"
    guards = Guards([Script("a.py", "entry", "", 0, text)], [Setting("X", "0", "log")])
    assert [s.name for s in guards.around("a.py", 4, met=False)] == ["X"]


def test_the_settings_that_open_a_path_are_kept_with_its_events() -> None:
    script = program(BODY.format(default=1, call="if ADAPT:\n        adapt(model, val_tokens)"))
    found = gather(submission({"train_gpt.py": script})).program
    assert found is not None
    under = {s.name for e in found.events for s in e.under if e.means is not None}
    assert under == {"TTT_ENABLED"}


def test_findings_about_packed_code_name_the_line_of_the_payload() -> None:
    rule = find("C3")
    plain = next(e for ok, e in examples(rule) if not ok and e.stage == "source")  # type: ignore[arg-type]
    files = {**plain.files, "train_gpt.py": pack(str(plain.files["train_gpt.py"]))}
    evidence = gather(submission(files, plain.track, plain.date))
    entry = evidence.package.entry
    assert entry is not None
    assert entry.packed
    at = payload(entry)
    assert at is not None
    assert at.line == 3
    assert at.text.startswith("exec(lzma.decompress(")
    assert evidence.program is not None
    steps = [s for e in evidence.program.events for s in e.path]
    assert steps
    assert all(s.at.layer and s.shipped == at for s in steps)
    (found,) = audit_submission(submission(files, plain.track, plain.date), only=frozenset({rule.id})).alarms
    assert found.locations[0].layer
    assert all(f.shipped == at for f in found.evidence if f.at)


def test_a_plain_script_is_shipped_as_it_is() -> None:
    assert payload(Script("a.py", "entry", "", 5, "x = 1", "x = 1")) is None
    rule = find("C3")
    plain = next(e for ok, e in examples(rule) if not ok and e.stage == "source")  # type: ignore[arg-type]
    (found,) = audit_submission(
        submission(dict(plain.files), plain.track, plain.date), only=frozenset({rule.id})
    ).alarms
    assert [f.shipped for f in found.evidence] == [None] * len(found.evidence)


def test_stages_are_told_in_order() -> None:
    heard: list[str] = []
    audit_submission(
        submission({"train_gpt.py": program("def evaluate(m, v):\n    return 0.0\n", main=MAIN)}), tell=heard.append
    )
    assert [h.partition(": ")[2] for h in heard] == [
        "opening program files",
        "reading README, submission.json and logs",
        "comparing seeds",
        "following the code's values",
        "asking the rules",
    ]
