"""What scripts expect of a GPU machine, and packages that they may do without."""

import sys
import textwrap

import pytest

pytest.importorskip("torch")

from auditor.trace.execute import Job, Plan, Traced, trace


def ran(script: str, plan: Plan | None = None) -> Traced:
    text = textwrap.dedent(script)
    return trace(Job("train.py", {"train.py": text.encode()}, text, wall_s=60.0, plan=plan or Plan()))


def test_what_a_gpu_would_take_the_cpu_takes() -> None:
    run = ran(
        """
        import torch, torch.nn.functional as F
        from flash_attn_interface import flash_attn_func
        x = torch.ones(2, 4, device="cuda")
        x.record_stream(torch.cuda.current_stream())
        print(x.to(dtype=torch.float64, device="cuda").dtype, x.to("cuda:0", torch.bfloat16).dtype, x.to(0).dtype)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            print(torch.cat((x.half(), x.half())).dtype, torch.stack((x.half(), x.half())).dtype)
        n = torch.nn.LayerNorm(4).cuda()
        print(F.layer_norm(x.bfloat16(), (4,), n.weight, n.bias).dtype)
        q = torch.randn(1, 8, 2, 4)
        y, _ = flash_attn_func(q, q, q, causal=True)
        z = flash_attn_func(q, q, q, causal=True)
        narrow = flash_attn_func(q, q, q, causal=True, window_size=(2, 0))
        near = lambda a, b: torch.allclose(a, b, atol=1e-5)
        from flash_attn import flash_attn_func as second
        near(second(q, q, q, causal=True), z) or print("the second version's door leads elsewhere")
        print(near(y, z), tuple(z.shape), near(narrow[:, :3], z[:, :3]), near(narrow[:, 4:], z[:, 4:]))
        p = torch.softmax((q.transpose(1, 2) @ q.permute(0, 2, 3, 1) / 2).masked_fill(torch.ones(8, 8).triu(1).bool(), -1e9), -1)
        print(torch.allclose((p @ q.transpose(1, 2)).transpose(1, 2), z, atol=1e-5))
        """
    )
    assert run.outcome.ok, run.stderr
    assert run.stdout.splitlines() == [
        "torch.float64 torch.bfloat16 torch.float32",
        "torch.float16 torch.float16",
        "torch.bfloat16",
        "True (1, 8, 2, 4) True False",
        "True",
    ]


def test_the_compiler_is_not_imported_until_it_is_asked_for() -> None:
    run = ran(
        """
        import sys, torch
        import torch._dynamo
        torch._dynamo.config.cache_size_limit = 64
        @torch._dynamo.disable
        def f(x): return x * 2
        @torch.compiler.disable(recursive=False)
        def g(x): return f(x) * 2
        w = torch.nn.Parameter(torch.ones(3))
        o = torch.optim.AdamW([w], lr=0.1)
        torch.compile(g, dynamic=False, fullgraph=True)(w).sum().backward()
        o.step()
        print(w.grad.tolist(), round(w[0].item(), 3), "torch._dynamo.symbolic_convert" in sys.modules)
        from torch._dynamo.eval_frame import OptimizedModule
        print(OptimizedModule.__name__, "torch._dynamo.symbolic_convert" in sys.modules)
        """
    )
    assert run.outcome.ok, run.stderr
    assert run.stdout.splitlines() == ["[4.0, 4.0, 4.0] 0.899 False", "OptimizedModule True"]


def test_packages_that_only_accompany_a_run_may_be_missing() -> None:
    run = ran(
        """
        import wandb, psutil
        from tqdm import tqdm
        from tqdm.auto import trange
        import matplotlib.pyplot as plt
        from huggingface_hub import hf_hub_download
        from tkinter import EXCEPTION
        run = wandb.init(project="x", config={})
        wandb.log({"a": 1})
        plt.figure(); plt.savefig("x.png")
        print(sum(tqdm([1, 2, 3], desc="x")), [i for i in trange(2)], psutil.virtual_memory().available / 1e9 >= 0)
        try:
            import mamba_ssm
        except ModuleNotFoundError as e:
            print(e)
        """
    )
    assert run.outcome.ok, run.stderr
    assert run.stdout.splitlines() == ["6 [0, 1] True", "No module named 'mamba_ssm'"]


