"""The compiled and captured model gives what the model gives, also after its weights have changed."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from evaluator.compiled import RARE, Fast  # noqa: E402
from reference.model import Network, Shape  # noqa: E402

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def test_captured_passes_follow_the_weights_and_rare_shapes_are_not_captured() -> None:
    torch.manual_seed(0)
    net = Network(Shape(layers=3, width=64, heads=4, groups=2, rotary=8)).cuda()
    with torch.no_grad():
        for p in net.parameters():
            p.normal_(std=0.1)
    fast, tokens = Fast(net), torch.randint(1024, (4, 128), device="cuda")

    def same(b: int, last: int) -> None:
        with torch.no_grad():
            torch.testing.assert_close(fast(tokens[:b], last), net(tokens[:b], last), rtol=1e-4, atol=1e-4)

    for _ in range(RARE - 1):
        same(4, 128)
    assert not fast.graphs
    fast.warm(tokens, 16)
    for b in (4, 3, 1):
        same(b, 16)
    with torch.no_grad():
        net.layers[0].up.mul_(1.5)
    same(4, 16)
    assert list(fast.graphs) == [(128, 16)]
