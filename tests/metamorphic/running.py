"""Runs small programs of our own, each in a process and a folder of its own, and compares what they print.

As a script it is the other side: it imports torch once where it is installed, then forks for each folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import runpy
import signal
import subprocess
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.metamorphic.trees import Files

ENTRY = "train_gpt.py"
TINY = {
    "VOCAB_SIZE": "24",
    "SEQ_LEN": "16",
    "CHUNK": "32",
    "STRIDE": "6",
    "BATCH": "4",
    "ITERATIONS": "2",
    "EPOCHS": "2",
    "VAL_LOSS_EVERY": "1",
    "COMPILE": "0",
    "DEVICE": "cpu",
    "TTT_LR": "0.05",
    "BUCKETS": "64",
    "BEST": "4",
}
SECONDS = 60
_RESULT = re.compile(r"(?<![\w-])(?:val_loss|val_bpb|answer)\b")


def results(output: str) -> str:
    """The lines that report a score. Sizes of files, which follow the names in them, are left out."""
    return "\n".join(line for line in output.splitlines() if _RESULT.search(line))


def run(folders: Sequence[Files], where: Path, torch: bool = True) -> list[str]:
    """What each program prints, and how it ended: "exit 0" is the last line when all went well."""
    for i, files in enumerate(folders):
        home = where / str(i)
        for name, content in files.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        if torch:
            _shards(home / "data")
    call = [sys.executable, __file__, "torch" if torch else "plain", str(where), str(len(folders))]
    subprocess.run(call, check=True, timeout=SECONDS * (len(folders) + 1), capture_output=True)
    return [(where / str(i) / "output").read_text(errors="replace") for i in range(len(folders))]


def _shards(data: Path) -> None:
    import numpy as np

    data.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(7)
    for split, n in (("train", 2400), ("val", 150)):
        ids = draw.integers(2, 24, n)
        ids[::37] = 1
        for name, values in ((split, ids), (f"{split}_bytes", ids % 4)):
            header = np.zeros(256, np.int32)
            header[:3] = 20240520, 1, n
            content = header.tobytes() + values.astype(np.uint16).tobytes()
            (data / f"fineweb_{name}_000000.bin").write_bytes(content)


def _sentencepiece() -> types.ModuleType:
    """A stand-in with the four calls that our examples make."""

    class SentencePieceProcessor:
        def __init__(self, model_file: str = "") -> None:
            self.file = model_file

        def vocab_size(self) -> int:
            return int(TINY["VOCAB_SIZE"])

        def id_to_piece(self, i: int) -> str:
            return ("\u2581" if i % 3 == 0 else "") + chr(97 + i % 26) * (1 + i % 3)

        def decode(self, ids: list[int]) -> str:
            return "".join(map(self.id_to_piece, ids)).replace("\u2581", " ")

        def is_byte(self, i: int) -> bool:
            return False

        is_control = is_unknown = is_unused = is_byte

        def __getattr__(self, name: str) -> object:
            names = {"get_piece_size": self.vocab_size, "GetPieceSize": self.vocab_size, "IdToPiece": self.id_to_piece}
            return names[name]

    module = types.ModuleType("sentencepiece")
    module.SentencePieceProcessor = SentencePieceProcessor  # type: ignore[attr-defined]
    return module


def _child(home: Path, torch: bool) -> None:
    signal.alarm(SECONDS)
    out = os.open(home / "output", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(home)
    os.environ.update(TINY, DATA_PATH=str(home / "data"), TOKENIZER_PATH="tokenizer.model")
    sys.path[0] = str(home)
    sys.argv = [
        ENTRY,
        *(f"--{k.lower().replace('_', '-')}={v}" for k, v in {**TINY, "DATA_PATH": str(home / "data")}.items()),
    ]
    if torch:
        import torch as t

        t.set_num_threads(1)
        t.manual_seed(5)
        sys.modules["sentencepiece"] = _sentencepiece()
    else:
        sys.modules["torch"] = types.ModuleType("torch")  # decoys import it; nothing of it runs
    runpy.run_path(str(home / ENTRY), run_name="__main__")


def main(kind: str, where: str, count: str) -> None:
    if kind == "torch":
        import torch
        import torch._dynamo  # the first optimizer would import it, in every child again

        torch.set_num_threads(1)
    for i in range(int(count)):
        home = Path(where, str(i))
        pid = os.fork()
        if not pid:
            status = 1
            with contextlib.suppress(SystemExit):
                try:
                    _child(home, kind == "torch")
                    status = 0
                except Exception:
                    import traceback

                    traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        _, ended = os.waitpid(pid, 0)
        with open(home / "output", "a") as f:
            f.write(f"\nexit {os.waitstatus_to_exitcode(ended)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
