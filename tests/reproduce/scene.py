"""A record folder of our own on disk, shards for it, and a launcher that only pretends to run."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from auditor.trace.sandbox import Box, Limit, Mode, Outcome
from rules.samples.records import log, record

READS = (
    '\nDATA_PATH = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_sp1024")\nSEED = int(os.environ["SEED"])\n'
)


def folder(root: Path, **files: str | None) -> Path:
    """A record folder; `files` by name, with "__" for the dot, add to it or (None) leave out."""
    at = root / "records" / "track_10min_16mb" / "2026-03-24_Example"
    at.mkdir(parents=True)
    changed = {name.replace("__", "."): text for name, text in files.items()}
    sample = record()
    sample["train_gpt.py"] = sample["train_gpt.py"] + READS
    for name, text in {**sample, **changed}.items():
        if text is not None:
            (at / name).write_text(text)
    return at


def shards(root: Path, train: int = 80, tokens: int = 62_021_632 // 1000) -> Path:
    """Shards in the challenge's form: a header of 256 int32, then tokens of two bytes."""
    at = root / "shards"
    at.mkdir()
    header = struct.pack("<256i", 20240520, 1, tokens, *[0] * 253)
    for name in (*(f"fineweb_train_{i:06}.bin" for i in range(train)), "fineweb_val_000000.bin"):
        (at / name).write_bytes(header + bytes(2 * (tokens if "val" in name else 10)))
    (at / "fineweb_1024_bpe.model").write_bytes(b"a model")
    return at


class Launcher:
    """Answers each run with a log, as `say(seed)` gives it, or with an ending that is not well."""

    def __init__(self, say: Callable[[int], str], died: Sequence[int] = (), stderr: str = "") -> None:
        self.say, self.died, self.stderr = say, died, stderr
        self.runs: list[tuple[int, tuple[str, ...], Box]] = []

    def __call__(self, box: Box, command: Sequence[str], *, mode: Mode, tell: Callable[[str, bytes], None]) -> Outcome:
        seed = int(box.env["SEED"])
        self.runs.append((seed, tuple(command), box))
        text = self.say(seed).encode()
        code = 1 if seed in self.died else 0
        tell("stdout", text)
        tell("stderr", self.stderr.encode())
        assert box.work
        (box.work / "final_model.ptz").write_bytes(bytes(1000))
        return Outcome(mode, code, None, Limit.NONE, 700.0, 5000.0, 1 << 30, 40, text, self.stderr.encode())


def like_the_claim(seed: int) -> str:
    """The log of a run that comes out as claimed, a little off."""
    bpb = {1337: 1.1302, 42: 1.1303, 2025: 1.1306}.get(seed, 1.1304)
    return log(seed=seed, bpb=bpb)
