"""Reading training logs: every family in examples of our own, with invented numbers."""

from __future__ import annotations

import pytest

from auditor.claims.logs import is_log_name, read_run, read_runs, runs_in
from rules.evidence import PhaseKind, Run

SMI = """\
| NVIDIA-SMI 570.00             Driver Version: 570.00     CUDA Version: 12.8     |
|   0  NVIDIA H100 80GB HBM3          On  |   00000000:05:00.0 Off |                    0 |
| N/A   33C    P0            116W /  700W |    1519MiB /  81559MiB |      0%      Default |
|   1  NVIDIA H100 80GB HBM3          On  |   00000000:06:00.0 Off |                    0 |
"""

# A program whose comments and defaults hold figures that are no results.
SOURCE = '''\
"""
An example trainer. Best so far:
final_int8_zlib_roundtrip_exact val_loss:9.99999999 val_bpb:9.99999999
"""
from __future__ import annotations

import os
import time

SEED = int(os.environ.get("SEED", 7))
seed=99
total_bytes = 123456789

class Net:
    def __init__(self):
        self.val_bpb = 8.8888

def main():
    note = """
free text at the margin, val_bpb: 7.7777 world_size:3
"""
    log0(f"final_exact val_loss:{loss:.8f} val_bpb:{bpb:.8f}")
    # Total submission size int8+zlib: 11111111 bytes

if __name__ == "__main__":
    main()
'''
BANNER = "=" * 100 + "\nRunning Python 3.12.3 (main) [GCC 13.3.0]\nRunning PyTorch 2.9.1+cu128\n"

BASE = """\
val_bpb:enabled tokenizer_kind=sentencepiece tokenizer_path=./data/tokenizers/fineweb_1024_bpe.model
train_loader:dataset:fineweb10B_sp1024 train_shards:80
val_loader:shards pattern=./data/datasets/fineweb10B_sp1024/fineweb_val_*.bin tokens:62021632
model_params:27001234
world_size:8 grad_accum_steps:1
tie_embeddings:True embed_lr:0.035 head_lr:0.0
train_batch_tokens:786432 train_seq_len:2048 iterations:20000 warmup_steps:20 max_wallclock_seconds:600.000
seed:4711
warmup_step:1/20
step:0/20000 val_loss:6.9300 val_bpb:4.1043 train_time:0ms step_avg:0.01ms
step:1/20000 train_loss:6.9321 train_time:154ms step_avg:153.66ms
step:4000/20000 train_loss:1.8744 train_time:535000ms step_avg:133.75ms
step:4500/20000 val_loss:1.9404 val_bpb:1.1492 train_time:600077ms step_avg:133.35ms
stopping_early: wallclock_cap train_time:600077ms step:4500/20000
peak memory allocated: 32915 MiB reserved: 34268 MiB
"""
SIZES = """\
Serialized model: 106000000 bytes
Code size: 90000 bytes
Total submission size: 106090000 bytes
Serialized model int6+zstd: 15500000 bytes (payload:27578744 raw_torch:27638331 payload_ratio:3.83x)
Total submission size int6+zstd: 15590000 bytes
"""
ROUNDTRIP = """\
final_int6_roundtrip val_loss:1.9551 val_bpb:1.1580 eval_time:61234ms
final_int6_roundtrip_exact val_loss:1.95512345 val_bpb:1.15798765
"""
SLIDING = """\
final_int6_sliding_window val_loss:1.9151 val_bpb:1.1342 stride:64 eval_time:131415ms
final_int6_sliding_window_exact val_loss:1.91507771 val_bpb:1.13421234
"""

