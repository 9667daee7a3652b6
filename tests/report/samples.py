"""Audits of our own making: one of every status, with evidence, and a small law to go with them."""

from __future__ import annotations

from dataclasses import replace

from auditor.audit import SCHEMA_VERSION, Audit, SubmissionId, Waiver
from auditor.report.fingerprint import fingerprint
from rules.evidence import (
    Claims,
    Comparison,
    Evaluation,
    Evidence,
    FileFact,
    Gap,
    Location,
    Number,
    Package,
    Phase,
    PhaseKind,
    Run,
    Script,
    SeedStatistics,
    Statement,
    Track,
    Words,
)
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Dispute, Kind, Rule, Source

FOLDER = "records/track_10min_16mb/2026-04-20_GatedStack_Int6_1.0790"
HEAD = "3f2a9c1b7d5e4f60718293a4b5c6d7e8f9012345"
AGAIN = f"scorefirst audit {FOLDER} --only"


def source(authority: Authority = Authority.README, date: str = "2026-03-18") -> Source:
    return Source("README", date, "organizers", "said so in our words", authority)


def rule(name: str, title: str, severity: Severity, authority: Authority = Authority.README) -> Rule:
    return Rule(
        id=name,
        title=title,
        kind=Kind.PROHIBITION,
        severity=severity,
        sources=(source(authority),),
        decided_by=("claims",),
        undecided="a trace of one run would decide it",
        doc=f"{title}.\n\n## Why\nBecause a **score** is a code length.\n\n## Instead\n```python\nscore(chunk); train(chunk)\n```\n",
    )


RULES = (
    rule("BPB1-bytes", "Bits per byte must divide by the bytes of the original text", Severity.FATAL),
    rule("C1-causal", "A score may depend on earlier tokens only", Severity.FATAL),
    rule("C2-normalized", "Every prediction must be a distribution", Severity.FATAL, Authority.COMMUNITY),
    rule("EVAL1-coverage", "All 50,000 documents must be scored", Severity.FATAL),
    rule("PKG2-files", "The folder must hold README, submission.json, a log and the script", Severity.PACKAGING),
    rule("SIZE1-artifact", "Code and model must fit into 16,000,000 bytes", Severity.ELIGIBILITY),
    rule("STAT2-seeds", "Three seeds of one configuration", Severity.ELIGIBILITY),
    rule("TIME1-train", "Training must stop at 600 seconds", Severity.ELIGIBILITY),
    rule("TIME2-eval", "Evaluation must stop at 600 seconds", Severity.ELIGIBILITY),
    rule("VAL1-validation", "No validation data in training", Severity.FATAL),
)
DISPUTES = (
    Dispute(
        id="D-06",
        title="How code bytes are counted",
        question="Which bytes of code count towards the cap: the shipped text or the packed text?",
        side_a="The README counts the bytes of train_gpt.py as shipped.",
        side_b="Accepted records count a packed copy of the script while shipping plain text.",
        state="contradictory authorities",
        sources=(source(),),
        rules=("SIZE1",),
    ),
    Dispute(
        id="D-08",
        title="What counts in the evaluation's 600 seconds",
        question="Do warm-up, decompression and diagnostics count, or only the scored function?",
        side_a="All work done at evaluation counts.",
        side_b="Only the final scored function counts; every accepted record was timed so.",
        state="unresolved",
        sources=(source(),),
        rules=("TIME2",),
    ),
)


def log(seed: int) -> str:
    return f"train_seed{seed}.log"


