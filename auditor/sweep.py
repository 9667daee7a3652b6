"""Audits many pull requests of a clone in parallel, and can be stopped and resumed at any moment.

`results.jsonl` gets one line for each record folder (the audit's JSON plus `pr`), all lines of a pull
request in one write. A request without a record folder gets one line with no findings, so
that every head is accounted for. On resume the last request of the file is done again, since its
write may have been cut off, and every other head that is already there is skipped.
"""

from __future__ import annotations

import gc
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from auditor.audit import Audit
from auditor.submission.base import UsageError

Head = tuple[int, str]  # number and commit of a pull request
RESULTS, SUMMARY = "results.jsonl", "summary.md"
BATCH = 8  # requests per task: enough to amortise the hand-over, few enough to lose little


@dataclass(frozen=True, slots=True)
class Done:
    """What one pull request came to: its lines for `results.jsonl`."""

    pr: int
    lines: tuple[str, ...]


def run_sweep(
    repo: Path,
    out: Path,
    *,
    prs: str = "",
    open_only: bool = False,
    law: str = "latest",
    jobs: int = 0,
    engine: str = "local",
    scheduler: str = "",
    fresh: bool = False,
) -> None:
    """Audit the chosen heads and write `results.jsonl` and `summary.md` into `out`."""
    from auditor.submission import Repo, all_prs

    if engine not in ("local", "dask"):
        raise UsageError(f"--engine {engine}: use local or dask")
    wanted = parse_range(prs) if prs else None
    with Repo(repo) as clone:
        heads = [(n, sha) for n, sha in all_prs(clone, open_only=open_only) if wanted is None or n in wanted]
    if not heads:
        raise UsageError(f"{repo} holds no such pull request heads (refs/pull/N/head)")
    try:
        out.mkdir(parents=True, exist_ok=True)
        results = out / RESULTS
        if fresh:
            results.unlink(missing_ok=True)
        done, cut = resume(results)
    except OSError as e:
        raise UsageError(f"cannot write to {out}: {e.strerror}") from None
    # What was cut off the file is done again even when it is not asked for this time: nothing is lost.
    todo = [*cut, *((n, sha) for n, sha in heads if (n, sha) not in done and (n, sha) not in cut)]
    console = Console(stderr=True)
    if done:
        console.print(f"resuming: {len(done)} heads are done, {len(todo)} to do", highlight=False)
    started = time.monotonic()
    _work(repo, todo, results, console, law=law, jobs=jobs, engine=engine, scheduler=scheduler)
    seconds = time.monotonic() - started
    text = summarise(results, {n for n, _ in heads})
    (out / SUMMARY).write_text(text, encoding="utf-8")
    rate = len(todo) / seconds if seconds else 0.0
    print(text)
    console.print(
        f"{len(todo)} heads in {seconds:.0f} s ({rate:.1f}/s); wrote {results} and {out / SUMMARY}", highlight=False
    )


def _work(
    repo: Path,
    todo: Sequence[tuple[int, str]],
    results: Path,
    console: Console,
    *,
    law: str,
    jobs: int,
    engine: str,
    scheduler: str,
) -> None:
    batches = [tuple(todo[i : i + BATCH]) for i in range(0, len(todo), BATCH)]
    columns = (
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with open(results, "ab", buffering=0) as f, Progress(*columns, console=console) as progress:
        task = progress.add_task("auditing", total=len(todo), rate="")
        started, count, said = time.monotonic(), 0, time.monotonic()
        for batch in _run(str(repo), batches, law, jobs, engine, scheduler):
            for done in batch:
                f.write("".join(line + "\n" for line in done.lines).encode())
                count += 1
            now = time.monotonic()
            rate = count / (now - started)
            progress.update(task, completed=count, rate=f"{rate:.1f}/s")
            if not console.is_terminal and now - said > 15:
                console.print(
                    f"{count}/{len(todo)} heads, {rate:.1f}/s, {(len(todo) - count) / rate:.0f} s left", highlight=False
                )
                said = now


def _run(
    repo: str, batches: Sequence[tuple[tuple[int, str], ...]], law: str, jobs: int, engine: str, scheduler: str
) -> Iterator[tuple[Done, ...]]:
    if engine == "dask":
        yield from _run_dask(repo, batches, law, scheduler)
        return
    from joblib import Parallel, delayed

    jobs = jobs or os.cpu_count() or 1
    if jobs == 1:
        yield from (audit_batch(repo, b, law) for b in batches)
        return
    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch="4*n_jobs", batch_size=1)
    yield from parallel(delayed(audit_batch)(repo, b, law) for b in batches)


