"""Run commands in READMEs and shell scripts, read without running a shell."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.claims.commands import MAX_COMMANDS, read_commands
from rules.evidence import Command


def read(text: str, file: str = "README.md") -> tuple[Command, ...]:
    return read_commands(text.encode(), file)


def block(*lines: str, language: str = "bash") -> str:
    return "\n".join([f"```{language}", *lines, "```", ""])


def parts(command: Command) -> tuple[dict[str, str], str, tuple[str, ...]]:
    return command.env, command.program, command.args


RUN = ("--standalone", "--nproc_per_node=8", "train_gpt.py")


def test_assignments_continuations_and_flags() -> None:
    (c,) = read(
        "# Title\n\n"
        + block(
            "SEED=3 WIDTH=640 \\",
            "  NOTE='two words' \\",
            "  torchrun --standalone --nproc_per_node=8 train_gpt.py --tag x",
        )
    )
    assert parts(c) == ({"SEED": "3", "WIDTH": "640", "NOTE": "two words"}, "torchrun", (*RUN, "--tag", "x"))
    assert (c.at.file, c.at.line, c.at.text) == ("README.md", 4, "SEED=3 WIDTH=640 \\")


def test_export_lines_hold_until_the_end_of_their_block() -> None:
    found = read(
        block("export SEED=3", 'export DATA="./data"', "python train.py", "unset SEED", "python train.py -v")
        + block("python other.py")
    )
    assert [parts(c) for c in found] == [
        ({"SEED": "3", "DATA": "./data"}, "python", ("train.py",)),
        ({"DATA": "./data"}, "python", ("train.py", "-v")),
        ({}, "python", ("other.py",)),
    ]


def test_loops_keep_their_variable() -> None:
    (c,) = read(
        block(
            "for s in 1 2 3; do",
            "  SEED=$s torchrun --standalone --nproc_per_node=8 train_gpt.py 2>&1 | tee log_$s.txt",
            "done",
        )
    )
    assert parts(c) == ({"SEED": "$s"}, "torchrun", RUN)


@pytest.mark.parametrize(
    ("line", "env", "program", "args"),
    [
        ("env A=1 B=2 python -u train.py", {"A": "1", "B": "2"}, "python", ("-u", "train.py")),
        ("env $COMMON SEED=4 python train.py", {"SEED": "4"}, "python", ("train.py",)),
        ("nohup timeout 600 python3 train.py > out.log 2>&1 &", {}, "python3", ("train.py",)),
        (
            "CUDA_VISIBLE_DEVICES=0,1 python3 -m torch.distributed.run train.py",
            {"CUDA_VISIBLE_DEVICES": "0,1"},
            "python3",
            ("-m", "torch.distributed.run", "train.py"),
        ),
        ("cd folder && SEED=1 bash run.sh --nproc 8", {"SEED": "1"}, "bash", ("run.sh", "--nproc", "8")),
        ("$ ./run_all.sh fast", {}, "./run_all.sh", ("fast",)),
        ("(venv) me@box:~/golf$ python train.py", {}, "python", ("train.py",)),
        ('bash -c "SEED=9 python train.py"', {"SEED": "9"}, "python", ("train.py",)),
        ("X=${Y:-3} Z=$(date +%s) python train.py", {"X": "${Y:-3}", "Z": "$(date +%s)"}, "python", ("train.py",)),
        ("SEED=<seed> torchrun --standalone --nproc_per_node=8 train_gpt.py", {"SEED": "<seed>"}, "torchrun", RUN),
        ("if true; then python train.py; fi", {}, "python", ("train.py",)),
        ("uv run python train.py", {}, "uv", ("run", "python", "train.py")),
    ],
)
def test_forms_of_a_command(line: str, env: dict[str, str], program: str, args: tuple[str, ...]) -> None:
    assert [parts(c) for c in read(block(line))] == [(env, program, args)]


@pytest.mark.parametrize(
    "line",
    [
        "pip install torch",
        "python -m pip install -r requirements.txt",
        "apt-get install zstd",
        "git clone https://example.org/x.git",
        "# python train.py",
        "ls train.py",
        'python -c "import torch"',
        "python --version",
        "echo python train.py",
        "cat train.py | head",
        "export SEED=1",
        "bash --version",
    ],
)
def test_what_is_no_run(line: str) -> None:
    assert read(block(line)) == ()


def test_here_documents_are_not_commands() -> None:
    found = read(
        block("cat > run.sh <<'EOF'", "python inside.py", "EOF", "python - <<PY", "import os", "PY", "bash run.sh")
    )
    assert [parts(c) for c in found] == [({}, "bash", ("run.sh",))]
    assert found[0].at.line == 8


def test_powershell() -> None:
    (c,) = read(block('$env:SEED="5"', "python train.py `", "  --fast", language="powershell"))
    assert parts(c) == ({"SEED": "5"}, "python", ("train.py", "--fast"))


def test_code_in_other_languages_is_skipped() -> None:
    assert read(block("python train.py", language="python")) == ()
    assert read(block('{"cmd": "python train.py"}', language="json")) == ()


def test_inline_code_indented_blocks_and_tables() -> None:
    text = "Run `SEED=2 python train.py` first; `train.py` is the script.\n\n    python second.py\n\n| What | How |\n|---|---|\n| third | `python third.py -x` |\n"
    assert [(c.at.line, *parts(c)) for c in read(text)] == [
        (1, {"SEED": "2"}, "python", ("train.py",)),
        (3, {}, "python", ("second.py",)),
        (7, {}, "python", ("third.py", "-x")),
    ]


def test_a_command_that_stands_in_prose() -> None:
    (c,) = read(
        "To run it:\n\nSEED=2 \\\nWIDTH=3 \\\ntorchrun --standalone --nproc_per_node=8 train_gpt.py\n\nThe python file train.py is long.\n"
    )
    assert parts(c) == ({"SEED": "2", "WIDTH": "3"}, "torchrun", RUN)
    assert c.at.line == 3


def test_a_shell_script_is_read_as_a_whole() -> None:
    found = read(
        '#!/bin/bash\nset -euo pipefail\nexport SEED=${SEED:-7}\nif [ -n "$1" ]; then\n  python3 train.py "$@"\nfi\n',
        "run.sh",
    )
    assert [(c.at.line, *parts(c)) for c in found] == [(5, {"SEED": "${SEED:-7}"}, "python3", ("train.py", "$@"))]


def test_a_command_with_hundreds_of_settings() -> None:
    settings = {f"KEY_{i}": str(i) for i in range(300)}
    (c,) = read(block(*(f"{k}={v} \\" for k, v in settings.items()), "python train.py"))
    assert c.env == settings


def test_repeated_commands_are_given_once_and_their_number_is_bounded() -> None:
    assert len(read(block("python a.py", "python a.py", "python b.py"))) == 2
    assert len(read(block(*(f"python t{i}.py" for i in range(2 * MAX_COMMANDS))))) == MAX_COMMANDS


NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True)
WORDS = st.text(alphabet="abcXYZ019 ./=-_:,'\"", min_size=1, max_size=12)


@given(st.dictionaries(NAMES, WORDS, max_size=5), st.lists(WORDS, max_size=4))
def test_what_a_shell_would_see_is_what_is_read(env: dict[str, str], args: list[str]) -> None:
    line = " ".join(
        [*(f"{k}={shlex.quote(v)}" for k, v in env.items()), "python train.py", *(shlex.quote(a) for a in args)]
    )
    (c,) = read(line + "\n", "run.sh")
    assert parts(c) == (env, "python", ("train.py", *args))


@given(
    st.text(max_size=300)
    | st.lists(
        st.sampled_from(
            ["```bash", "\n", "SEED=", "$(", "'", '"', "\\\n", "python", " a.py", "<<EOF", "|", "&&", "`", "$"]
        ),
        max_size=60,
    ).map("".join)
)
def test_no_text_makes_the_reader_raise(text: str) -> None:
    for file in ("README.md", "run.sh"):
        assert len(read(text, file)) <= MAX_COMMANDS


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    for c in read_commands(data, "run.sh"):
        assert c.program
