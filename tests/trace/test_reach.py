"""How far numbers reach: what a network lets through, and what it does not."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from auditor.trace.inside.frozen import Frozen  # noqa: E402
from auditor.trace.inside.moves import classify  # noqa: E402
from auditor.trace.inside.reach import Reach  # noqa: E402
from auditor.trace.inside.reaches import Reaches, narrow  # noqa: E402

N, D = 7, 4
F = torch.nn.functional


class Followed(TorchDispatchMode):
    """Every operation, followed."""

    def __init__(self) -> None:
        super().__init__()
        self.reach = Reach()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        what, name = classify(func)
        if what != "view":
            self.reach.follow(what, name, func, args, kwargs or {}, out)
        return out


def reached(f, ids=None):  # type: ignore[no-untyped-def]
    """The reach of what `f` makes of a row of tokens that know themselves; a number for each row of the result."""
    ids = torch.arange(N) if ids is None else ids
    with Followed() as mode, torch.no_grad():
        mode.reach.begin(ids, torch.arange(N))
        out = f(ids)
    found = mode.reach.get(out)
    assert not mode.reach.loose, mode.reach.loose
    return None if found is None else [int(r.max()) for r in found]


TABLE = torch.randn(N, D)
WEIGHT = torch.randn(D, D)
EACH = list(range(N))


def attention(x, causal=True, by_hand=False):  # type: ignore[no-untyped-def]
    if not by_hand:
        return F.scaled_dot_product_attention(x[None, None], x[None, None], x[None, None], is_causal=causal)[0, 0]
    scores = x @ x.T
    if causal:
        scores = scores.masked_fill(torch.ones(N, N).triu(1).bool(), -torch.inf)
    return torch.bmm(scores.softmax(-1)[None], x[None])[0]


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize(("causal", "wanted"), [(True, EACH), (False, [N - 1] * N)])
def test_attention_knows_what_its_mask_lets_through(by_hand: bool, causal: bool, wanted: list[int]) -> None:
    assert reached(lambda ids: attention(F.embedding(ids, TABLE), causal, by_hand) @ WEIGHT) == wanted


@pytest.mark.parametrize(
    ("f", "wanted"),
    [
        (lambda x: F.rms_norm(x, (D,)) @ WEIGHT, EACH),
        (lambda x: x.view(N, 2, 2).transpose(1, 2).reshape(N, D) * 2, EACH),
        (lambda x: F.pad(x, (0, 0, 1, 0))[:-1] + 1, [-1, *EACH[:-1]]),
        (lambda x: F.pad(x, (0, 0, 0, 1))[1:] + 1, [*EACH[1:], -1]),
        (lambda x: x.cumsum(0), EACH),
        (lambda x: x - x.mean(0), [N - 1] * N),
        (lambda x: F.conv1d(F.pad(x.T[None], (2, 0)), torch.ones(D, D, 3))[0].T, EACH),
        (lambda x: torch.where(torch.arange(N)[:, None] == 2, x.flip(0), x), [0, 1, 4, 3, 4, 5, 6]),
        (lambda x: torch.zeros(N, D), None),
    ],
)
def test_layers_keep_rows_apart_or_put_them_together(f, wanted) -> None:  # type: ignore[no-untyped-def]
    assert reached(lambda ids: f(F.embedding(ids, TABLE))) == wanted


def test_a_part_that_is_written_over_forgets_and_copies_stay_as_they_were() -> None:
    r = Reaches()
    a, b = torch.zeros(4, 3), torch.zeros(4, 3)
    r.put(a, torch.arange(4, dtype=torch.int32)[:, None].expand(4, 3))
    taken = r.get(a.T)
    assert taken is not None
    r.put(b, taken.T)
    r.put(a[1:3], torch.tensor(-1, dtype=torch.int32))
    found, copy = r.get(a), r.get(b)
    assert found is not None
    assert copy is not None
    assert found[:, 0].tolist() == [0, -1, -1, 3]
    assert copy[:, 0].tolist() == [0, 1, 2, 3], "what was written over in one place is not written over in another"


def test_what_is_the_same_everywhere_is_known_in_every_shape() -> None:
    r = Reaches()
    a = torch.zeros(4, 6)
    r.put(a, torch.tensor(5, dtype=torch.int32))
    found = r.get(a.T[1:, ::2])
    assert found is not None
    assert found.tolist() == [[5, 5]] * 5
    r.put(a[0], torch.tensor(7, dtype=torch.int32))
    now = r.get(a)
    assert now is not None
    assert now[:, 0].tolist() == [7, 5, 5, 5]


def test_expanded_rows_take_no_room() -> None:
    r = torch.arange(4, dtype=torch.int32)[:, None].expand(4, 1000)
    assert narrow(r).numel() == 4
    assert torch.equal(narrow(r).expand(4, 1000), r)


def test_what_is_learnt_at_a_line_is_put_back_and_elsewhere_is_not() -> None:
    w = torch.ones(3)
    key = w.untyped_storage()._cdata
    frozen = Frozen([("a.py", 5)])

    def write(value: float) -> list[float]:
        kept = frozen.before([w])
        w.fill_(value)
        frozen.after(kept)
        return w.tolist()

    assert write(2.0) == [2.0] * 3
    frozen.learning(("a.py", 5), [key])
    assert write(9.0) == [2.0] * 3
    frozen.learning(("b.py", 5), [key])
    assert write(4.0) == [4.0] * 3
