"""Code that runs although nobody seems to call it, and memory that is written by another name."""

from __future__ import annotations

import pytest

from tests.source.test_evasion import accused

LEARN = """
import asyncio
import atexit
import contextlib
import ctypes
import threading

import torch.utils._pytree as pytree


def learn(model, v):
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for at in range(0, v.numel() - 1, 1024):
        x, y = v[at : at + 1024], v[at + 1 : at + 1025]
        optimizer.zero_grad()
        F.cross_entropy(model(x[: y.numel()]), y).backward()
        optimizer.step()

"""

CLASS = """
class Quiet{bases}:
    def __init__(self, model, v):
        super().__init__()
        self.model, self.v = model, v

    def {method}(self, *rest):
        learn(self.model, self.v)
        return {gives}


def evaluate(model, held):
    v = {tokens}
    quiet = Quiet(model, v)
    {use}
    return score(model, held)
"""
SPECIAL = [
    ("", "__bool__", "True", "assert quiet"),
    ("", "__len__", "3", "ready = not quiet"),
    ("", "__str__", '"ready"', 'print(f"{quiet}")'),
    ("", "__eq__", "True", "same = quiet == 1"),
    ("", "__contains__", "True", "known = 1 in quiet"),
    ("", "__rshift__", "self", "quiet >> 1"),
    ("", "__rmul__", "self", "2 * quiet"),
    ("", "__del__", "None", "del quiet"),
    ("(threading.Thread)", "run", "None", "quiet.start()"),
]

OTHERS = [
    "threading.Timer(0.0, learn, (model, v)).start()",
    'threading.Thread(target=learn, kwargs={"model": model, "v": v}).start()',
    "[0, 1].sort(key=lambda i: learn(model, v) or i)",
    "pytree.tree_map(lambda m, t: learn(m, t), [model], [v])",
]

METACLASS = """
class Meta(type):
    def __call__(cls, *given):
        learn(*given)
        return super().__call__(*given)


class Base:
    def __init_subclass__(cls, given=None):
        learn(*given)


class Ready(metaclass=Meta):
    def __init__(self, model, v):
        self.model = model


def evaluate(model, held):
    v = {tokens}
    {use}
    return score(model, held)
"""
MADE = ["Ready(model, v)", "class Sub(Base, given=(model, v)):\n        pass"]

DECORATED = """
class Quiet(contextlib.ContextDecorator):
    def __init__(self, model, v):
        self.model, self.v = model, v

    def __enter__(self):
        learn(self.model, self.v)
        return self

    def __exit__(self, *rest):
        return False


def evaluate(model, held):
    @Quiet(model, {tokens})
    def run():
        return score(model, held)

    return run()
"""

SENT = """
def learner(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    while True:
        x, y = yield
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()


def evaluate(model, held):
    v, pupil = {tokens}, learner(model)
    next(pupil)
    for at in range(0, v.numel() - 1, 1024):
        y = v[at + 1 : at + 1025]
        pupil.send((v[at : at + 1024][: y.numel()], y))
    return score(model, held)
"""

HOOK = """
def evaluate(model, held):
    v, other = {tokens}, load_tokens("train")
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    places = iter(range(0, v.numel() - 1, 1024))

    def after(*given):
        at = next(places)
        y = v[at + 1 : at + 1025]
        F.cross_entropy(model(v[at : at + 1024][: y.numel()]), y).backward()

    optimizer.register_step_post_hook(after)
    for at in range(0, 65536, 1024):
        F.cross_entropy(model(other[at : at + 1024]), other[at + 1 : at + 1025]).backward()
        optimizer.step()
    return score(model, held)
"""

MEMORY = """
def evaluate(model, held):
    v, weight = {tokens}, model.head.weight
    for at in range(0, v.numel() - 1, 1024):
        y = v[at + 1 : at + 1025]
        loss = F.cross_entropy(model(v[at : at + 1024][: y.numel()]), y)
        slope = torch.autograd.grad(loss, weight)[0]
        new = (weight.detach() - 1e-3 * slope).contiguous()
        {write}
    return score(model, held)
"""
WRITES = [
    "ctypes.memmove(weight.data_ptr(), new.data_ptr(), 4 * weight.numel())",
    "weight.untyped_storage().copy_(new.untyped_storage())",
    "torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(weight.detach())).sub_(1e-3 * slope)",
    "np.frombuffer((ctypes.c_float * 64).from_address(weight.data_ptr()), dtype=np.float32)[:] -= slope.numpy()",
    "torch.utils.swap_tensors(weight, torch.nn.Parameter(new))",
    "torch.sub(weight, 1e-3 * slope, out=weight.data)",
    "model.head.weight = torch.nn.Parameter(new)",
    'model.head._parameters["weight"] = torch.nn.Parameter(new)',
]

LOW_RANK = """
from torch.nn.utils import parametrize


class Low(torch.nn.Module):
    def __init__(self, rows, columns, rank=4):
        super().__init__()
        self.a = torch.nn.Parameter(torch.zeros(rows, rank))
        self.b = torch.nn.Parameter(torch.randn(rank, columns))

    def forward(self, weight):
        return weight + self.a @ self.b


def evaluate(model, held):
    v, low = {tokens}, Low(VOCAB, 64)
    parametrize.register_parametrization(model.head, "weight", low)
    optimizer = torch.optim.SGD(low.parameters(), lr=1e-3)
    for at in range(0, v.numel() - 1, 1024):
        y = v[at + 1 : at + 1025]
        optimizer.zero_grad()
        F.cross_entropy(model(v[at : at + 1024][: y.numel()]), y).backward()
        optimizer.step()
    return score(model, held)
"""

BODIES = [
    *(CLASS.replace("{bases}", b).replace("{method}", m).replace("{gives}", g).replace("{use}", u) for b, m, g, u in SPECIAL),
    *(METACLASS.replace("{use}", u) for u in (*MADE, *OTHERS)),
    *(MEMORY.replace("{write}", write) for write in WRITES),
    DECORATED,
    SENT,
    HOOK,
    LOW_RANK,
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
def test_seen_however_it_runs(body: str) -> None:
    assert "TTT1" in accused(LEARN + body.replace("{tokens}", "held"))


@pytest.mark.parametrize("body", BODIES)
def test_the_same_on_training_tokens(body: str) -> None:
    assert not accused(LEARN + body.replace("{tokens}", 'load_tokens("train")'))


AT_EXIT = """\
def main():
    model, v = Model(), load_tokens("val")
    train(model, load_tokens("train"))
    atexit.register(lambda: print(f"final_exact val_loss:{score(model, v) / (v.numel() - 1):.8f}"))
    {last}


if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(("last", "found"), [("learn(model, v)", True), ("print(model)", False)])
def test_what_is_printed_at_the_end(last: str, found: bool) -> None:
    body = LEARN + "\n\ndef evaluate(model, v):\n    return 0.0\n"
    assert ("TTT1" in accused(body, AT_EXIT.replace("{last}", last))) is found
