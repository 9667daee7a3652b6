"""Kernels without a GPU: the same numbers as torch's own, and the places of tokens kept through them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module", autouse=True)
def _modules() -> Iterator[None]:
    """The modules in the place of the package, for this file alone."""
    before = {n: m for n, m in sys.modules.items() if n.partition(".")[0] == "triton"}
    importlib.import_module("auditor.trace.inside.triton.modules").install()
    from tests.trace import triton_kernels

    importlib.reload(triton_kernels)
    yield
    for name in [n for n in sys.modules if n.partition(".")[0] == "triton"]:
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture
def k() -> Any:
    from tests.trace import triton_kernels

    return triton_kernels


@pytest.fixture(params=["here", "abroad"])
def memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that the interpreter reads itself, and memory of which it has to make copies, as of a GPU's."""
    if request.param == "abroad":
        copies = importlib.import_module("auditor.trace.inside.triton.copies")
        monkeypatch.setattr(copies, "abroad", lambda flat: True)


def close(a: Any, b: Any, tolerance: float = 1e-4) -> bool:
    return bool(torch.allclose(a.float(), b.float(), rtol=tolerance, atol=tolerance))


@pytest.mark.usefixtures("memory")
def test_one_block_a_program(k: Any) -> None:
    x, y, out = torch.randn(1000), torch.randn(1000), torch.full((1001,), 7.0)
    k.gated[(k.triton.cdiv(1000, 128),)](x, y, out, 1000, 0.25, BLOCK=128, num_warps=4)
    assert close(out[:1000], torch.sigmoid(x).clamp(0.25, 0.75) * y)
    assert out[1000] == 7.0  # what the mask hides stays


@pytest.mark.parametrize("columns", [64, 100, 300])
def test_loss_over_a_row_in_pieces(k: Any, columns: int) -> None:
    logits, targets = torch.randn(33, columns) * 4, torch.randint(0, columns, (33,))
    out = torch.empty(33)
    k.row_loss[(33,)](logits, targets, out, logits.stride(0), columns, 15.0, PIECE=64)
    capped = 15.0 * torch.tanh(logits / 15.0)
    assert close(out, torch.nn.functional.cross_entropy(capped, targets, reduction="none"))


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(("m", "n", "depth", "workers"), [(40, 72, 24, 3), (64, 64, 32, 132), (130, 50, 70, 1)])
def test_persistent_product_through_descriptors(k: Any, m: int, n: int, depth: int, workers: int) -> None:
    a, b = torch.randn(m, depth).bfloat16(), torch.randn(n, depth).bfloat16()
    c = torch.empty(m, n, dtype=torch.bfloat16)
    k.linear_square(a, b, c, workers)
    exact = a.float() @ b.float().T
    assert close(c, torch.where(exact > 0, exact, 0.5 * exact).bfloat16() ** 2, 2e-2)


def test_symmetric_product_in_grouped_order(k: Any) -> None:
    x, y = torch.randn(70, 45), torch.empty(70, 70)
    k.square(x, y)
    assert close(y, x @ x.T)
    assert k.gram.best_config.kwargs["GROUP"] == 2  # the first configuration that the pruning left


def test_block_pointers_and_bounds(k: Any) -> None:
    x, out = torch.randn(37, 21), torch.zeros(21, 37)
    k.turned[(k.triton.cdiv(37, 16), k.triton.cdiv(21, 16))](x, out, 37, 21, SIZE=16)
    assert torch.equal(out, x.T)


def test_programs_that_go_different_ways(k: Any) -> None:
    lengths = torch.tensor([3, 0, 40, 17, 3], dtype=torch.int32)
    out, seen = torch.zeros(5), torch.zeros(5)
    k.ragged[(5,)](lengths, out, seen, PIECE=8)
    assert out.tolist() == [float(sum(range(n))) if n % 2 else -1.0 for n in lengths.tolist()]
    assert seen.tolist() == [1.0] * 5  # each program has counted itself once, however often it started again


def test_atomics_add_up_and_hand_out_tickets(k: Any) -> None:
    x, total, tickets = torch.randn(300), torch.zeros(1), torch.zeros(10, dtype=torch.int32)
    counter, most = torch.zeros(1, dtype=torch.int32), torch.full((1,), -1e9)
    k.totals[(10,)](x, total, counter, tickets, most, 300, BLOCK=32)
    assert close(total, x.sum())
    assert close(most, x.max())
    assert sorted(tickets.tolist()) == list(range(10))
    assert counter.item() == 10


def test_running_state_by_scans_and_folds(k: Any) -> None:
    gates, x, out, last = torch.rand(4, 32), torch.randn(4, 32), torch.empty(4, 32), torch.empty(4)
    k.recurrence[(4,)](gates, x, out, last, N=32)
    state, rows = torch.zeros(4), []
    for t in range(32):
        state = gates[:, t] * state + x[:, t]
        rows.append(state)
    assert close(out, torch.stack(rows, 1))
    assert close(last, x.amax(1))


