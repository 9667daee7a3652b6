"""An audit in which every text that a submission can choose tries to break out of the report."""

from __future__ import annotations

from dataclasses import replace

from auditor.audit import Audit
from rules.evidence import Gap, Location, Phase, PhaseKind, Script
from rules.finding import Fact
from tests.report import samples
from tests.report.samples import DISPUTED, LIKELY, NEEDS_HUMAN, PASSED, UNDECIDED, VIOLATION, WAIVED

PAYLOADS = (
    "</script><script>alert(1)</script>",
    "</style></title></details></code></pre><img src=x onerror=alert(1)>",
    "\"><svg onload='alert(1)'>",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}${7*7}",
    "\u202egnp.exe \u2066hidden\u2069 \u200b\ufeff\U000e0041",
    "\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07link\x1b]8;;\x07 \x9b2J \x00 \x08",
    "@openai @0hq thanks, fixes #1234, GH-77, openai/parameter-golf#5, mail@evil.example",
    "https://evil.example/a www.evil.example :smile: $x_1$",
    "`tick` ``two`` ```\nfence\n``` | a | b | ![i](https://evil.example/i.png) [l](https://evil.example) <https://evil.example>",
    "\n::error file=a::gone\r\n::stop-commands::x\n  ::add-mask::e\n##[add-mask]e",
    "%0A::error::x",
    "\ud800 lone",
    "*bold* _it_ ~~no~~ # head\n- item\n> quote\n1. one\n---\n<!-- gone",
    "Z" + "\u0301" * 40,
    "\\| \\` \\< &#60;b&#62; &lt;i&gt;",
)
ALL = " ".join(PAYLOADS)
FILE = "a/../../etc/passwd <img src=x> | `x` @openai \n::error::x \u202e.log"


def at(text: str) -> Location:
    return Location(FILE, 7, text, 0)


def hostile() -> Audit:
    """One finding per payload and status, hostile names, labels, values, gaps and figures."""
    findings = []
    for i, p in enumerate((*PAYLOADS, ALL)):
        base = (VIOLATION, LIKELY, NEEDS_HUMAN, DISPUTED)[i % 4]
        findings.append(
            replace(
                base,
                message=p,
                locations=(at(p), Location("train_gpt.py", 3, p, 1)),
                evidence=(Fact(p, p, at(p)), Fact(ALL, ALL)),
                instead=p,
                show_again=f"scorefirst audit '{p}'",
                disputes=(p,) if i % 3 == 0 else base.disputes,
            )
        )
    findings += [replace(WAIVED, message=ALL, waiver=ALL), *(replace(f, message=ALL) for f in (*UNDECIDED, *PASSED))]
    audit = samples.audit(*findings, folder=f"records/track_10min_16mb/{ALL}", coverage=(Gap(ALL, ALL, FILE),))
    evidence = audit.evidence
    assert evidence is not None
    run = evidence.claims.runs[0]
    phases = tuple(Phase(PhaseKind.EVAL, p, run.phases[0].seconds) for p in PAYLOADS[:8])
    claims = replace(evidence.claims, runs=(replace(run, file=ALL, phases=phases),))
    comparison = replace(evidence.statistics.comparisons[0], baseline=ALL)
    return replace(
        audit,
        submission=replace(audit.submission, head=ALL, date=ALL, track=ALL, source=ALL, files_read=(FILE, ALL)),
        evidence=replace(
            evidence,
            claims=claims,
            statistics=replace(evidence.statistics, comparisons=(comparison,)),
            package=replace(evidence.package, scripts=(Script(FILE, "entry", "00", 10, ALL),)),
        ),
    )
