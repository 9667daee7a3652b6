"""Two runs over one folder write the same bytes, whatever addresses and hashes their processes have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rules.samples.scripts import HEAD

UNDECIDED = """\


def plain(losses):
    return losses


def halved(losses):
    return losses / 2


def evaluate(model, val):
    window, stride, pick = SEQ, 64, {"a": plain, "b": halved}
    total, count, table = 0.0, 0, np.zeros(1 << 20)
    for w in range(0, len(val) - 1, stride):
        span = val[w : w + window + 1]
        keys = (span[:-1] * 36313 ^ span[1:]) % (1 << 20)
        losses = pick[os.environ["HOW"]](nll(model, span))
        if losses.mean() > 3:
            stride, window = stride + 1, window - 1
            losses = nll(model, val[w + 1 : w + window])
        if table[keys].sum() > 9:
            losses = losses * 0.9
            step(torch.optim.SGD(model.parameters(), lr=LR), losses.mean())
        np.add.at(table, keys, 1)
        total += losses.sum().item()
        count += losses.numel()
    return total / count


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
RUN = """\
import sys
kept = [object() for _ in range(int(sys.argv.pop(1)))]  # other addresses
from auditor.cli import main

main()
"""


def audited(folder: Path, seed: str, objects: str) -> bytes:
    command = ["audit", str(folder), "--format", "json", "--keep-evidence", "--exit-zero"]
    env = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.run(
        [sys.executable, "-c", RUN, objects, *command], env=env, capture_output=True, check=True, timeout=120
    ).stdout


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "train_gpt.py").write_text(HEAD + UNDECIDED)
    (tmp_path / "README.md").write_text("val_loss 3.0\n")
    first, second = audited(tmp_path, "1", "0"), audited(tmp_path, "77", "12345")
    assert b":then" in first  # a condition that nobody can decide stands around an event
    assert first == second