VIOLATION = Finding(
    rule="SIZE1-artifact",
    status=Status.VIOLATION,
    severity=Severity.ELIGIBILITY,
    message="the log of seed 42 reports 16,012,345 bytes, 12,345 over the cap",
    locations=(
        Location(log(42), 812, "Total submission size int6+brotli: 16012345 bytes"),
        Location(log(314), 811, "Total submission size int6+brotli: 16003001 bytes"),
    ),
    evidence=(
        Fact("counted total", "16,012,345 bytes", Location(log(42), 812)),
        Fact("counted code", "31,999 bytes", Location(log(42), 810)),
        Fact("cap", "16,000,000 bytes"),
    ),
    instead="shrink the model or the script; all three seeds must be under the cap",
    show_again=f"{AGAIN} SIZE1",
)
LIKELY = Finding(
    rule="BPB1-bytes",
    status=Status.LIKELY,
    severity=Severity.FATAL,
    message="the logged loss and bpb imply 157,320,114 bytes of text instead of 151,078,000 (+4.13 %)",
    locations=(Location(log(42), 840, "final_int6_sliding_window_exact val_loss:1.81954210 val_bpb:1.07901234"),),
    evidence=(
        Fact("implied bytes", "157,320,114", Location(log(42), 840)),
        Fact("bytes of the text", "151,078,000"),
        Fact("score if counted right", "1.1236 bpb"),
    ),
    instead="count one byte for a byte-fallback token, then report the loss again",
    show_again=f"{AGAIN} BPB1",
)
NEEDS_HUMAN = Finding(
    rule="STAT2-seeds",
    status=Status.NEEDS_HUMAN,
    severity=Severity.ELIGIBILITY,
    message="the third seed was run with another value of qk_gain",
    locations=(Location(log(999), 14, "qk_gain: 5.25"),),
    evidence=(
        Fact("qk_gain, seed 42", "5.0", Location(log(42), 14)),
        Fact("qk_gain, seed 999", "5.25", Location(log(999), 14)),
    ),
    show_again=f"{AGAIN} STAT2",
)
DISPUTED = Finding(
    rule="TIME2-eval",
    status=Status.DISPUTED,
    severity=Severity.ELIGIBILITY,
    message="the scored function takes 508.8 s, all evaluation work together 741.0 s",
    locations=(Location(log(42), 838, "eval_time:508800ms"),),
    evidence=(
        Fact("scored function", "508.8 s", Location(log(42), 838)),
        Fact("everything", "741.0 s"),
    ),
    disputes=("D-08",),
    show_again=f"{AGAIN} TIME2",
)
UNPACKED = Finding(
    rule="VAL1-validation",
    status=Status.LIKELY,
    severity=Severity.FATAL,
    message="a loss over validation tokens reaches backward before those tokens are scored",
    locations=(Location("train_gpt.py", 412, "        loss = model(val_tokens[i:i + n]); loss.backward()", layer=2),),
    show_again=f"{AGAIN} VAL1",
)
WAIVED = Finding(
    rule="PKG2-files",
    status=Status.VIOLATION,
    severity=Severity.PACKAGING,
    message="submission.json has no field github_id",
    locations=(Location("submission.json"),),
    waiver="the account is named in the pull request (kim, 2026-04-21)",
)
UNDECIDED = (
    Finding("C1-causal", Status.UNVERIFIABLE, Severity.FATAL, "a trace of one run would decide it"),
    Finding(
        "C2-normalized",
        Status.UNVERIFIABLE,
        Severity.FATAL,
        "the check mass of this rule crashed (ZeroDivisionError('division by zero')); please report it",
    ),
)
PASSED = (
    Finding(
        "EVAL1-coverage",
        Status.OK,
        Severity.FATAL,
        "40,540,160 tokens were scored, all of the split",
        locations=(Location(log(42), 12, "val_tokens:40540160"),),
        evidence=(Fact("scored tokens", "40,540,160", Location(log(42), 12)),),
    ),
    Finding("TIME1-train", Status.OK, Severity.ELIGIBILITY, "training stopped at 599.6 s in the slowest run"),
)
IDLE = Finding("VAL1-validation", Status.NOT_APPLICABLE, Severity.FATAL, "does not bind the non-record track")
GAPS = (
    Gap("final_model.int6.ptz", "the clone does not hold the object", "final_model.int6.ptz"),
    Gap("trace", "no run was asked for"),
)


def evaluation(seed: int, bpb: float) -> Evaluation:
    at = Location(log(seed), 840, f"final_int6_sliding_window_exact val_bpb:{bpb:.8f}")
    return Evaluation("final_int6_sliding_window_exact", Number(bpb * 1.6863, at), Number(bpb, at))


