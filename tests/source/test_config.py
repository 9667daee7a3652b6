"""The configuration of the claimed run, out of commands, run scripts and logs of our own writing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from auditor.claims.commands import read_commands
from auditor.claims.logs import read_runs
from auditor.source.config import Configuration, claimed_run, configuration
from rules.evidence import Claims, Evidence, Location, Number, Package, Script, Statement

CODE = """
import os
class Args:
    ttt_enabled = bool(int(os.environ.get("TTT_ENABLED", "0")))
    ttt_lr = float(os.environ.get("TTT_LR", "0.01"))
    order = int(os.environ.get("NGRAM_ORDER", "0"))
    cache = os.environ.get("CACHE_MODE", "off")
    layers = int(os.environ.get("NUM_LAYERS", "9"))
"""


def script(path: str, text: str, role: str = "entry", imports: tuple[str, ...] = ()) -> Script:
    return Script(path, role, "", len(text), text, text, imports=imports)


def log(*dump: str, bpb: float = 1.2, late: tuple[str, ...] = (), ranks: int = 8) -> str:
    lines = [f"seed:1 world_size:{ranks}", "val_tokens: 62021632"]
    lines += ["Hyperparameters:", *(f"  {d}" for d in dump)] if dump else []
    lines += [f"step:{i}/3 train_loss:4.0 train_time:{i}00ms" for i in (1, 2, 3)]
    lines += [*late, f"final_sliding_exact val_loss:{bpb * 1.69:.8f} val_bpb:{bpb:.8f} eval_time:900ms"]
    return "\n".join(lines)


def evidence(
    readme: str = "", *scripts: Script, logs: dict[str, str] | None = None, folder: str = "records/t/mine"
) -> Evidence:
    files = scripts or (script("train_gpt.py", CODE),)
    runs = read_runs([(name, text.encode()) for name, text in (logs or {}).items()])
    claims = Claims(
        metadata=Statement("submission.json", val_bpb=Number(1.2, Location("submission.json", 1), 0.0001)),
        runs=runs,
        commands=read_commands(readme.encode(), "README.md"),
    )
    return Evidence(Package(folder, scripts=files), claims)


def conf(readme: str = "", *scripts: Script, logs: dict[str, str] | None = None) -> Configuration:
    e = evidence(readme, *scripts, logs=logs)
    entry = e.package.entry
    assert entry is not None
    return configuration(e, entry)


def block(*lines: str) -> str:
    return "\n".join(("```bash", *lines, "```", ""))


def values(c: Configuration) -> dict[str, str]:
    return {name: s.value for name, s in c.env.items()}


RUN = "torchrun --nproc_per_node=8 train_gpt.py"


def test_nothing_known_leaves_the_defaults() -> None:
    assert conf() == Configuration()


def test_the_command_of_the_entry_script() -> None:
    c = conf(block("TTT_ENABLED=1 torchrun --nproc_per_node=4 train_gpt.py --steps 3"))
    assert values(c) == {"TTT_ENABLED": "1"}
    assert (c.env["TTT_ENABLED"].origin, c.env["TTT_ENABLED"].at.line) == ("command", 2)
    assert c.arguments == ("--steps", "3")
    assert c.world_size == 4


def test_commands_of_other_scripts_do_not_count() -> None:
    c = conf(
        block(
            "TTT_ENABLED=1 python3 evaluate_elsewhere.py",
            "NGRAM_ORDER=5 torchrun --nproc_per_node=8 records/t/theirs/train_gpt.py",
            f"TTT_LR=0.3 {RUN}",
        )
    )
    assert values(c) == {"TTT_LR": "0.3"}
    assert not c.unsure


def test_a_command_with_the_folders_own_path_counts() -> None:
    c = conf(block("NGRAM_ORDER=5 torchrun --nproc_per_node=8 records/t/mine/train_gpt.py"))
    assert values(c) == {"NGRAM_ORDER": "5"}


def test_commands_that_disagree_leave_a_variable_unsure() -> None:
    c = conf(block(f"NUM_LAYERS=11 TTT_ENABLED=1 {RUN}", f"NUM_LAYERS=11 TTT_ENABLED=0 {RUN}", f"NUM_LAYERS=11 {RUN}"))
    assert values(c) == {"NUM_LAYERS": "11"}
    assert c.unsure == {"ttt_enabled"}


def test_seeds_and_paths_are_not_unsure() -> None:
    c = conf(block(f"SEED=1 RUN_ID=a DATA_PATH=x {RUN}", f"SEED=2 RUN_ID=b {RUN}"))
    assert not c.unsure
    assert not c.env


def test_the_log_picks_the_command() -> None:
    readme = block(f"NUM_LAYERS=11 TTT_LR=0.2 NGRAM_ORDER=5 {RUN}", f"NUM_LAYERS=9 TTT_LR=0.2 {RUN}")
    c = conf(readme, logs={"train.log": log("num_layers: 11", "ttt_lr: 0.2")})
    assert values(c) == {"NUM_LAYERS": "11", "TTT_LR": "0.2", "NGRAM_ORDER": "5"}
    c = conf(readme, logs={"train.log": log("num_layers: 9", "ttt_lr: 0.2")})
    assert values(c) == {"NUM_LAYERS": "9", "TTT_LR": "0.2"}
    assert not c.unsure


def test_the_log_outranks_the_command() -> None:
    c = conf(block(f"TTT_ENABLED=0 {RUN}"), logs={"train.log": log("ttt_enabled: True", "num_layers: 11")})
    assert (c.env["TTT_ENABLED"].value, c.env["TTT_ENABLED"].origin) == ("1", "log")
    assert c.settings["num_layers"].value == "11"
    assert c.settings["num_layers"].at.file == "train.log"
    decided = c.decided("TTT_ENABLED")
    assert decided is not None
    assert decided.value == "True"
    assert c.decided("CACHE_MODE") is None


def test_the_same_value_written_otherwise_stays_as_the_command_wrote_it() -> None:
    c = conf(block(f"TTT_LR=5e-3 {RUN}"), logs={"train.log": log("ttt_lr: 0.005")})
    assert (c.env["TTT_LR"].value, c.env["TTT_LR"].origin) == ("5e-3", "command")


def test_facts_count_only_under_names_that_the_program_reads() -> None:
    late = ("ttt:start lr=0.3 epochs=4", "ngram:order=5 depth=2")
    c = conf(logs={"train.log": log("num_layers: 11", late=late)})
    assert c.settings["ttt_lr"].value == "0.3"
    assert c.settings["ngram_order"].value == "5"
    assert not {"ttt_epochs", "ngram_depth", "lr", "order", "epochs"} & set(c.settings)


def test_lines_of_several_pairs_set_no_short_names() -> None:
    text = log().replace("val_tokens", "ttt:on lr:0.5 num_layers:7\nval_tokens", 1)
    c = conf(logs={"train.log": text})
    assert "lr" not in c.settings
    assert c.settings["num_layers"].value == "7"


def test_a_word_of_progress_is_no_value() -> None:
    c = conf(logs={"train.log": log(late=("cache_mode:start",)).replace("seed:1", "num_layers:start\nseed:1", 1)})
    assert "cache_mode" not in c.settings
    assert "num_layers" not in c.settings


def test_figures_and_label_come_from_the_claimed_run() -> None:
    logs = {
        "ablation.log": log("ttt_enabled: False", "ngram_order: 3", "num_layers: 11", bpb=1.3),
        "train.log": log("ttt_enabled: True", ranks=4, late=("Adapting 3 documents",)),
    }
    c = conf(logs=logs)
    assert c.settings["ttt_enabled"].value == "True"
    assert "ngram_order" not in c.settings
    assert (c.world_size, c.val_tokens) == (4, 62_021_632)
    assert c.label == "final_sliding_exact"
    assert c.label_text.startswith("final_sliding_exact val_loss:")
    assert c.printed_like("adapting {n} documents"[:9])
    assert not c.printed_like("rescoring")
    assert not c.printed_like("ada")
    assert not c.printed_like("")


def test_without_a_backed_log_the_nearest_result_stands_for_the_claim() -> None:
    e = evidence(logs={"a.log": log("num_layers: 3", bpb=1.5), "b.log": log("num_layers: 5", bpb=1.21)})
    run = claimed_run(e)
    assert run is not None
    assert run.file == "b.log"


def test_run_scripts_with_defaults_and_what_starts_them() -> None:
    shell = script(
        "run.sh",
        'MAIN="$HERE/train_gpt.py"\n'
        'export TTT_ENABLED="${TTT_ENABLED:-1}"\n'
        'export NGRAM_ORDER="${NGRAM_ORDER:-2}"\n'
        'export CACHE_MODE="$WHO_KNOWS"\n'
        'torchrun --nproc_per_node=8 "$MAIN"\n',
        "shell",
    )
    c = conf(block("NGRAM_ORDER=5 bash run.sh"), script("train_gpt.py", CODE), shell)
    assert values(c) == {"TTT_ENABLED": "1", "NGRAM_ORDER": "5"}
    assert c.env["TTT_ENABLED"].at.file == "run.sh"
    assert c.unsure == {"cache_mode"}


def test_what_a_run_script_exports_in_a_branch_is_unsure() -> None:
    shell = script(
        "run.sh",
        "export NGRAM_ORDER=7\n"
        'if [ "$1" = quick ]; then\n  export TTT_ENABLED=1\n  export NGRAM_ORDER=2\nfi\n'
        "torchrun --nproc_per_node=8 train_gpt.py\n",
        "shell",
    )
    c = conf("", script("train_gpt.py", CODE), shell)
    assert not c.env
    assert c.unsure == {"ttt_enabled", "ngram_order"}


def test_a_loader_is_the_entry_scripts_command_too() -> None:
    c = conf(
        block(f"TTT_ENABLED=1 {RUN}"),
        script("model/core.py", CODE),
        script("train_gpt.py", "import model.core", "other", ("model/core.py",)),
    )
    assert values(c) == {"TTT_ENABLED": "1"}


def test_a_renamed_script_is_taken_where_no_command_fits() -> None:
    c = conf(block("python3 prepare_train_data.py", "NGRAM_ORDER=4 torchrun --nproc_per_node=8 my_train_v3.py"))
    assert values(c) == {"NGRAM_ORDER": "4"}
    c = conf(block("NGRAM_ORDER=4 torchrun --nproc_per_node=8 my_train_v3.py", f"TTT_ENABLED=1 {RUN}"))
    assert values(c) == {"TTT_ENABLED": "1"}


def test_a_small_machine_goes_behind_eight_ranks() -> None:
    c = conf(block("TTT_ENABLED=0 python3 train_gpt.py", f"TTT_ENABLED=1 {RUN}"))
    assert values(c) == {"TTT_ENABLED": "1"}
    assert c.world_size == 8


def test_another_folders_command_counts_where_the_log_confirms_it_or_the_name_fits() -> None:
    path = "records/t/before/train_gpt.py"
    readme = block(f"NUM_LAYERS=11 TTT_LR=0.2 NGRAM_ORDER=5 TTT_ENABLED=1 torchrun --nproc_per_node=8 {path}")
    agreed = {"train.log": log("num_layers: 11", "ttt_lr: 0.2", "ngram_order: 5")}
    assert values(conf(readme, logs=agreed))["TTT_ENABLED"] == "1"
    assert not conf(readme, logs={"train.log": log("num_layers: 11", "ttt_lr: 0.2", "ngram_order: 4")}).env
    assert not conf(readme).env
    e = evidence(readme.replace("before", "2026-01-02_my_model"), folder="records/t/2026-01-03_my_model_v2")
    entry = e.package.entry
    assert entry is not None
    assert values(configuration(e, entry))["TTT_ENABLED"] == "1"


_WORDS = st.sampled_from(
    [
        "export A=",
        "${A:-",
        "}",
        "$",
        "torchrun ",
        "--nproc_per_node=",
        "²",
        "train_gpt.py",
        "\n",
        "```",
        "if ",
        '"',
        " ",
        "1",
    ]
)


@given(st.lists(_WORDS, max_size=40).map("".join), st.text(max_size=200))
def test_any_text_gives_a_configuration(text: str, log_text: str) -> None:
    c = conf(text, script("train_gpt.py", text), script("run.sh", text, "shell"), logs={"train.log": log(log_text)})
    assert c.world_size > 0
    assert all(s.origin in ("command", "log") for s in (*c.env.values(), *c.settings.values()))


def test_commands_that_set_a_variable_at_all_may_agree() -> None:
    c = conf(block(f"TTT_ENABLED=0 {RUN}", f"TTT_ENABLED=0 NUM_LAYERS=9 {RUN}", f"NUM_LAYERS=11 {RUN}"))
    assert c.unsure == {"ttt_enabled", "num_layers"}
    assert c.agreed == {"TTT_ENABLED": "0"}