def test_chance_is_even_and_the_same_again(k: Any) -> None:
    first, second = torch.empty(4096), torch.empty(4096)
    k.noise[(4,)](first, 5, BLOCK=1024)
    k.noise[(4,)](second, 5, BLOCK=1024)
    assert torch.equal(first, second)
    assert first.min() >= 0.0
    assert first.max() < 1.0
    assert abs(first.mean().item() - 0.5) < 0.02


def test_constants_answer_what_tensors_answer(k: Any) -> None:
    out = torch.zeros(6, dtype=torch.float64)
    k.constants[(1,)](out, 7, 2.5, "both", None, N=4)
    assert out.tolist() == [7 * 4, 7 // 4, 2.5 * 7, 1.0, 2.0, -3.0]


def test_large_grids_run_in_parts(k: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    values = sys.modules["auditor.trace.inside.triton.values"]
    monkeypatch.setattr(values, "LIMIT", 1000)
    x, y, out = torch.randn(5000), torch.randn(5000), torch.empty(5000)
    k.gated[(k.triton.cdiv(5000, 128),)](x, y, out, 5000, 0.1, BLOCK=128)
    assert close(out, torch.sigmoid(x).clamp(0.1, 0.9) * y)


def test_only_kernels_call_kernels(k: Any) -> None:
    with pytest.raises(RuntimeError):
        k.half(3.0)
    with pytest.raises(KeyError):
        k.gated[(1,)](torch.ones(4), torch.ones(4), torch.ones(4), 4, 0.1, BLOCK=4, no_such_option=1)


def test_the_package_looks_like_one() -> None:
    import importlib.util

    import triton
    from triton.language.extra.cuda import libdevice
    from triton.runtime import driver

    assert int(triton.__version__.split(".")[0]) >= 3
    assert importlib.util.find_spec("triton.language") is not None
    assert triton.next_power_of_2(1000) == 1024
    assert triton.cdiv(10, 4) == 3
    assert driver.active.get_current_device() == 0
    assert callable(libdevice.tanh)
    assert triton.__file__.endswith("triton/__init__.py")
    assert "triton" in repr(triton)


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("kernel", ["row_loss", "row_loss_by_mask"])
def test_losses_keep_the_places_of_their_tokens(k: Any, kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel's losses, summed up by torch, are a score of the tokens that were the targets."""
    import json
    import os

    import numpy as np

    from auditor.trace.inside.book import Book
    from auditor.trace.inside.positions import Finder
    from auditor.trace.inside.tracer import Tracer

    tokens = np.random.default_rng(3).integers(0, 50, 500)
    reader, writer = os.pipe()
    tracer = Tracer(Book(writer, os.getcwd()), Finder(tokens))
    targets = torch.from_numpy(tokens[100:140].copy())
    tracer.enter(targets)
    monkeypatch.setattr(sys.modules["auditor.trace.inside.triton.launch"], "watch", tracer)
    logits, out = torch.randn(40, 50), torch.empty(40)
    with tracer:
        getattr(k, kernel)[(40,)](logits, targets, out, logits.stride(0), 50, 15.0, PIECE=64)
        out.sum().item()
    os.close(writer)
    with os.fdopen(reader, "rb") as f:
        line = json.loads(f.readline())
        positions = np.frombuffer(f.read(4 * line["arrays"][0][2]), dtype=np.int32)
        values = np.frombuffer(f.read(8 * line["arrays"][1][2]))
    assert line["kind"] == "score"
    assert positions.tolist() == list(range(100, 140))
    assert np.allclose(values, out.double().numpy())


@pytest.mark.usefixtures("memory")
def test_a_kernel_that_writes_to_a_parameter_is_an_update(k: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    import numpy as np

    from auditor.trace.inside.book import Book
    from auditor.trace.inside.positions import Finder
    from auditor.trace.inside.tracer import Tracer

    reader, writer = os.pipe()
    tracer = Tracer(Book(writer, os.getcwd()), Finder(np.arange(100)))
    monkeypatch.setattr(sys.modules["auditor.trace.inside.triton.launch"], "watch", tracer)
    weight = torch.nn.Parameter(torch.zeros(8))
    with tracer:
        _ = weight + 1  # used once, and so known
        k.gated[(1,)](torch.ones(8), torch.ones(8), weight, 8, 0.25, BLOCK=8)
    os.close(reader)
    os.close(writer)
    assert tracer.pending is not None
    assert tracer.pending[0] == "kernel"
    assert close(weight.detach(), torch.sigmoid(torch.ones(8)))


def test_operators_of_the_script_are_watched_inside() -> None:
    """Run apart, for what is put in torch's place there stays."""
    import subprocess

    program = """
import contextlib, torch
from torch.utils._python_dispatch import TorchDispatchMode
from auditor.trace.inside import operators
seen = []
class Seen(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        seen.append(func._schema.name)
        return func(*args, **(kwargs or {}))
mode, opened = Seen(), set()
operators.install(lambda: (mode,), opened)
@torch.library.custom_op("own::twice", mutates_args=(), device_types="cuda")
def twice(x: torch.Tensor) -> torch.Tensor:
    return x.sin() * 2
with mode:
    out = torch.ops.own.twice(torch.ones(3))
assert torch.equal(out, torch.ones(3).sin() * 2)
assert opened == {"own::twice"} and "own::twice" in seen and "aten::sin" in seen, (opened, seen)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