def _run_dask(
    repo: str, batches: Sequence[tuple[tuple[int, str], ...]], law: str, scheduler: str
) -> Iterator[tuple[Done, ...]]:
    try:
        from dask.distributed import Client, as_completed
    except ImportError:
        raise UsageError("--engine dask needs the cluster extra: pip install 'scorefirst[cluster]'") from None
    try:
        client = Client(scheduler or None, timeout=20)
    except OSError as e:
        raise UsageError(f"no dask scheduler answers at {scheduler}: {e}") from None
    with client:
        futures = [client.submit(audit_batch, repo, b, law, pure=False) for b in batches]
        for future in as_completed(futures):
            yield future.result()


_repos: dict[str, Any] = {}


def audit_batch(repo: str, heads: Sequence[tuple[int, str]], law: str) -> tuple[Done, ...]:
    """Audit some heads in this process; the clone stays open for the next batch."""
    from auditor.submission import Repo

    # Syntax trees are large and free of cycles; collecting as often as Python does by default costs a sixth of the time.
    gc.set_threshold(200_000, 20, 50)
    clone = _repos.setdefault(repo, None) or Repo(Path(repo))
    _repos[repo] = clone
    return tuple(Done(n, tuple(_lines(clone, Path(repo), n, sha, law))) for n, sha in heads)


def _lines(clone: Any, repo: Path, pr: int, sha: str, law: str) -> Iterator[str]:
    from auditor import api
    from auditor.report.json_ import to_object
    from auditor.submission import Target
    from auditor.submission.base import AuditorError

    try:
        for audit in api.audit(Target(repo=repo, pr=pr), law=law, repo=clone, keep_evidence=True):
            yield dumps({**to_object(audit), "pr": pr, "has": _has(audit)})
    except AuditorError as e:
        yield dumps(_empty(pr, sha, law, type(e).__name__, str(e)))
    except Exception as e:
        yield dumps(_empty(pr, sha, law, "crash", f"the audit crashed ({e!r}); please report it"))


def _has(audit: Audit) -> dict[str, Any]:
    """What the folder brought to be judged: number of logs with a result, submission.json, a claimed bpb."""
    assert audit.evidence is not None
    claims, script = audit.evidence.claims, audit.evidence.package.entry
    return {
        "logs": sum(1 for r in claims.runs if r.result),
        "json": claims.metadata is not None,
        "claim": claims.val_bpb is not None,
        "script": script is not None,
        "packed": script is not None and script.packed,
    }


def dumps(thing: object) -> str:
    """One line of JSON that is valid UTF-8 whatever the names of files were."""
    return json.dumps(thing, ensure_ascii=True, separators=(",", ":"))


def _empty(pr: int, sha: str, law: str, what: str, why: str) -> dict[str, Any]:
    from auditor.api import TOOL_VERSION
    from auditor.audit import SCHEMA_VERSION, SubmissionId
    from auditor.report.json_ import to_object
    from rules.editions import LATEST
    from rules.evidence import Gap
    from rules.finding import Status

    edition = law if re.fullmatch(r"\d{4}-\d{2}-\d{2}", law) else LATEST.date
    audit = Audit(
        SCHEMA_VERSION,
        TOOL_VERSION,
        edition,
        SubmissionId(folder="", head=sha, pr=pr, source=f"#{pr}"),
        Status.UNVERIFIABLE,
        (),
        (Gap(what, why),),
    )
    return {**to_object(audit), "pr": pr}


