"""Runs of several ranks: what they exchange, and what their books say together."""

from __future__ import annotations

import pytest

pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("sentencepiece")

from auditor.trace.execute import Job, trace
from auditor.trace.ready import missing
from rules.samples.scripts import HEAD
from rules.trace import Changed, How
from tests.trace.test_whole import BYTES, line, traced

EXCHANGES = """\
import os, torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
dist.init_process_group("nccl", device_id=torch.device("cuda", int(os.environ["LOCAL_RANK"])))
r, n = dist.get_rank(), dist.get_world_size()
assert n == 2 and r == int(os.environ["RANK"]), (r, n)
def same(a, b): assert a.tolist() == b, (r, a.tolist(), b)
def of(*x): return torch.tensor(x, dtype=torch.float32, device="cuda")
t = of(r, 10 * r); dist.all_reduce(t); same(t, [1, 10])
t = of(r + 1); w = dist.all_reduce(t, op=dist.ReduceOp.MAX, async_op=True); w.wait(); same(t, [2])
t = of(r + 1).bfloat16(); dist.all_reduce(t, dist.ReduceOp.AVG); same(t, [1.5])
t = of(r); dist.reduce(t, 1); same(t, [r])
t = of(5 + r); dist.broadcast(t, src=1); same(t, [6])
o = [r, None]; dist.broadcast_object_list(o, 0); assert o == [0, None]
g = [of(0), of(0)]; dist.all_gather(g, of(7 + r)); same(torch.cat(g), [7, 8])
g = torch.empty(4, device="cuda"); dist.all_gather_into_tensor(g, of(r, r + 2)); same(g, [0, 2, 1, 3])
o = [None, None]; dist.all_gather_object(o, {"rank": r}); assert o == [{"rank": 0}, {"rank": 1}]
o = [None, None] if r == 0 else None; dist.gather_object(r, o, 0); assert o == ([0, 1] if r == 0 else None)
t = torch.empty(2, device="cuda"); dist.reduce_scatter_tensor(t, of(1, 2, 3, 4) * (r + 1)); same(t, [[3, 6], [9, 12]][r])
t = of(0); dist.scatter(t, [of(3), of(4)] if r == 0 else None, src=0); same(t, [3 + r])
t = torch.empty(2, device="cuda"); dist.all_to_all_single(t, of(r * 10, r * 10 + 1)); same(t, [r, 10 + r])
t = of(r)
if r == 0: dist.send(t + 4, 1)
else: dist.recv(t, 0); same(t, [4])
ops = [dist.P2POp(dist.isend, of(r), 1 - r), dist.P2POp(dist.irecv, t, 1 - r)]
for w in dist.batch_isend_irecv(ops): w.wait()
same(t, [1 - r])
alone = dist.new_group([1]); both = dist.new_group([0, 1])
if r == 1: t = of(9); dist.all_reduce(t, group=alone); same(t, [9]); assert dist.get_rank(alone) == 0
dist.barrier(group=both)
torch.manual_seed(r)
m = torch.nn.Linear(3, 1, bias=False); d = DistributedDataParallel(m, device_ids=[r])
w = [torch.empty_like(m.weight) for _ in range(n)]; dist.all_gather(w, m.weight.detach()); assert torch.equal(*w)
d(of(1, 2, 3) * (r + 1)).sum().backward(); same(m.weight.grad, [[1.5, 3.0, 4.5]])
with d.no_sync(): d(of(1, 1, 1) * r).sum().backward()
same(m.weight.grad, [[1.5 + r, 3.0 + r, 4.5 + r]])
print(f"rank {r} agrees\\n", end="")  # one write: those of two ranks may lie between each other
dist.destroy_process_group()
"""

SHARDED = """\
import torch.distributed as dist
dist.init_process_group("nccl")
RANK, WORLD = dist.get_rank(), dist.get_world_size()
rounds = (len(val) - 1) // SEQ // WORLD


def chunk(number):
    return val[number * SEQ : number * SEQ + SEQ + 1]


def adapt(chunk, shared=True):
    opt.zero_grad()
    nll(model, chunk).mean().backward()
    if shared:
        for p in model.parameters():
            dist.all_reduce(p.grad, op=dist.ReduceOp.AVG)
    opt.step()


def evaluate():
    total = torch.zeros((), dtype=torch.float64, device=DEVICE)
    for i in range(rounds):
        with torch.no_grad():
            total += nll(model, chunk(i * WORLD + RANK)).double().sum()
        {adapt}
    dist.all_reduce(total)
    return total.item()


total, many = evaluate(), rounds * WORLD * SEQ
if RANK == 0:
    print(f"val_loss:{{total / many:.8f}} val_bpb:{{total / math.log(2) / size[1 : many + 1].sum().item():.8f}}")
"""
BEHIND = "adapt(chunk(i * WORLD + RANK))"
AHEAD = "adapt(chunk(min(i + 1, rounds - 1) * WORLD + 1 - RANK))"  # what the other rank scores next
ALONE = "adapt(chunk(min(i + 1, rounds - 1) * WORLD + 1 - RANK), shared=False); dist.barrier()"


def program(adapt: str) -> str:
    return HEAD + BYTES + SHARDED.format(adapt=adapt)


def test_ranks_exchange_what_torch_distributed_says() -> None:
    if reason := missing():
        pytest.skip(reason)
    run = trace(Job("train.py", {"train.py": EXCHANGES.encode()}, EXCHANGES, ranks=2))
    assert run.outcome.ok, run.stderr[-2000:]
    assert sorted(run.stdout.split("\n")) == ["", "rank 0 agrees", "rank 1 agrees"]
    assert {r.rank for r in run.records if r.kind == "print"} == {0, 1}


def test_a_rank_that_fails_ends_the_others() -> None:
    if reason := missing():
        pytest.skip(reason)
    text = "import torch.distributed as d\nd.init_process_group()\nassert d.get_rank() == 0, 'the other'\nd.barrier()\n"
    run = trace(Job("train.py", {"train.py": text.encode()}, text, ranks=2, wall_s=60))
    assert run.outcome.code == 1
    assert "the other" in run.stderr
    assert run.outcome.wall_s < 50


def test_a_sharded_evaluation_that_scores_first_is_explained_by_all_ranks_and_clean() -> None:
    t = traced(program(BEHIND), ranks=2)
    assert t.failure == ""
    head = t.printed[t.headline]
    assert head.what == "bits per byte"
    assert head.scores > t.positions * 0.9, "the scores of both ranks"
    assert t.early == ()
    assert {(p.kind, p.moved, p.problem) for p in t.probes} <= {(Changed.FUTURE, 0, ""), (Changed.ORDER, 0, "")}
    assert sum(p.kind is Changed.FUTURE for p in t.probes) == 2
    assert all(p.compared > (1000 if p.kind is Changed.FUTURE else 100) for p in t.probes)


def test_what_one_rank_trained_on_before_another_scored_it_is_found() -> None:
    text = program(AHEAD)
    t = traced(text, ranks=2, probing=False)
    assert t.printed[t.headline].what == "bits per byte"
    [e] = t.early
    assert e.how is How.TRAINED
    assert e.count > 0.9 * e.of
    assert e.at.line == line(text, "nll(model, chunk).mean().backward()")
    assert e.scored.line == line(text, "total += nll")


def test_gradients_that_stay_with_their_rank_reach_no_score_of_another() -> None:
    t = traced(program(ALONE), ranks=2, probing=False)
    assert t.explained
    assert t.early == ()
