"""Single sights: what scripts beside the entry show, and what conditions on clocks and masks mean."""

from __future__ import annotations

import ast

import pytest

from auditor.gather import gather
from auditor.source.sights.cuts import both
from auditor.source.sights.documents import folds
from rules.events import Observation, Sight
from rules.samples.programs import program
from tests.support import submission

PLAIN = """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        total += F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="sum").item()
    return total
"""


def seen(files: dict[str, str], sight: Sight) -> list[Observation]:
    program_ = gather(submission(files)).program
    assert program_ is not None
    assert program_.finished
    return [o for o in program_.observations if o.sight is sight]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ids = sp.encode(text.lower())", True),
        ("clean = text.casefold()\nids = sp.encode(clean)", True),
        ("name = path.lower()\nids = sp.encode(text)", False),
        ("ids = text.lower().encode('utf-8')", False),
        ("UP = chr(0xE001)\ndef mark(t):\n    return UP + t.lower()\nids = sp.encode(mark(text))", False),
        ("def mark(t):\n    return t.lower()\nids = sp.encode(mark(text))", True),
    ],
)
def test_folding_counts_on_the_way_to_an_encoder_only(text: str, found: bool) -> None:
    assert bool(list(folds(ast.parse(text)))) is found


@pytest.mark.parametrize(
    ("pattern", "count"), [("fineweb_*_0*.bin", 2), ("fineweb_train_*.bin", 0), ("fineweb_val_000000.bin", 0)]
)
def test_patterns_that_find_both_kinds_of_shard(pattern: str, count: int) -> None:
    assert len(both(pattern)) == count


def test_a_clock_in_a_helper_that_returns_stops_no_scoring() -> None:
    helper = (
        "import time\n\n\ndef rate(begun):\n    if time.time() - begun > 300:\n        return 0.5\n    return 1.0\n\n\n"
    )
    called = PLAIN.replace("        y = val", "        rate(0.0)\n        y = val", 1)
    assert not seen({"train_gpt.py": program(helper + called)}, Sight.TIME_BREAK)


def test_a_loop_that_a_clock_ends_is_seen() -> None:
    body = PLAIN.replace(
        "        y = val", "        if time.time() > begun + 500:\n            break\n        y = val", 1
    )
    body = "import time\n\n\n" + body.replace("    total = 0.0\n", "    total, begun = 0.0, time.time()\n")
    (found, *_) = seen({"train_gpt.py": program(body)}, Sight.TIME_BREAK)
    assert found.scores


@pytest.mark.parametrize(("default", "count"), [("10_000", 1), ("50_000", 0)])
def test_a_default_of_fewer_held_out_documents(default: str, count: int) -> None:
    prepare = (
        f"import argparse\n\np = argparse.ArgumentParser()\np.add_argument('--val-docs', type=int, default={default})\n"
    )
    found = seen({"train_gpt.py": program(PLAIN), "prepare_data.py": prepare}, Sight.DOCS_DEFAULT)
    assert [o["count"] for o in found] == [default.replace("_", "")] * count


def test_training_shards_sorted_by_name_are_no_selection() -> None:
    script = "import glob\nimport numpy as np\n\nval = np.fromfile('data/fineweb_val_000000.bin')\nfor f in sorted(glob.glob('data/fineweb_train_*.bin')):\n    print(f)\n"
    assert not seen({"train_gpt.py": program(PLAIN), "look.py": script}, Sight.VAL_SELECTION)
