"""The README and the usage page say what the tool says of itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from auditor.api import audit_submission
from auditor.cli import app
from auditor.exit_codes import BY_SEVERITY, FAIL_ON, UNEXPLAINED
from auditor.report import Options, render
from rules.finding import Status
from rules.registry import examples, find
from tests.support import submission

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
USAGE = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def test_the_list_of_commands_is_the_help() -> None:
    block = re.search(r"usage: scorefirst COMMAND\n\n(.*?)```", README, re.DOTALL)
    assert block
    listed = dict(line.split(None, 1) for line in block[1].strip().splitlines())
    assert listed.keys() == COMMANDS.keys()
    for name, text in listed.items():
        assert (COMMANDS[name].help or "").startswith(text.rstrip(".")), name


@pytest.mark.parametrize("page", [README, USAGE], ids=["README", "usage"])
def test_every_option_named_in_the_pages_exists(page: str) -> None:
    known = {o for c in COMMANDS.values() for p in c.params for o in p.opts} | {"--help"}
    for block in re.findall(r"```bash\n(.*?)```|`(scorefirst [^`]*)`", page, re.DOTALL):
        for line in "".join(block).splitlines():
            if line.startswith("scorefirst "):
                words = line.split("#")[0].split()
                assert words[1] in COMMANDS or words[1] == "COMMAND", line
                assert {w for w in words if w.startswith("-")} <= known, line


def test_the_table_of_exit_codes_is_the_code() -> None:
    table = re.search(r"## Exit codes\n(.*?)\n## ", README, re.DOTALL)
    assert table
    codes = [int(c) for c in re.findall(r"^\| (\d+) \|", table[1], re.MULTILINE)]
    assert codes == [0, 1, 2, 3, UNEXPLAINED, *sorted(BY_SEVERITY.values())]
    for severity, code in BY_SEVERITY.items():
        assert re.search(rf"^\| {code} \|.*{severity.value}", table[1], re.MULTILINE)
    assert f"`--fail-on {'|'.join(FAIL_ON)}`" in table[1]


def test_every_status_is_explained() -> None:
    for status in Status:
        assert f"`{status.value}`" in README


def test_the_example_is_what_the_tool_prints() -> None:
    block = re.search(r"<!-- example: (\S+) / (.+?) -->\n```text\n(.*?)```", README, re.DOTALL)
    assert block
    rule = find(block[1])
    example = next(e for _, e in examples(rule) if e.name == block[2])
    audit = audit_submission(submission(example.files, example.track, example.date), only=frozenset({rule.id}))
    shown = render("terminal", [audit], Options(width=110))
    start, end = shown.index("violation["), shown.index("   = show again")
    assert block[3] == shown[start:end]


def test_links_resolve() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