DUMP = """\
Hyperparameters:
  adam_eps: 1e-08
  artifact_dir:
  max_wallclock_seconds: 600.0
  MLP_mult: 4.0
  seed: 42
  tokenizer_path: /dev/shm/fineweb_8192_bpe.model
  world_size: 8
train_shards: 80
val_tokens: 40540160
model_params:35900123
gptq:reserving 0s, effective=599500ms
warmup_step: 1/20
0/20000 val_loss: 9.0076 val_bpb: 3.4871
1/20000 train_loss: 9.0087 train_time: 0.0m tok/s: 12535509
4500/20000 train_loss: 2.2778 train_time: 9.1m tok/s: 6516065
4900/20000 val_loss: 2.8141 val_bpb: 1.0894
stopping_early: wallclock_cap train_time: 599512ms step: 4900/20000
diagnostic pre-quantization post-ema val_loss:2.80066666 val_bpb:1.08420000 eval_time:7654ms
Serialized model: 135000111 bytes
Code size (uncompressed): 151000 bytes
Code size (compressed): 30500 bytes
GPTQ:collecting Hessians from calibration data...
GPTQ:collected 67 Hessians in 3.5s
Serialize: per-group compression done in 117.7s
Serialized model quantized+brotli: 15911111 bytes
Total submission size quantized+brotli: 15941611 bytes
Deserialize: decompression done in 19.9s
diagnostic quantized val_loss:2.82077777 val_bpb:1.09200000 eval_time:64321ms
ttt_lora:warming up compile (random tokens, no val data)
ttt_lora:compile warmup done (144.4s)

beginning TTT eval timer
ngram_tilt:precompute_done elapsed=99.5s total_targets=40540160
ttp: b775/782 bl:2.2782 bb:1.0591 rl:2.2782 rb:1.0591 dl:6892-7524 gd:0
ttpp: phase:1/3 pd:1104 gd:666 t:218.0s
tttg: c1/111 lr:0.001000 t:2.4s
quantized_ttt_phased val_loss:2.78300001 val_bpb:1.07750001 eval_time:501234ms
total_eval_time:501.2s
"""


def run(text: str, file: str = "train.log") -> Run:
    found = read_run(text.encode(), file)
    assert found is not None
    return found


def kinds(r: Run) -> list[tuple[str, float]]:
    return [(p.kind.value, p.seconds.value) for p in r.phases]


def value(x: object) -> float:
    assert x is not None
    return x.value  # type: ignore[attr-defined, no-any-return]


def test_baseline_log_with_its_source() -> None:
    text = SOURCE + BANNER + SMI + "=" * 100 + "\n" + BASE + SIZES + ROUNDTRIP + SLIDING
    r = run(text)
    assert (value(r.seed), value(r.val_tokens), value(r.train_shards)) == (4711, 62021632, 80)
    assert (value(r.params), value(r.world_size), value(r.cap_seconds)) == (27001234, 8, 600)
    assert (value(r.steps), value(r.train_seconds)) == (4500, 600.077)
    assert (value(r.code_bytes), value(r.model_bytes), value(r.total_bytes)) == (90000, 15500000, 15590000)
    assert r.tokenizer is not None
    assert r.tokenizer.value.endswith("fineweb_1024_bpe.model")
    assert r.device is not None
    assert r.device.value == "2x NVIDIA H100 80GB HBM3"
    assert r.family == "step"
    assert r.settings["train_seq_len"].value == "2048"
    assert r.settings["embed_lr"].value == "0.035"
    assert not r.problems
    assert [(e.training, e.step) for e in r.evaluations] == [(True, 0), (True, 4500), (False, None), (False, None)]
    assert all(e.val_bpb and e.val_bpb.value < 5 for e in r.evaluations)


def test_every_number_keeps_its_line_and_last_digit() -> None:
    text = SOURCE + BANNER + BASE + SIZES + SLIDING
    lines = text.split("\n")
    r = run(text)
    for n in (r.seed, r.val_tokens, r.params, r.steps, r.train_seconds, r.code_bytes, r.model_bytes, r.total_bytes):
        assert n is not None
        assert n.at.line is not None
        assert lines[n.at.line - 1].strip() == n.at.text
    result = r.result
    assert result is not None
    assert result.val_bpb is not None
    assert result.val_loss is not None
    assert result.seconds is not None
    assert (result.val_bpb.value, result.val_bpb.step) == (1.13421234, 1e-8)
    assert lines[(result.val_bpb.at.line or 0) - 1].startswith("final_int6_sliding_window_exact")
    assert (result.seconds.value, result.seconds.step) == (131.415, 0.001)
    assert lines[(result.seconds.at.line or 0) - 1].startswith("final_int6_sliding_window ")
    assert r.train_seconds is not None
    assert r.train_seconds.step == 0.001
    assert r.total_bytes is not None
    assert r.total_bytes.step == 0
    assert r.evaluations[1].val_bpb is not None
    assert r.evaluations[1].val_bpb.step == 0.0001


def test_source_without_banner_ends_with_its_main_block() -> None:
    r = run(SOURCE + BASE + SIZES + SLIDING)
    assert value(r.seed) == 4711
    assert value(r.total_bytes) == 15590000
    assert [e.name for e in r.evaluations if not e.training] == ["final_int6_sliding_window_exact"]


