"""What is left unwatched for speed changes nothing in the book."""

import textwrap

import pytest

pytest.importorskip("torch")

from auditor.trace.data import vocabulary
from auditor.trace.execute import Job, Traced, trace
from auditor.trace.explain import BITS, NATS, explain

START = """
import numpy as np, torch, torch.nn.functional as F
path = "data/datasets/fineweb10B_sp1024/fineweb_val_000000.bin"
ids = torch.from_numpy(np.fromfile(path, dtype="<u2", offset=1024).astype(np.int64))[:257]
x, y = ids[:-1], ids[1:]
embed = torch.nn.Embedding(1024, 16)
layer = torch.nn.Linear(16, 1024, bias=False)
def loss():
    return F.cross_entropy(layer(embed(x)), y)
"""


def ran(script: str) -> Traced:
    text = START + textwrap.dedent(script)
    run = trace(Job("train.py", {"train.py": text.encode()}, text, wall_s=60.0))
    assert run.outcome.ok, run.stderr
    return run


def kinds(run: Traced) -> list[str]:
    return [r.kind for r in run.records if r.kind in ("score", "train", "update")]


def test_a_weight_that_is_written_to_by_hand_is_an_update() -> None:
    run = ran(
        """
        with torch.no_grad():
            loss()
            layer.weight.data.add_(0.1)
            loss()
        """
    )
    assert kinds(run)[-3:] == ["score", "update", "score"]


def test_a_hook_may_write_to_parameters_while_gradients_are_made() -> None:
    run = ran(
        """
        def step(p):
            p.data.add_(p.grad, alpha=-0.1)
        layer.weight.register_post_accumulate_grad_hook(step)
        loss().backward()
        with torch.no_grad():
            loss()
        """
    )
    assert kinds(run)[-4:] == ["score", "train", "update", "score"]


@pytest.mark.parametrize("wrapper", ["", "@torch.autograd.function.once_differentiable"])
def test_so_may_an_operation_of_the_program(wrapper: str) -> None:
    run = ran(
        """
        class Sneaky(torch.autograd.Function):
            @staticmethod
            def forward(ctx, v):
                return v.clone()
            @staticmethod
            WRAPPER
            def backward(ctx, g):
                layer.weight.data.mul_(0.5)
                return g
        (Sneaky.apply(loss()) * 1.0).backward()
        with torch.no_grad():
            loss()
        """.replace("WRAPPER", wrapper)
    )
    assert kinds(run)[-4:] == ["score", "train", "update", "score"]


def test_scores_are_followed_through_what_is_done_to_them() -> None:
    run = ran(
        """
        with torch.no_grad():
            logp = torch.log_softmax(layer(embed(x)).float(), -1)
            nll = -logp.gather(1, y.unsqueeze(1)).squeeze(1)
            scaled = (nll.reshape(2, -1) * 2.0).to(torch.float64)
            print(f"val_loss: {scaled.sum().item() / 512:.6f} {nll.mean().item():.6f}")
        """
    )
    scores = [r for r in run.records if r.kind == "score" and r.positions is not None]
    assert [len(r.positions) for r in scores if r.positions is not None] == [256, 256]
    assert scores[0].positions is not None
    assert scores[0].positions.tolist() == list(range(1, 257))
    a, b = run.stdout.split()[1:]
    assert abs(float(a) - float(b)) < 1e-5


def test_tokens_that_a_file_is_read_into_are_known() -> None:
    run = ran(
        """
        tokens = torch.empty(len(ids), dtype=torch.uint16)
        with open(path, "rb", buffering=0) as f:
            f.seek(1024)
            f.readinto(tokens.numpy())
        x, y = tokens[:-1].to(torch.int64), tokens[1:].to(torch.int64)
        with torch.no_grad():
            print(f"val_loss: {loss().item():.6f}")
        """
    )
    scored = [r.positions for r in run.records if r.kind == "score" and r.positions is not None]
    assert [p.tolist() for p in scored] == [list(range(1, 257))]


@pytest.mark.parametrize("left", ["tolist()", "numpy().astype(np.float64)"])
def test_a_mixture_made_of_plain_numbers(left: str) -> None:
    run = ran(
        """
        import math
        def mixed():
            total = 0.0
            p = torch.softmax(layer(embed(x)), -1).gather(1, y.unsqueeze(1)).squeeze(1)
            q = p.LEFT
            for j in range(0, 64):
                m = 0.9 * float(p[j] if j % 2 else q[j]) + 0.1 / 1024
                total += -math.log(max(m, 1e-30))
            return total / 64, total / 64 / math.log(2.0)
        with torch.no_grad():
            print("val_loss: {:.8f} bits: {:.8f}".format(*mixed()))
        """.replace("LEFT", left)
    )
    numbers = [n for n in explain(run.records, vocabulary.bytes_at(run.world.validation, 1024)) if n.group]
    assert [n.what for n in numbers] == [NATS, BITS]
    assert numbers[0].group is not None
    assert numbers[0].group.positions.tolist() == list(range(1, 65))


def test_a_layer_on_what_is_about_tokens_is_no_score_and_a_mixture_is_about_its_token() -> None:
    run = ran(
        """
        with torch.no_grad():
            h = embed(x) * (x != 1).unsqueeze(1)
            for size in (16, 8, 4):
                h @ torch.randn(16, size)
            logp = torch.log_softmax(layer(embed(x)), -1).gather(1, y.unsqueeze(1))
            mixed = torch.cat([logp, logp - 1.0], 1).exp() @ torch.tensor([0.75, 0.25])
            print(f"val_loss: {-mixed.log().mean().item():.8f}")
            print(f"val_loss: {(-logp.reshape(1, -1) @ torch.ones(256, 1)).item() / 256:.8f}")
        """
    )
    scored = [r for r in run.records if r.kind == "score"]
    assert [r["how"] for r in scored] == ["mean", "mm"]
    numbers = explain(run.records, vocabulary.bytes_at(run.world.validation, 1024))
    assert [n.what for n in numbers] == [NATS, NATS]


def test_what_the_program_forks_writes_no_book_and_a_line_of_several_arguments_is_one() -> None:
    run = ran(
        """
        import os, sys
        child = os.fork()
        if not child:
            with torch.no_grad():
                print(f"val_loss: {F.cross_entropy(layer(embed(x)), y).item():.8f}", flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        with torch.no_grad():
            print("val_loss:", F.cross_entropy(layer(embed(x)), y).item(), "bits per byte:", "1.2345")
        sys.stdout.write("no end of a line")
        """
    )
    assert run.problem == ""
    lines = [str(r["text"]).strip() for r in run.records if r.kind == "print"]
    assert len(lines) == 2
    assert lines[0].endswith("bits per byte: 1.2345")
    assert lines[1] == "no end of a line"
    loss, bpb = explain(run.records, vocabulary.bytes_at(run.world.validation, 1024))
    assert (loss.what, bpb.what) == (NATS, "")
    assert bpb.right > 0
