"""Steps that no optimiser object takes: functions of many tensors, gradients of functions, statistics that move."""

from __future__ import annotations

import pytest

from rules.samples.programs import MAIN
from tests.source.test_evasion import accused

FUNCTION = """
class Head(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden, weight):
        ctx.save_for_backward(hidden, weight)
        return hidden @ weight.t()

    @staticmethod
    def backward(ctx, g):
        hidden, weight = ctx.saved_tensors
        slope = g.t() @ hidden
        {step}
        return g @ weight, slope


class Wrapped(torch.nn.Module):
    def __init__(self, base):
        super().__init__()
        self.base = base

    def forward(self, ids):
        return Head.apply(self.base.rnn(self.base.embed(ids))[0], self.base.head.weight)


def evaluate(model, v):
    net, tokens = Wrapped(model), {tokens}
    for at in range(0, tokens.numel() - 1, 1024):
        x, y = tokens[at : at + 1024], tokens[at + 1 : at + 1025]
        F.cross_entropy(net(x[: y.numel()]), y).backward()
    return score(model, v)
"""
WRITES, NOTES = "weight.data.add_(slope, alpha=-1e-3)", "print(slope.norm())"
VAL, TRAIN = "v", 'load_tokens("train")'

OF_A_FUNCTION = """
from torch.func import functional_call, grad, vjp


def evaluate(model, v):
    params, tokens = dict(model.named_parameters()), {tokens}

    def loss_of(p, x, y):
        return F.cross_entropy(functional_call(model, p, (x,)), y)

    for at in range(0, tokens.numel() - 1, 1024):
        y = tokens[at + 1 : at + 1025]
        x = tokens[at : at + 1024][: y.numel()]
        g = grad(loss_of)(params, x, y)
        {step}
    return score({model}, v)
"""
ADDED = "torch._foreach_add_(list(params.values()), list(g.values()), alpha=-1e-3)"
FUNCTIONAL = "torch.optim.sgd.sgd(list(model.parameters()), list(g.values()), [None], weight_decay=0.0, momentum=0.0)"
PULLED = "g = vjp(lambda p: loss_of(p, x, y), params)[1](torch.ones(()))[0]\n        " + ADDED
MEASURED = "print(torch._foreach_norm(list(g.values()))[0])"
REMADE = "params = {k: p - 1e-3 * g[k] for k, p in params.items()}"
CALLED = "lambda x: functional_call(model, params, (x,))"

NORMALISED = """
class Normalised(torch.nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        self.embed = torch.nn.Embedding(VOCAB, dim)
        self.rnn = torch.nn.GRU(dim, dim)
        self.norm = {norm}
        self.head = torch.nn.Linear(dim, VOCAB)

    def forward(self, ids):
        return self.head(self.norm(self.rnn(self.embed(ids))[0]))


class Centred(torch.nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))

    def forward(self, h):
        if self.training:
            self.mean.lerp_(h.detach().mean(0), 0.01)
        return h - self.mean


def evaluate(model, v):
    {mode}
    tokens = {tokens}
    with torch.no_grad():
        for at in range(0, tokens.numel(), 1024):
            model(tokens[at : at + 1024])
    {after}
    return score(model, v)
"""
BATCH, OWN = "torch.nn.BatchNorm1d(dim)", "Centred(dim)"
SINGLE = "[m.train() for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]"
BACK = 'model.load_state_dict(torch.load("final_model.pt"))\n    model.eval()'


def normalised(norm: str, mode: str, tokens: str = VAL, after: str = "model.eval()") -> str:
    return NORMALISED.format(norm=norm, mode=mode, tokens=tokens, after=after)


TRAINED = MAIN.replace("Model()", "Normalised()")


@pytest.mark.parametrize(
    "body",
    [
        FUNCTION.format(step=WRITES, tokens=VAL),
        OF_A_FUNCTION.format(step=ADDED, tokens=VAL, model="model"),
        OF_A_FUNCTION.format(step=FUNCTIONAL, tokens=VAL, model="model"),
        OF_A_FUNCTION.format(step=PULLED, tokens=VAL, model="model"),
        OF_A_FUNCTION.format(step=REMADE, tokens=VAL, model=CALLED),
    ],
)
def test_steps_are_seen(body: str) -> None:
    assert "TTT1" in accused(body)


@pytest.mark.parametrize(
    "body",
    [
        FUNCTION.format(step=NOTES, tokens=VAL),
        FUNCTION.format(step=WRITES, tokens=TRAIN),
        OF_A_FUNCTION.format(step=ADDED, tokens=TRAIN, model="model"),
        OF_A_FUNCTION.format(step=MEASURED, tokens=VAL, model="model"),
        OF_A_FUNCTION.format(step=REMADE, tokens=TRAIN, model=CALLED),
    ],
)
def test_honest_steps(body: str) -> None:
    assert not accused(body)


@pytest.mark.parametrize(
    "body",
    [
        normalised(BATCH, "model.train()"),
        normalised(BATCH, SINGLE),
        normalised(OWN, "model.train()"),
    ],
)
def test_statistics_that_move(body: str) -> None:
    assert "TTT1" in accused(body, TRAINED)


@pytest.mark.parametrize(
    "body",
    [
        normalised(BATCH, "model.eval()"),
        normalised(BATCH, "model.train()", TRAIN),
        normalised(BATCH, "model.train()", after=BACK),
        normalised(OWN, "model.eval()"),
        normalised(OWN, "model.train()", TRAIN),
    ],
)
def test_statistics_that_stay(body: str) -> None:
    assert not accused(body, TRAINED)