def test_source_dumped_in_the_middle_of_a_console_copy() -> None:
    noise = "W0325 15:33:35.118 127 torch/distributed/run.py:779] \nlogs/abc.txt\n"
    r = run(noise + SOURCE + BANNER + BASE + SIZES + SLIDING)
    assert value(r.seed) == 4711
    assert value(r.world_size) == 8


def test_phases_of_a_log_with_adaptation() -> None:
    ttt = """\
ttt:start lr=0.008 momentum=0.9 epochs=20
ttt_epoch:1/20 loss:1.9406 time:14.8s
ttt_epoch:20/20 loss:1.9335 time:288.8s
ttt:done elapsed=288.8s
ttt_phase1:elapsed=288.8s
ttt_total:elapsed=288.8s
"""
    r = run(BASE + SIZES + ttt + ROUNDTRIP + SLIDING)
    assert kinds(r) == [("train", 600.077), ("adapt", 288.8), ("diagnostic", 61.234), ("eval", 131.415)]
    assert [p.stage for p in r.phases] == ["build", "evaluate", "evaluate", "evaluate"]
    assert r.phase_seconds(PhaseKind.ADAPT, PhaseKind.EVAL) == pytest.approx(420.215)


def test_one_pass_printed_three_times_is_one_phase() -> None:
    legal = """\
final_int8_zlib_roundtrip_exact val_loss:1.91507771 val_bpb:1.13421234
ttt_sliding:start chunks=1893 chunk_tokens=32768 total_windows=969088 stride=64
  ttt_chunk [1/1893] bpb=1.169060 time=0.4s
  ttt_chunk [1893/1893] bpb=1.021618 time=498.3s
ttt_sliding:done val_loss=1.733333 val_bpb=1.026611 elapsed=498.3s
legal_ttt val_loss:1.7333 val_bpb:1.0266 eval_time:498765ms
legal_ttt_exact val_loss:1.73333312 val_bpb:1.02661134
"""
    r = run(
        BASE
        + "DIAGNOSTIC post_ema val_loss:1.9400 val_bpb:1.1488 eval_time:2888ms\n"
        + SIZES
        + ROUNDTRIP
        + SLIDING
        + legal
    )
    assert r.result is not None
    assert r.result.name == "legal_ttt_exact"
    assert kinds(r) == [
        ("train", 600.077),
        ("diagnostic", 2.888),
        ("diagnostic", 61.234),
        ("diagnostic", 131.415),
        ("eval", 498.765),
    ]
    assert [p.stage for p in r.phases][1] == "build"
    assert not any("1.169" in e.name for e in r.evaluations)


def test_dump_family() -> None:
    r = run(DUMP)
    assert r.family == "fraction"
    assert (value(r.seed), value(r.val_tokens), value(r.train_shards), value(r.world_size)) == (42, 40540160, 80, 8)
    assert r.settings["mlp_mult"].value == "4.0"
    assert r.settings["artifact_dir"].value == ""
    assert (value(r.code_bytes), value(r.model_bytes), value(r.total_bytes)) == (30500, 15911111, 15941611)
    assert (value(r.steps), value(r.train_seconds)) == (4900, 599.512)
    assert r.result is not None
    assert (r.result.name, value(r.result.val_bpb)) == ("quantized_ttt_phased", 1.07750001)
    assert kinds(r) == [
        ("train", 599.512),
        ("diagnostic", 7.654),
        ("calibration", 3.5),
        ("serialise", 117.7),
        ("load", 19.9),
        ("diagnostic", 64.321),
        ("warmup", 144.4),
        ("eval", 501.234),
    ]


def test_hints_looked_up_outside_the_timer_count_and_inside_do_not() -> None:
    outside = DUMP.replace("beginning TTT eval timer\n", "").replace(
        "ngram_tilt:precompute_done elapsed=99.5s total_targets=40540160\n",
        "ngram_tilt:precompute_outside_timer_done elapsed=99.5s total_targets=40540160\nbeginning TTT eval timer\n",
    )
    extra = [p for p in run(outside).phases if p.data == "validation" and p.kind is PhaseKind.WARMUP]
    assert [p.seconds.value for p in extra] == [99.5]
    assert not [p for p in run(DUMP).phases if p.seconds.value == 99.5]


