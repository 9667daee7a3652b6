"""One run as it is to be made: files, environment, what it may read, the command line. A plan has a key: a change is a new run."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from auditor.reproduce.claim import Claim, settings
from auditor.reproduce.machine import Machine
from auditor.submission.base import Submission, Unreadable, UsageError
from auditor.trace.collect import claimed
from auditor.trace.sandbox import Limits, Mode, Mount
from auditor.trace.world import vocabulary_size
from rules.evidence import FileKind

GB = 1 << 30
HEADER = 1024  # bytes before the tokens of a shard, two each
_READS_DATA = re.compile(r"fineweb|DATA_PATH|DATA_DIR|_train_\*|\.bin\b")
_READS_TOKENIZER = re.compile(r"TOKENIZER|tokenizer\w*\s*=|\.model\b")
_SEED_OPTION = re.compile(r"--?seed(?:=(.*))?")


@dataclass(frozen=True)
class Data:
    """The shards and the tokenizer that a run reads, where they appear in its folder, and what they are known by."""

    mounts: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    train_shards: int | None = None
    val_tokens: int | None = None
    print_: str = ""  # names and sizes of the files, hashed


@dataclass(frozen=True)
class Plan:
    """`environment` without the seed. `files`: the submission's own, by path in its folder."""

    entry: str
    files: Mapping[str, bytes]
    environment: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    ranks: int = 1
    device: str = "cuda"
    mode: Mode = Mode.BUBBLEWRAP
    data: Data = Data()
    machine: Machine = field(default_factory=Machine)
    wall_s: float = 3600.0

    @property
    def key(self) -> str:
        """A name for everything that can change the outcome, the seed apart."""
        facts = {
            "entry": self.entry,
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(self.files.items())},
            "environment": dict(sorted(self.environment.items())),
            "arguments": self.arguments,
            "ranks": self.ranks,
            "device": self.device,
            "gpus": self.machine.gpus,
            "driver": self.machine.driver,
            "versions": self.machine.versions,
            "data": self.data.print_,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def launched(self) -> bool:
        """Whether torchrun starts the ranks. It needs a loopback network, which Landlock refuses."""
        return self.mode is not Mode.LANDLOCK

    def command(self, seed: int) -> tuple[str, ...]:
        """The command line of one seed's run."""
        words = (self.entry, *seeded(self.arguments, seed))
        if not self.launched:
            return (sys.executable, "-u", *words)
        start = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(self.ranks))
        return (sys.executable, "-u", *start, *words)

    def variables(self, seed: int) -> dict[str, str]:
        """The environment of one seed's run, beside what the sandbox gives."""
        return {**self.environment, "SEED": str(seed)}

    def limits(self) -> Limits:
        """Loose ones: a training run may have the machine, but not for ever, and not its last gigabytes."""
        return Limits(
            wall_s=self.wall_s,
            cpu_s=self.wall_s * max(self.machine.cores, 1),
            memory_bytes=max(self.machine.memory_bytes * 9 // 10, GB),
            processes=16_384,
            output_bytes=64 << 20,
            file_bytes=16 * GB,
            disk_bytes=64 * GB,
            files=200_000,
            open_files=65_536,
        )


def seeded(arguments: Sequence[str], seed: int) -> tuple[str, ...]:
    """The arguments with the seed in them replaced."""
    out: list[str] = []
    follows = False
    for word in arguments:
        m = _SEED_OPTION.fullmatch(word)
        if follows:
            word, follows = str(seed), False
        elif m and m[1] is not None:
            word = f"{word.partition('=')[0]}={seed}"
        elif m:
            follows = True
        out.append(word)
    return tuple(out)


def plan(
    claim: Claim,
    machine: Machine,
    *,
    ranks: int,
    mode: Mode,
    device: str = "cuda",
    data: Path | None = None,
    tokenizer: Path | None = None,
    given: Mapping[str, str] | None = None,
    wall_s: float = 3600.0,
) -> Plan:
    """The full run of a claim on this machine. Raises UsageError where data is missing or cannot be what it should be."""
    if mode is Mode.LANDLOCK and ranks > 1:
        raise UsageError(
            "several GPUs need bubblewrap (bwrap): Landlock lets ranks not speak to each other; or --gpus 1"
        )
    text = claim.entry.text
    size = vocabulary_size(text, claimed(claim.config, text))
    files = own_files(claim.submission)
    documented, _ = settings(claim.config)
    shipped = documented.get("TOKENIZER_PATH", "") if tokenizer is None else ""
    shipped = shipped if posixpath.normpath(shipped or "/") in files else ""
    world = find_data(data, tokenizer, size, text, own_tokenizer=bool(shipped))
    environment = {
        **documented,
        **world.environment,
        **({"TOKENIZER_PATH": shipped} if shipped else {}),
        **(given or {}),
    }
    paths = [str(Path(sys.executable).parent), "/usr/local/cuda/bin", "/usr/local/bin", "/usr/bin", "/bin"]
    environment["PATH"] = ":".join(dict.fromkeys(p for p in paths if Path(p).is_dir()))
    if machine.visible:
        environment["CUDA_VISIBLE_DEVICES"] = machine.visible
    return Plan(
        entry=claim.entry.path,
        files=files,
        environment=environment,
        arguments=claim.config.arguments,
        ranks=ranks,
        device=device,
        mode=mode,
        data=world,
        machine=machine,
        wall_s=wall_s,
    )


def own_files(submission: Submission) -> dict[str, bytes]:
    """All files of the folder that can be read."""
    out = {}
    for f in submission.files:
        if f.change == "D" or f.kind is not FileKind.FILE:
            continue
        try:
            out[f.path] = submission.read(f.path)
        except Unreadable:
            continue
    return out


def find_data(data: Path | None, tokenizer: Path | None, size: int, text: str, *, own_tokenizer: bool = False) -> Data:
    """Where the shards and the tokenizer of a vocabulary of `size` tokens are to appear in the work directory.

    `data` is the folder of the shards, or one that holds `datasets/` and `tokenizers/`: all that lies there is shown under its
    own name, too, since programs may have that built in. `own_tokenizer`: the submission ships the one that it uses.
    """
    needs_data = bool(_READS_DATA.search(text))
    needs_tokenizer = bool(_READS_TOKENIZER.search(text)) and not own_tokenizer
    if data is not None and not data.is_dir():
        raise UsageError(f"--data {data}: no such folder")
    if tokenizer is not None and not tokenizer.is_file():
        raise UsageError(f"--tokenizer {tokenizer}: no such file")
    if data is None:
        if needs_data:
            raise UsageError(
                "no data: give --data DIR, the folder with fineweb_train_*.bin and fineweb_val_*.bin "
                f"({size:,} tokens in the vocabulary), or try --small, which makes its own"
            )
        return Data()
    shards, models, inside = data, data, f"data/datasets/fineweb10B_sp{size}"
    mounts: list[Mount] = []
    if (data / "datasets").is_dir():
        shards, models = one_of(data / "datasets", size), data / "tokenizers"
        for folder in sorted((data / "datasets").iterdir()):
            if folder.is_dir() and f"data/datasets/{folder.name}" != inside:
                mounts += shown(folder.resolve(), f"data/datasets/{folder.name}")
    train, val = sorted(shards.glob("*train_[0-9]*.bin")), sorted(shards.glob("*val_[0-9]*.bin"))
    for kind, found in (("train", train), ("val", val)):
        if not found:
            raise UsageError(f"--data {data}: {shards} holds no *{kind}_*.bin shards")
    if tokenizer is None and not own_tokenizer:
        tokenizer = next(
            (m for m in sorted(models.glob("*.model")) if re.search(rf"(?<!\d){size}(?!\d)", m.name)), None
        )
        if tokenizer is None and needs_tokenizer:
            raise UsageError(f"no tokenizer: give --tokenizer FILE, the SentencePiece model of {size:,} tokens")
    mounts += shown(shards.resolve(), inside)
    environment = {"DATA_DIR": "./data/", "DATA_PATH": f"./{inside}", "VOCAB_SIZE": str(size)}
    if tokenizer is not None:
        at = f"data/tokenizers/fineweb_{size}_bpe.model"
        mounts.append(Mount(tokenizer.resolve(), at))
        if tokenizer.name != f"fineweb_{size}_bpe.model":
            mounts.append(Mount(tokenizer.resolve(), f"data/tokenizers/{tokenizer.name}"))
        environment["TOKENIZER_PATH"] = f"./{at}"
    if "VOCAB_SIZE" not in text:
        del environment["VOCAB_SIZE"]
    files = [*train, *val, *([tokenizer] if tokenizer else [])]
    known = [(f.name, f.stat().st_size, int(f.stat().st_mtime)) for f in files]
    return Data(
        mounts=tuple(mounts),
        environment=environment,
        train_shards=len(train),
        val_tokens=sum(max(f.stat().st_size - HEADER, 0) // 2 for f in val),
        print_=hashlib.sha256(json.dumps(known).encode()).hexdigest(),
    )


def one_of(folder: Path, size: int) -> Path:
    """The dataset of this vocabulary among those of a folder; UsageError where that cannot be told."""
    found = [d for d in sorted(folder.iterdir()) if d.is_dir()]
    fitting = [d for d in found if d.name.endswith(f"sp{size}")] or (found if len(found) == 1 else [])
    if len(fitting) != 1:
        names = ", ".join(d.name for d in found[:8]) or "nothing"
        raise UsageError(f"{folder} holds {names}: name the folder with the shards of {size:,} tokens with --data")
    return fitting[0]


def shown(folder: Path, inside: str) -> list[Mount]:
    """Mounts that show a folder; file by file where it holds links, which would lead nowhere in the sandbox."""
    files = [f for f in sorted(folder.iterdir()) if f.is_file()]
    if any(f.is_symlink() for f in files):
        return [Mount(f.resolve(), f"{inside}/{f.name}") for f in files if f.suffix in (".bin", ".model", ".json")]
    return [Mount(folder, inside)]