def test_the_first_of_eight_ranks() -> None:
    run = ran(
        """
        import os, torch, torch.distributed as dist
        assert int(os.environ["WORLD_SIZE"]) == 8
        dist.init_process_group("nccl")
        n = dist.get_world_size()
        mine = torch.arange(2.0)
        all_of_them, listed = torch.empty(2 * n), [torch.empty(2) for _ in range(n)]
        dist.all_gather_into_tensor(all_of_them, mine)
        dist.all_gather(listed, mine)
        share = torch.empty(2)
        dist.reduce_scatter_tensor(share, torch.arange(16.0))
        dist.all_reduce(mine, op=dist.ReduceOp.AVG)
        some = dist.new_group(ranks=[0, 1])
        print(n, dist.get_rank(), all_of_them.sum().item(), listed[7].tolist(), share.tolist(), mine.tolist(), dist.get_world_size(some))
        """,
        Plan(ranks=8),
    )
    assert run.outcome.ok, run.stderr
    assert run.stdout.splitlines() == ["8 0 8.0 [0.0, 1.0] [0.0, 1.0] [0.0, 1.0] 2"]


def test_a_hurried_clock_goes_on_where_a_program_waits_for_it() -> None:
    text = """
        import time
        rounds, start = 0, time.perf_counter()
        while time.perf_counter() - start < 120:
            rounds += 1
            if rounds > 40:
                break
        print(rounds)
        """
    assert ran(text, Plan(hurried=True)).stdout == "14\n"
    assert ran(text).stdout == "41\n"


def test_switches_of_attention_and_a_copy_of_the_data() -> None:
    run = ran(
        """
        import pathlib, shutil, torch
        from torch.backends.cuda import enable_cudnn_sdp, enable_flash_sdp, enable_math_sdp, enable_mem_efficient_sdp
        enable_cudnn_sdp(True)
        for off in (enable_flash_sdp, enable_math_sdp, enable_mem_efficient_sdp):
            off(False)
        print(torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled())
        q = torch.randn(1, 2, 8, 4)
        print(tuple(torch.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).shape))
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.CUDNN_ATTENTION):
            print(tuple(torch.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).shape))
        near = pathlib.Path("/dev/shm/near")
        near.mkdir(exist_ok=True)
        for f in sorted(pathlib.Path("data/datasets/fineweb10B_sp1024").glob("fineweb_val_*.bin")):
            shutil.copy2(f, near / f.name)
            print((near / f.name).stat().st_size == f.stat().st_size)
        """
    )
    assert run.outcome.ok, run.stderr
    assert run.stdout.splitlines() == ["False False", "(1, 2, 8, 4)", "(1, 2, 8, 4)", "True"]


def test_text_in_a_newer_spelling_runs_from_a_wrapper_and_from_a_file() -> None:
    newer = 'def f():\n    d = {"a": 1}\n    print(f"{d["a"]} {__name__}")\nf()\nif __name__ == "inner":\n    1 / 0\n'
    wrapper = f'import helper\nexec({newer!r})\nspace = {{"__name__": "inner"}}\nexec(compile({newer!r}, "a.py", "exec"), space)\n'
    files = {"train.py": wrapper.encode(), "helper.py": newer.encode()}
    run = trace(Job("train.py", files, newer, wall_s=60.0))
    assert run.stdout.splitlines() == ["1 helper", "1 __main__", "1 inner"]
    assert "line 6" in run.stderr, "lines stay where they were"
    assert run.plan.older == (sys.version_info < (3, 12))