@pytest.mark.parametrize(
    ("line", "data"),
    [
        ("gptq:calibrating with training data...", "train"),
        ("gptq:collecting hessians batches=64 source=val", "validation"),
        ("gptq:calibrating with self-generated sequences...", "generated"),
        ("GPTQ:collecting Hessians from calibration data...", ""),
    ],
)
def test_calibration_says_which_tokens_it_reads(line: str, data: str) -> None:
    r = run(BASE + f"{line}\ngptq:calibrated 68 layers in 3.8s (total train+gptq: 593.9s / 600s)\n" + SIZES + SLIDING)
    found = [p for p in r.phases if p.kind is PhaseKind.CALIBRATION]
    assert [(p.seconds.value, p.data) for p in found] == [(3.8, data)]


def test_short_keys() -> None:
    r = run(
        """\
params:27000000 L:11 d:512 h:8 kv:4 ws:8 ga:1 s:99
s:1/20000 tl:6.9 tt:100ms sa:100.0ms
s:5000/20000 tl:2.1 tt:590000ms sa:118.0ms
s:5080/20000 vl:1.9512 bpb:1.1556 tt:600012ms sa:118.1ms
stop tt:600012ms s:5080/20000
diag vl:1.9500 bpb:1.1549 t:2100ms
code:60000B total:15900000
q_sw vl:1.9001 bpb:1.1253 s:64 t:90100ms
q_sw_x vl:1.90012345 bpb:1.12534567
"""
    )
    assert (r.family, value(r.seed), value(r.world_size)) == ("short", 99, 8)
    assert (value(r.steps), value(r.train_seconds)) == (5080, 600.012)
    assert r.result is not None
    assert (value(r.result.val_bpb), value(r.result.seconds)) == (1.12534567, 90.1)
    assert (value(r.code_bytes), value(r.total_bytes)) == (60000, 15900000)


def test_loss_and_clock_without_code_sizes_in_the_usual_form() -> None:
    r = run(
        """\
--- Hyperparameters ---
activation_type=relu2 adam_eps=1e-08 max_wallclock_seconds=599.0 seed=7 val_loss_every=500
params:73000111 L:10 d:768 h:8 kv:4 ws:8 ga:1 s:7
step:1000/10000 loss:3.3120 t:91234ms avg:91.5ms
step:6000/10000 loss:3.0211 t:551234ms avg:91.8ms
step:6500/10000 val_loss:3.0600 val_bpb:1.1848 train_time:599444ms zero_frac:0.336
stopping_early: wallclock_cap train_time:599444ms step:6500/10000
artifact:15.92MB ternary:64000000(14200000B) fp:2500000(2520000B) code:70707
budget:15980808/16000000 (15.99/16.00MB) FITS
final_ternary_roundtrip val_loss:3.0650 val_bpb:1.1868
final_sliding val_loss:2.9900 val_bpb:1.1577 (stride=16, T=0.90) eval_time:428123ms
"""
    )
    assert (value(r.cap_seconds), value(r.total_bytes), value(r.code_bytes)) == (599, 15980808, 70707)
    assert r.settings["activation_type"].value == "relu2"
    assert r.result is not None
    assert (r.result.name, value(r.result.seconds)) == ("final_sliding", 428.123)


def test_json_lines() -> None:
    r = run(
        """\
{"event": "config", "seed": 5, "world_size": 8, "max_wallclock_seconds": 600.0}
{"step": 100, "train_loss": 3.2, "val_loss": 3.1, "val_bpb": 1.9}
{"step": 200, "train_loss": 2.8, "val_loss": 2.7, "val_bpb": 1.6}
{"event": "final_eval", "val_loss": 2.65, "val_bpb": 1.57, "eval_time_ms": 31000}
""",
        "run.jsonl",
    )
    assert [e.step for e in r.evaluations if e.training] == [100, 200]
    assert r.result is not None
    assert (value(r.result.val_bpb), value(r.result.seconds)) == (1.57, 31.0)


def test_hand_made_block_of_results() -> None:
    r = run(
        """\
step    10 | loss 5.1 | lr 1e-3 | t: 3s
step    20 | loss 4.1 | lr 1e-3 | t: 6s
Artifact size:      15100200 bytes
EMA BPB (fp32):     1.0123
Quantized BPB (no XSA): 1.0345
"""
    )
    assert value(r.total_bytes) == 15100200
    assert r.result is not None
    assert value(r.result.val_bpb) == 1.0345