def run(seed: int, bpb: float, total: int) -> Run:
    at = Location(log(seed), 812, f"Total submission size int6+brotli: {total} bytes")

    def phase(kind: PhaseKind, name: str, seconds: float, data: str = "") -> Phase:
        return Phase(kind, name, Number(seconds, Location(log(seed), 830)), data)

    return Run(
        file=log(seed),
        family="modded",
        seed=Number(seed, Location(log(seed), 3)),
        settings={"seed": Words(str(seed), Location(log(seed), 3)), "qk_gain": Words("5.0", Location(log(seed), 14))},
        train_seconds=Number(599.6, Location(log(seed), 800)),
        code_bytes=Number(31_999, Location(log(seed), 810)),
        model_bytes=Number(total - 31_999, Location(log(seed), 811)),
        total_bytes=Number(total, at),
        evaluations=(evaluation(seed, bpb),),
        final=0,
        phases=(
            phase(PhaseKind.TRAIN, "training", 599.6, "train"),
            phase(PhaseKind.CALIBRATION, "hessians", 4.1, "train"),
            phase(PhaseKind.WARMUP, "compile warm-up", 137.6),
            phase(PhaseKind.LOAD, "decompress", 44.6),
            phase(PhaseKind.DIAGNOSTIC, "quantised, no adaptation", 50.0, "validation"),
            phase(PhaseKind.EVAL, "score-first adaptation", 508.8, "validation"),
        ),
    )


def evidence() -> Evidence:
    readme = Location("README.md", 5, "Mean of three seeds: **1.0790** bpb")
    bpbs = {42: 1.07901234, 314: 1.07852345, 999: 1.07950456}
    runs = (run(42, bpbs[42], 16_012_345), run(314, bpbs[314], 16_003_001), run(999, bpbs[999], 15_998_772))
    return Evidence(
        package=Package(
            folder=FOLDER,
            head=HEAD,
            pr=1234,
            track=Track.RECORD,
            files=(FileFact("train_gpt.py", size=158_429), FileFact("README.md", size=4_000)),
            scripts=(Script("train_gpt.py", "entry", "00" * 32, 158_429, "import torch\n"),),
        ),
        claims=Claims(
            metadata=Statement("submission.json", val_bpb=Number(1.0790, Location("submission.json", 4), 0.0001)),
            readme=Statement(
                "README.md",
                val_bpb=Number(1.0790, readme, 0.0001),
                total_bytes=Number(15_990_000, Location("README.md", 9), 10_000),
            ),
            runs=runs,
        ),
        statistics=SeedStatistics(
            values=tuple(Number(v, Location(log(s), 840)) for s, v in bpbs.items()),
            seeds=tuple(bpbs),
            mean=1.07901345,
            std=0.00049056,
            comparisons=(
                Comparison("frontier of its day, #1122 at 1.0808", "bpb", 0.0, 0.00180, 0.0021, 3, 3),
                Comparison("listed record of its day, #1100 at 1.0816", "nats per byte", 0.005, 0.0018, 0.98, 3, 3),
            ),
        ),
    )


def audit(
    *findings: Finding,
    verdict: Status | None = None,
    folder: str = FOLDER,
    with_evidence: bool = True,
    coverage: tuple[Gap, ...] = GAPS,
    pr: int | None = 1234,
) -> Audit:
    """An audit of these findings, or of one of every kind when none are given."""
    chosen = findings or (VIOLATION, LIKELY, UNPACKED, NEEDS_HUMAN, DISPUTED, WAIVED, *UNDECIDED, *PASSED, IDLE)
    named = tuple(replace(f, fingerprint=fingerprint(f, folder)) for f in chosen)
    open_ = [f.status for f in named if f.status.rank <= Status.OK.rank and not f.waiver]
    return Audit(
        schema_version=SCHEMA_VERSION,
        tool_version="0.1.0",
        edition="2026-05-02",
        submission=SubmissionId(
            folder=folder,
            head=HEAD,
            base="0" * 40,
            pr=pr,
            track="record",
            date="2026-04-20T10:11:12+00:00",
            source=f"#{pr}" if pr else folder,
            files_read=("README.md", "submission.json", "train_gpt.py", log(42), log(314), log(999)),
        ),
        verdict=verdict or min(open_, key=lambda s: s.rank, default=Status.OK),
        findings=named,
        coverage=coverage,
        waivers=(Waiver("PKG2", "the account is named in the pull request", "kim", "2026-04-21", pr=pr),),
        evidence=evidence() if with_evidence else None,
    )


def clean() -> Audit:
    """An audit without an alarm."""
    return audit(*PASSED, folder="records/track_10min_16mb/2026-04-21_Plain_1.0810", coverage=(), pr=1240)


def undecided() -> Audit:
    return audit(
        *UNDECIDED, *PASSED, folder="records/track_non_record_16mb/2026-04-22_Odd", pr=1250, with_evidence=False
    )
