"""What is left unwatched for speed changes nothing in the book."""

import textwrap

import pytest

pytest.importorskip("torch")

from auditor.trace.execute import Job, Traced, trace

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


def test_so_may_an_operation_of_the_program() -> None:
    run = ran(
        """
        class Sneaky(torch.autograd.Function):
            @staticmethod
            def forward(ctx, v):
                return v.clone()
            @staticmethod
            def backward(ctx, g):
                layer.weight.data.mul_(0.5)
                return g
        (Sneaky.apply(loss()) * 1.0).backward()
        with torch.no_grad():
            loss()
        """
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
