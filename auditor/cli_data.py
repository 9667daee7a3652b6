"""The command `scorefirst data`: token shards to work on, fetched, built or checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from auditor.cli_common import print_plain
from auditor.submission.base import AuditorError, UsageError

if TYPE_CHECKING:
    from evaluator.corpus.base import Progress as Step
    from evaluator.corpus.build import Built
    from evaluator.corpus.check import Checked
    from evaluator.corpus.official import Fetched


class Cut(StrEnum):
    AUTO = "auto"
    NUL = "nul"
    BLANK = "blank"
    LINE = "line"
    NONE = "none"


def data(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for datasets/ and tokenizers/.", metavar="DIR")
    ] = Path("data"),
    variant: Annotated[
        str, typer.Option("--variant", help="Which of the challenge's tokenizations: sp1024, … or byte260.")
    ] = "sp1024",
    train_shards: Annotated[
        int, typer.Option("--train-shards", help="Training shards to fetch, 200 MB each.", min=0)
    ] = 1,
    documents: Annotated[
        bool, typer.Option("--documents", help="Fetch the raw text of the documents, too (large).")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Build a small set from generated text instead; needs no network.")
    ] = False,
    text: Annotated[
        list[Path] | None,
        typer.Option("--text", help="Build from this .txt or .jsonl (also .xz, .gz); may be repeated.", metavar="FILE"),
    ] = None,
    separator: Annotated[Cut, typer.Option("--separator", help="What is between the documents of a .txt.")] = Cut.AUTO,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", help="SentencePiece model to build or check with; else one is trained.", metavar="FILE"
        ),
    ] = None,
    vocabulary: Annotated[
        int, typer.Option("--vocabulary", help="Size of the tokenizer that is trained.", metavar="N")
    ] = 1024,
    val_documents: Annotated[
        int | None,
        typer.Option("--val-documents", help="So many documents, the first, are for validation; else one in 20."),
    ] = None,
    shard_tokens: Annotated[
        int, typer.Option("--shard-tokens", help="Tokens of a shard that is built.", metavar="N")
    ] = 100_000_000,
    check: Annotated[
        list[str] | None,
        typer.Option("--check", help="Look at these shards instead; may be repeated.", metavar="FILE|PATTERN"),
    ] = None,
    sidecar: Annotated[
        str | None,
        typer.Option("--sidecar", help="Bytes by token that belong to the shards checked.", metavar="FILE|PATTERN"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Fetch the challenge's shards, verified and resumed; build shards from text; or check shards.

    Needs numpy and sentencepiece: `pip install 'scorefirst[run]'`. A check exits 1 if bytes counted and bytes decoded differ.

    Examples:

    * `scorefirst data --variant sp1024 --train-shards 10`

    * `scorefirst data --offline -o small`

    * `scorefirst data --text docs.jsonl --model fineweb_8192_bpe.model -o mine`

    * `scorefirst data --check 'data/datasets/fineweb10B_sp1024/fineweb_val_*.bin' --model data/tokenizers/fineweb_1024_bpe.model`
    """

    if lacks := [m for m in ("numpy", "sentencepiece") if find_spec(m) is None]:
        raise UsageError(f"`scorefirst data` needs {' and '.join(lacks)}: pip install 'scorefirst[run]'")
    if sum(map(bool, (offline, text, check))) > 1:
        raise UsageError("--offline, --text and --check exclude each other")
    if sidecar and not check:
        raise UsageError("--sidecar is for --check; shards are built without one")
    if model and not (offline or text or check):
        raise UsageError("--model is for --offline, --text or --check; fetched shards come with theirs")
    more: dict[str, Any] = {
        "model": model,
        "vocabulary": vocabulary,
        "val_documents": val_documents,
        "shard_tokens": shard_tokens,
    }
    with _clear_errors(), _telling() as tell:
        if check:
            result = _check(check, model, sidecar, tell)
            print_plain(_json(result) if as_json else _checked_text(result))
            raise typer.Exit(1 if result.differing else 0)
        if text or offline:
            from evaluator.corpus.build import build_default, build_from_files

            built = (
                build_from_files(output, text, separator=separator.value, tell=tell, **more)
                if text
                else build_default(output, tell=tell, **more)
            )
            print_plain(_json(built) if as_json else _built_text(built))
            return
        from evaluator.corpus.official import fetch_official

        fetched = fetch_official(output, variant, train_shards, documents=documents, tell=tell)
        print_plain(_json(fetched) if as_json else _fetched_text(fetched))