def test_the_best_evaluation_of_the_artifact_is_the_result() -> None:
    worse = "final_ppm_sliding_window_exact val_loss:1.95000000 val_bpb:1.15490000\n"
    before = "pre_quant_ttt_eval val_loss:1.80000000 val_bpb:1.06600000\n"
    r = run(BASE + before + SIZES + SLIDING + worse)
    assert r.result is not None
    assert r.result.name == "final_int6_sliding_window_exact"


def test_comparisons_and_running_figures_are_no_evaluations() -> None:
    junk = """\
quant_gap val_bpb:0.0123
ttt_gain: val_bpb:0.0456
baseline val_bpb:0.9000
sliding_eval [ 10.6%] 12832/121136 windows running_bpb=0.8
temp_search: temp=0.9 val_bpb=0.7
Seed 42: val_bpb 0.6000
Mean val_bpb: 0.5000
pass1 done val_bpb:0.4
"""
    names = [e.name for e in run(BASE + SIZES + junk + SLIDING).evaluations if not e.training]
    assert names == ["final_int6_sliding_window_exact"]


def test_truncated_log() -> None:
    r = run(BASE[: BASE.index("stopping_early")])
    assert r.final == -1
    assert r.result is None
    assert any("before training ends" in p for p in r.problems)
    assert value(r.steps) == 4500
    after = run(BASE)
    assert any("after training" in p for p in after.problems)


def test_nan_is_no_number_but_a_problem() -> None:
    r = run(BASE + SIZES + "final_int8_zlib_roundtrip_exact val_loss:nan val_bpb:nan\n")
    assert r.final == -1
    assert any("not a finite number" in p for p in r.problems)


def test_seed_from_the_file_name_and_contradiction() -> None:
    bare = BASE.replace("seed:4711\n", "")
    r = run(bare + SIZES + SLIDING, "logs/train_seed31.log")
    assert value(r.seed) == 31
    assert r.seed is not None
    assert r.seed.at.line is None
    other = run(BASE + SIZES + SLIDING, "logs/train_seed31.log")
    assert value(other.seed) == 4711
    assert any("file name says 31" in p for p in other.problems)


def test_several_runs_in_one_file() -> None:
    one = BASE + SIZES + SLIDING
    two = one.replace("seed:4711", "seed:8").replace("1.13421234", "1.13499999").replace("1.91507771", "1.91570000")
    two = two.replace("600077ms", "600001ms")
    aborted = BASE[: BASE.index("step:4500")]
    text = aborted + one + two
    found = runs_in(text.encode(), "all.log")
    assert [value(r.seed) for r in found] == [4711, 4711, 8]
    assert all("holds 3 runs" in r.problems[0] for r in found)
    start = aborted.count("\n") + one.count("\n") + 1
    assert f"line {start}" in found[2].problems[0]
    assert value(run(text).seed) == 8
    assert [value(r.seed) for r in read_runs([("all.log", text.encode())])] == [4711, 8]


def test_loop_over_seeds_with_titles() -> None:
    text = "".join(
        f"--- Seed {s} ---\nstopping_early: wallclock_cap train_time:60000{s}ms step:100/200\n"
        f"final_exact val_loss:2.0{s} val_bpb:1.2{s}\n"
        for s in (1, 2, 3)
    )
    found = runs_in(text.encode(), "train.log")
    assert [(value(r.seed), value(r.result.val_bpb if r.result else None)) for r in found] == [
        (1, 1.21),
        (2, 1.22),
        (3, 1.23),
    ]


def test_console_copy_and_log_file_in_one_are_one_run() -> None:
    console = BASE + SIZES + SLIDING
    r = runs_in((console + SOURCE + BANNER + SMI + BASE + SIZES + SLIDING).encode(), "x.log")
    assert len(r) == 1
    assert r[0].device is not None


def test_copies_and_pairs_in_a_folder() -> None:
    trained = BASE + SIZES
    evaluated = "seed:4711\nworld_size:8\nloading checkpoint\n" + SLIDING
    other = (BASE + SIZES + SLIDING).replace("seed:4711", "seed:5").replace("600077ms", "599999ms")
    files = [
        ("train_seed4711.log", trained.encode()),
        ("eval_seed4711.log", evaluated.encode()),
        ("train_seed5.log", other.encode()),
        ("copy.log", other.encode()),
        ("console.log", ("nohup: ignoring input\n" + other).encode()),
    ]
    runs = read_runs(files)
    assert sorted(value(r.seed) for r in runs) == [5, 4711]
    joined = next(r for r in runs if value(r.seed) == 4711)
    assert joined.file == "train_seed4711.log"
    assert joined.result is not None
    assert joined.result.val_bpb is not None
    assert joined.result.val_bpb.at.file == "eval_seed4711.log"
    assert not any("truncated" in p for p in joined.problems)
    assert any("eval_seed4711.log" in p for p in joined.problems)