def parse_range(text: str) -> frozenset[int]:
    """The numbers of "1-500,745": ranges and single numbers. Raises UsageError."""
    found: set[int] = set()
    for part in text.replace(" ", "").split(","):
        m = re.fullmatch(r"(\d{1,7})(?:-(\d{1,7}))?", part)
        if not m or (m[2] and int(m[2]) < int(m[1])):
            raise UsageError(f"--prs {text}: {part!r} is no number and no range such as 1-500")
        found.update(range(int(m[1]), int(m[2] or m[1]) + 1))
    return frozenset(found)


def resume(results: Path) -> tuple[frozenset[Head], tuple[Head, ...]]:
    """What is done, and what was cut off the file: the last request, whose write may be incomplete."""
    if not results.exists():
        return frozenset(), ()
    done: list[tuple[int, str, int]] = []
    offset = 0
    with open(results, "rb") as f:
        for line in f:
            try:
                entry = json.loads(line)
                done.append((int(entry["pr"]), str(entry["submission"]["head"]), offset))
            except (ValueError, KeyError, TypeError, RecursionError):
                break
            offset += len(line)
    if not done:
        with open(results, "rb") as f:
            # A write that was cut off has no line end; a whole line that is not ours is somebody's file.
            if f.readline().endswith(b"\n"):
                raise UsageError(f"{results} is no result of a sweep, or is damaged: choose another folder, or --fresh")
        results.unlink()
        return frozenset(), ()
    last = done[-1][:2]
    keep = next(o for n, sha, o in done if (n, sha) == last)
    with open(results, "r+b") as f:
        f.truncate(keep)
    return frozenset((n, sha) for n, sha, o in done if o < keep), (last,)


@dataclass
class _Tally:
    heads: set[int] = field(default_factory=set)
    folders: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    alarms: Counter[tuple[str, str]] = field(default_factory=Counter)
    without: Counter[str] = field(default_factory=Counter)
    has: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)


def summarise(results: Path, heads: Iterable[int]) -> str:
    """A table of the results of some pull requests, as markdown."""
    wanted, t = set(heads), _Tally()
    with open(results, encoding="utf-8") as f:
        for line in f:
            entry = json.loads(line)
            if entry["pr"] not in wanted:
                continue
            t.heads.add(entry["pr"])
            if not entry["findings"]:
                what = entry["coverage"][0]["what"] if entry["coverage"] else "nothing"
                t.without[what] += 1
                if what == "crash":
                    t.crashes.append(f"#{entry['pr']}: {entry['coverage'][0]['why']}")
                continue
            t.folders += 1
            t.verdicts[entry["verdict"]] += 1
            t.has.update(name for name, value in entry.get("has", {}).items() if value)
            t.alarms.update({(f["rule"], f["status"]) for f in entry["findings"]})
            t.crashes += [f"#{entry['pr']}: {g['why']}" for g in entry["coverage"] if "crashed" in g["why"]]
            t.crashes += [f"#{entry['pr']}: {f['message']}" for f in entry["findings"] if "crashed" in f["message"]]
    return _table(t)


def _table(t: _Tally) -> str:
    shown = ("violation", "likely", "needs-human", "disputed")
    lines = [
        "# Sweep",
        "",
        f"{len(t.heads):,} heads, {t.folders:,} record folders audited; crashes: {len(t.crashes)}",
        "",
    ]
    lines += [f"- {c}" for c in t.crashes[:20]]
    lines += [f"- without a record folder ({what}): {n}" for what, n in t.without.most_common()]
    words = {
        "logs": "a log with a result",
        "json": "submission.json",
        "claim": "a claimed bpb",
        "script": "an entry script",
    }
    words["packed"] = "a packed entry script"
    share = [f"{text} {t.has[name] / t.folders:.1%}" for name, text in words.items() if t.folders]
    lines += [f"- folders with {', '.join(share)}"] if share else []
    lines += ["", "| verdict | folders |", "|---|---:|", *(f"| {v} | {n:,} |" for v, n in t.verdicts.most_common())]
    lines += ["", "| rule | " + " | ".join(shown) + " |", "|---|" + "---:|" * len(shown)]
    for rule in sorted({r for r, s in t.alarms if s in shown}):
        lines.append(
            f"| {rule} | " + " | ".join(f"{t.alarms[rule, s]:,}" if t.alarms[rule, s] else "" for s in shown) + " |"
        )
    return "\n".join(lines) + "\n"