def _check(patterns: list[str], model: Path | None, sidecar: str | None, tell: Callable[[Step], None]) -> Checked:
    from evaluator.corpus.check import check
    from evaluator.shards import matching

    return check([p for pattern in patterns for p in matching(pattern)], model=model, sidecar=sidecar, tell=tell)


def _checked_text(c: Checked) -> str:
    lines = [f"{c.tokens:,} tokens in {c.documents:,} documents, {c.files} file{'s' * (c.files != 1)}"]
    if c.bytes is None:
        lines.append("bytes: give --model FILE to count them")
    else:
        of = ", the whole validation text of the challenge" * c.whole_validation
        lines.append(f"{c.bytes:,} bytes, {c.bytes / c.tokens:.4f} per token{of}")
    if c.table_bytes is not None and c.bytes is not None:
        lines.append(
            f"that is the sidecar's count; the tokens alone say {c.table_bytes:,} ({c.bytes - c.table_bytes:+,}: what the "
            "tokenizer's normaliser changed)"
        )
    if c.decoded is not None:
        equal = c.documents - len(c.differing)
        lines.append(f"the decoded text has {c.decoded:,} bytes; equal in {equal:,} of {c.documents:,} documents")
    lines += [
        f"  tokens {d.start:,} to {d.stop:,}: {d.counted:,} counted, {d.decoded:,} decoded" for d in c.differing[:10]
    ]
    if c.unknown:
        lines.append(
            f"{c.unknown:,} unknown tokens count 0 bytes: the model has no byte fallback and has lost their text"
        )
    if c.broken:
        lines.append(f"{c.broken:,} bytes belong to characters that are cut off")
    return "\n".join(lines)


def _built_text(b: Built) -> str:
    lines = [f"{b.folder}", f"{b.tokenizer}  {b.vocabulary:,} pieces"]
    for name, s in (("val", b.val), ("train", b.train)):
        lines.append(
            f"{name}: {s.documents:,} documents, {s.tokens:,} tokens, {s.bytes:,} bytes ({s.bytes - s.text_bytes:+,} against the "
            f"text before the tokenizer's normaliser), {len(s.files)} file{'s' * (len(s.files) != 1)}"
        )
    return "\n".join(lines)


def _fetched_text(f: Fetched) -> str:
    at = f" (commit {f.commit})" if f.commit else ""
    return "\n".join(
        (
            f"{f.folder}: {len(f.val)} validation and {len(f.train)} training shards, verified{at}",
            *(str(p) for p in f.tokenizer),
        )
    )


def _json(result: Any) -> str:
    return json.dumps(asdict(result), indent=1, default=str)


@contextmanager
def _clear_errors() -> Iterator[None]:
    """The evaluator's errors as the command line's."""
    from evaluator.bytes import BytesError
    from evaluator.corpus.base import CorpusError
    from evaluator.shards import ShardError

    try:
        yield
    except (BytesError, CorpusError, ShardError) as e:
        raise AuditorError(str(e)) from None


@contextmanager
def _telling() -> Iterator[Callable[[Step], None]]:
    """A bar for each step on stderr, if a person is looking."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda step: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f} {task.fields[unit]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, Any] = {}

        def tell(step: Step) -> None:
            if step.what not in tasks:
                tasks[step.what] = bars.add_task(step.what, total=step.total, unit=step.unit)
            bars.update(tasks[step.what], completed=step.done, total=step.total)

        yield tell
