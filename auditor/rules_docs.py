"""The pages under `docs/rules`, made from the rules: `python -m auditor.rules_docs [--check] DIR`.

A rule's page is its docstring, a table of its facts, its sources and its examples; so the page
cannot say anything that the rule does not. Output depends on nothing but the rules.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from rules.registry import all_disputes, all_rules, examples
from rules.rule import Dispute, Example, Kind, Rule, Source
from rules.samples import programs, records, scripts

Entry = Rule | Dispute

MARKER = "<!-- Made from the rules by `python -m auditor.rules_docs`. Edit the rule, not this page. -->"
REPOSITORY = "https://github.com/openai/parameter-golf"
MAX_LINES, MAX_WIDTH = 60, 200  # of one file of an example that is not source code

GROUPS = (
    ("Metric validity", ("C", "EVAL", "SG")),
    ("Adaptation", ("TTT", "SLOT")),
    ("Mixing", ("NG", "PPM")),
    ("Bytes", ("BPB", "TOK")),
    ("Calibration", ("CAL",)),
    ("Data", ("VAL", "PREFIX", "LEAK", "DATA", "NET", "EXT", "ENV")),
    ("Budgets", ("TIME", "SIZE")),
    ("Statistics", ("STAT", "REPRO")),
    ("Packaging", ("PKG", "TRACK", "LABEL")),
)
LANGUAGES = {".py": "python", ".c": "c", ".cpp": "cpp", ".cu": "cpp", ".json": "json", ".md": "markdown", ".sh": "bash"}
COMMON = (
    (programs.HEAD, "# … imports, load_tokens, Model and train, common to these examples\n"),
    (programs.MAIN, "# … main: train, save, load, evaluate, print val_loss\n"),
    (scripts.HEAD, "# … imports, load, GPT, nll, step and train, common to these examples\n"),
)


def pages() -> dict[str, str]:
    """Every page, by its path below the folder of pages (`/` as separator), as markdown."""
    entries: tuple[Entry, ...] = (*all_rules(), *all_disputes())
    made = {path(e): _page(e) for e in entries}
    return {"index.md": _index(), **made}


def path(entry: Entry) -> str:
    """Where the page of a rule or dispute lies, relative to the folder of pages."""
    return ("disputes/" if isinstance(entry, Dispute) else "") + entry.id.lower() + ".md"


def group(rule: Rule) -> str:
    """The heading of the index under which a rule stands."""
    if rule.kind is Kind.PERMISSION:
        return "Permissions"
    prefix = rule.short.rstrip("0123456789")
    return next((name for name, prefixes in GROUPS if prefix in prefixes), "Further rules")


def _page(entry: Entry) -> str:
    here = path(entry)
    facts = _dispute_facts(entry) if isinstance(entry, Dispute) else _rule_facts(entry)
    parts = [
        f"# {_short(entry)}: {entry.title}",
        MARKER,
        "| | |\n|---|---|\n" + "\n".join(f"| {k} | {_linked(v, here)} |" for k, v in facts),
        _linked(entry.doc.strip(), here),
        "## Sources\n\n" + "\n".join(f"- {_source(s)}" for s in entry.sources),
        *_examples(entry, here),
        f"[All rules]({_relative('index.md', here)})",
    ]
    return "\n\n".join(parts) + "\n"


def _short(entry: Entry) -> str:
    return entry.short if isinstance(entry, Rule) else "-".join(entry.id.split("-")[:2])


def _rule_facts(rule: Rule) -> list[tuple[str, str]]:
    return [
        ("id", f"`{rule.id}`"),
        ("kind", rule.kind.value),
        ("severity", rule.severity.value),
        ("authority now", str(rule.authority())),
        ("since", rule.since),
        ("tracks", ", ".join(t.value for t in rule.tracks)),
        ("disputes", ", ".join(rule.disputes) or "none"),
        ("decided by", ", ".join(rule.decided_by)),
    ]


def _dispute_facts(dispute: Dispute) -> list[tuple[str, str]]:
    return [
        ("id", f"`{dispute.id}`"),
        ("question", dispute.question),
        ("one side", dispute.side_a),
        ("the other", dispute.side_b),
        ("state", dispute.state),
        ("rules", ", ".join(dispute.rules) or "none"),
        ("attaches to findings", "no, for information only" if dispute.informational else "yes"),
    ]


def _source(s: Source) -> str:
    return f"{s.date}, {_thread(s.thread)}, {s.who} ({s.authority.value}): {s.says}"


def _thread(name: str) -> str:
    number = re.fullmatch(r"#(\d+)", name)
    if number:
        return f"[{name}]({REPOSITORY}/issues/{number[1]})"
    return f"[{name}]({REPOSITORY}#readme)" if name == "README" else name


def _index() -> str:
    rules = all_rules()
    headings = [name for name, _ in GROUPS] + ["Further rules", "Permissions"]
    parts = [
        "# The rules",
        MARKER,
        f"{len(rules)} rules and {len(all_disputes())} open disputes. A page holds the statement, why it is so, how a "
        "breach is proved, what looks alike and is legal, and what to do instead; then the sources and the examples that "
        "the tests are made from.",
    ]
    for heading in headings:
        rows = [r for r in rules if group(r) == heading]
        if rows:
            parts.append(f"## {heading}\n\n" + _table(rows))
    lines = ["| dispute | question | state | rules |", "|---|---|---|---|"]
    for d in all_disputes():
        cells = (f"[{_short(d)}]({path(d)})", d.question, d.state, ", ".join(d.rules) or "none")
        lines.append("| " + " | ".join([cells[0], *(_linked(c, "index.md") for c in cells[1:])]) + " |")
    parts.append("## Disputes\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Rule]) -> str:
    lines = ["| rule | title | severity | authority | since | decided by |", "|---|---|---|---|---|---|"]
    for r in rows:
        cells = (
            f"[{r.short}]({path(r)})",
            r.title,
            r.severity.value,
            str(r.authority()),
            r.since,
            ", ".join(r.decided_by),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _examples(entry: Entry, here: str) -> Iterator[str]:
    """The parts of a page that show the examples: a heading, then one part for each example."""
    cases = examples(entry)
    if not cases:
        return
    yield "## Examples"
    waiting = sorted({e.stage for _, e in cases} & {"source", "trace"})
    if isinstance(entry, Rule) and waiting and not entry.checks:
        what = " and ".join(waiting)
        yield f"They wait for the {what} stage: until it is gathered, the answer is `unverifiable` ({entry.undecided})."
    for valid, example in cases:
        label = "Example" if isinstance(entry, Dispute) else "Valid" if valid else "Invalid"
        yield _example(label, example, here)


def _example(label: str, example: Example, here: str) -> str:
    expected = f"`{example.status.value}`"
    if example.dispute:
        expected += f" ({_linked(example.dispute, here)})"
    head = f"### {label}: {example.name}\n\nExpected: {expected}, {example.track.value} track"
    head += f"; {_linked(example.note, here)}." if example.note else "."
    shown = _source_files(example) if example.stage in ("source", "trace") else _changes(example)
    return "\n\n".join([head, *shown])


def _source_files(example: Example) -> Iterator[str]:
    for name, text in example.files.items():
        for common, instead in COMMON:
            text = text.replace(common, instead)
        yield _block(name, text)


def _changes(example: Example) -> Iterator[str]:
    """What an example changes in the record folder of `rules.samples.records`, in which everything fits."""
    base = records.record()
    same = [n for n, text in example.files.items() if base.get(n) == text]
    gone = [n for n in base if n not in example.files]
    if not gone and len(same) == len(example.files) == len(base):
        yield "The record folder of `rules/samples/records.py` as it is."
        return
    if gone:
        yield "Without " + ", ".join(f"`{n}`" for n in gone) + "."
    for name, text in example.files.items():
        if name in base and name not in same:
            lines = list(difflib.unified_diff(base[name].splitlines(), text.splitlines(), lineterm="", n=0))[2:]
            yield _block(name, "\n".join(line for line in lines if not line.startswith("@@")), "diff")
        elif name not in base:
            yield _block(name, text)


def _block(name: str, text: str, language: str = "") -> str:
    suffix = PurePosixPath(name).suffix
    lines = text.rstrip("\n").splitlines()
    if language or suffix not in (".py", ".c", ".cpp", ".cu"):
        more = len(lines) - MAX_LINES
        lines = [line if len(line) <= MAX_WIDTH else line[:MAX_WIDTH] + " …" for line in lines[:MAX_LINES]]
        lines += [f"… {more} more lines"] if more > 0 else []
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"`{name}`", "", fence + (language or LANGUAGES.get(suffix, "text")), *lines, fence])


def _names() -> dict[str, str]:
    """Short names that a page may mention, with the pages they mean."""
    entries: tuple[Entry, ...] = (*all_rules(), *all_disputes())
    return {_short(e): path(e) for e in entries}


def _linked(text: str, here: str) -> str:
    """The text with rules, disputes and threads linked, code left alone. `here` is the page it stands on."""
    names = _names()
    pattern = re.compile(
        r"(?P<code>```.*?```|`[^`\n]*`)|(?<![\w#&/\[])#(?P<thread>\d{2,4})\b|\b(?P<name>D-\d\d|[A-Z]+\d)\b(?![-\w])",
        re.DOTALL,
    )

    def link(m: re.Match[str]) -> str:
        if m["thread"]:
            return _thread("#" + m["thread"])
        page = names.get(m["name"] or "")
        return m[0] if page is None or page == here else f"[{m[0]}]({_relative(page, here)})"

    return pattern.sub(link, text)


def _relative(page: str, here: str) -> str:
    up = "../" * here.count("/")
    if page.startswith("disputes/") and here.startswith("disputes/"):
        return page.removeprefix("disputes/")
    return up + page


def differing(folder: Path) -> list[str]:
    """Names of pages in `folder` that are missing, stale or left over, sorted."""
    wanted = pages()
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*.md")} if folder.is_dir() else set()
    stale = [n for n, text in wanted.items() if n not in there or (folder / n).read_text(encoding="utf-8") != text]
    return sorted({*stale, *(there - wanted.keys())})


def write(folder: Path) -> list[str]:
    """Write all pages, remove left-over ones that this module made, and name what changed."""
    wanted = pages()
    changed = differing(folder)
    for name in changed:
        file = folder / name
        if name in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[name], encoding="utf-8")
        elif MARKER in file.read_text(encoding="utf-8"):
            file.unlink()
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or with `--check` name those that differ. Returns the exit code, 0 or 1."""
    parser = argparse.ArgumentParser(prog="python -m auditor.rules_docs", description="Makes the rule pages.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 naming the pages that differ")
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of pages, docs/rules in this repository")
    options = parser.parse_args(arguments)
    if not options.check:
        changed = write(options.folder)
        print(f"{len(pages())} pages, {len(changed)} changed")
        return 0
    differ = differing(options.folder)
    for name in differ:
        print(f"{options.folder / name} differs from the rules", file=sys.stderr)
    if differ:
        print(f"refresh with: python -m auditor.rules_docs {options.folder}", file=sys.stderr)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
