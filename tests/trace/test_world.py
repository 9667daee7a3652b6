"""The data that a run finds, and how much of it."""

from pathlib import Path

from auditor.trace.data import shards
from auditor.trace.world import build

READS = 'v = int(os.environ.get("VOCAB_SIZE", 8192))'


def test_a_hurried_run_has_fewer_tokens_of_a_smaller_vocabulary(tmp_path: Path) -> None:
    whole = build(tmp_path / "whole", READS, {})
    less = build(tmp_path / "less", READS, {}, hurried=True)
    assert (whole.vocabulary, less.vocabulary) == (8192, 1024)
    assert less.environment["VOCAB_SIZE"] == "1024"
    assert len(less.validation) < len(whole.validation)
    assert (shards.read(less.root / less.places["validation"]) == less.validation).all()
    assert less.validation.max() < 1024


def test_a_vocabulary_that_is_built_in_stays(tmp_path: Path) -> None:
    assert build(tmp_path, "VOCAB_SIZE = 4096", {}, hurried=True).vocabulary == 4096