def test_two_evaluation_logs_of_a_seed_stay_apart() -> None:
    files = [
        ("train.log", (BASE + SIZES).encode()),
        ("a.log", ("seed:4711\nworld_size:8\n" + SLIDING).encode()),
        ("b.log", ("seed:4711\nworld_size:8\n" + ROUNDTRIP).encode()),
    ]
    assert len(read_runs(files)) == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "numpy\ntorch>=2.9\n",
        "Dear reader,\nour val_bpb is 1.05, which is nice.\n",
        SOURCE,
        "PLACEHOLDER LOG FILE\n- val_loss: 2.29\n- val_bpb: 1.35\n- bytes_total: 14840173\nseed: 3\n",
        '{"sample_id": "world_001", "loss": 4.01}\n',
    ],
)
def test_no_log(text: str) -> None:
    assert read_run(text.encode(), "x.txt") is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("train.log", True),
        ("logs/abc.txt", True),
        ("run/train_seed42", True),
        ("history.jsonl", True),
        ("slurm-1234.out", True),
        ("requirements.txt", False),
        ("requirements-dev.txt", False),
        ("README.md", False),
        ("train_gpt.py", False),
        ("LICENSE", False),
        ("submission.json", False),
    ],
)
def test_log_names(path: str, expected: bool) -> None:
    assert is_log_name(path) is expected


def test_sizes_of_several_variants() -> None:
    several = SIZES + "Serialized model int8+zlib: 21400000 bytes\nTotal submission size int8+zlib: 21490000 bytes\n"
    last = several + "Serialized model int6+lzma: 15400000 bytes\nTotal submission size int6+lzma: 15490000 bytes\n"
    r = run(BASE + last + SLIDING)
    assert (value(r.model_bytes), value(r.total_bytes)) == (15400000, 15490000)


def test_a_log_that_stops_at_the_raw_checkpoint_shows_no_artifact() -> None:
    r = run(BASE + "Serialized model: 106000000 bytes\nCode size: 90000 bytes\n" + SLIDING)
    assert (value(r.code_bytes), r.model_bytes, r.total_bytes) == (90000, None, None)
    whole = run(BASE + "Serialized model: 106000000 bytes\nTotal submission size: 106090000 bytes\n" + SLIDING)
    assert (whole.model_bytes, whole.total_bytes) == (None, None)


@pytest.mark.parametrize(
    "lines",
    [
        "int6_zlib code:52000 model:15800000 total:15852000 limit:16000000 OK\n"
        "int8_zlib code:52000 model:22300000 total:22352000 limit:16000000 OVER!\n",
        "Serialized model int8+zlib: 22300000 bytes\nTotal submission size int8+zlib: 22352000 bytes\n"
        "gptq_int6_brotli: 15,800,000 bytes | code: 52,000 | total: 15,852,000 (15.85MB)\n",
    ],
)
def test_of_variants_in_one_log_the_one_that_can_ship_counts(lines: str) -> None:
    assert value(run(BASE + lines + SLIDING).total_bytes) == 15852000


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("model:4800000 code:72000 total:4872000 (4.9 MB)", (72000, 4800000, 4872000)),
        ("artifact: 15500001B model + 51000B code = 15551001B (compression:3.8x)", (51000, None, 15551001)),
        ("artifact:12900000 bytes (12.9MB) code:55000 total:12955000 bytes", (55000, None, 12955000)),
        ("Total submission size: 15,600,300 bytes (399,700 bytes under the 16 MB limit)", (None, None, 15600300)),
        ("Packed code: 19500 bytes (raw=70361 bytes)\nSubmission size: 15990500 bytes", (19500, None, 15990500)),
    ],
)
def test_other_ways_to_print_sizes(line: str, expected: tuple[float | None, ...]) -> None:
    r = run(BASE + line + "\n" + SLIDING)
    got = tuple(n.value if n else None for n in (r.code_bytes, r.model_bytes, r.total_bytes))
    assert got == expected


def test_validation_text_length_is_no_artifact() -> None:
    assert run(BASE + "total_bytes=151080891\n" + SLIDING).total_bytes is None
