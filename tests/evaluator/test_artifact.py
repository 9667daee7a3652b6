from __future__ import annotations

import pickle
from dataclasses import asdict
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from evaluator import artifact  # noqa: E402
from evaluator.artifact import ArtifactError  # noqa: E402
from evaluator.attention import attend  # noqa: E402
from reference.model import Network, Shape  # noqa: E402
from tests.evaluator.small import network, stream  # noqa: E402


def test_a_model_comes_back_as_it_was(tmp_path: Path) -> None:
    net = network()
    artifact.save(tmp_path / "a.pt", net, "decoder", asdict(net.shape))
    got = artifact.load(tmp_path / "a.pt")
    tokens, _ = stream(2, 20)
    assert torch.equal(got.model(tokens), net(tokens))
    assert got.size == (tmp_path / "a.pt").stat().st_size
    assert not got.model.training


def known_system() -> Network:
    """All switches at once."""
    torch.manual_seed(3)
    shape = Shape(
        61, 5, 32, heads=4, groups=2, slope=0.5, repeated=(1, 2), exclusive=3, rotary=4, trained=16, layer_scale=True,
        smear=True, bigrams=64, bigram_width=8, value_layers=(5, 6), value_width=8, value_residual=True, gated=True,
    )  # fmt: skip
    net = Network(shape)
    for p in net.parameters():
        p.data.add_(torch.randn_like(p) * 0.1)
    return net


def test_the_network_with_all_switches_is_an_artifact_too(tmp_path: Path) -> None:
    net = known_system()
    artifact.save(tmp_path / "n.pt", net, "network", asdict(net.shape))
    tokens, _ = stream(2, 40)
    assert torch.equal(artifact.load(tmp_path / "n.pt").model(tokens), net(tokens))


@pytest.mark.parametrize("make", [network, known_system])
def test_the_last_positions_are_those_of_the_whole_and_know_nothing_later(make: object) -> None:
    net = make().double()  # type: ignore[operator]
    tokens, _ = stream(2, 40)
    whole = net(tokens)
    for last in (1, 7, 40):
        assert torch.allclose(net(tokens, last), whole[:, 40 - last :], atol=1e-12)
    other = tokens.clone()
    other[:, 25:] = (other[:, 25:] + 1) % 61
    assert torch.equal(net(other)[:, :25], whole[:, :25])
    assert not torch.equal(net(other)[:, 25:], whole[:, 25:])


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("executed",))


def test_files_that_are_no_artifacts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = network()
    artifact.save(tmp_path / "good.pt", net, "decoder", asdict(net.shape))
    files = {
        "empty.pt": b"",
        "text.pt": b"not a model",
        "evil.pt": pickle.dumps(Evil()),
        "cut.pt": (tmp_path / "good.pt").read_bytes()[:500],
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    torch.save({"weights": {}}, tmp_path / "other.pt")
    artifact.save(tmp_path / "unknown.pt", net, "no_such_network", asdict(net.shape))
    artifact.save(tmp_path / "misfit.pt", net, "decoder", asdict(net.shape) | {"layers": 9})
    artifact.save(tmp_path / "odd.pt", net, "decoder", asdict(net.shape) | {"wings": 2})
    for name in (*files, "other.pt", "unknown.pt", "misfit.pt", "odd.pt", "missing.pt"):
        with pytest.raises(ArtifactError, match=name):
            artifact.load(tmp_path / name)
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("n", [1, 5, 12])
def test_attention_of_the_last_positions(n: int) -> None:
    """Against a softmax written out; heads share keys and values in groups."""
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 12, h, 8, dtype=torch.float64) for h in (4, 2, 2))
    wide = [x.repeat_interleave(2, 2) for x in (k, v)]
    weights = torch.einsum("bqhd,bkhd->bhqk", q, wide[0]) / 8**0.5
    weights = weights.masked_fill(torch.ones(12, 12).triu(1).bool(), -torch.inf).softmax(-1)
    wanted = torch.einsum("bhqk,bkhd->bqhd", weights, wide[1])
    assert torch.allclose(attend(q[:, 12 - n :], k, v), wanted[:, 12 - n :], atol=1e-12)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_flash_attention_and_torch_agree() -> None:
    from evaluator.attention import NAME

    if NAME == "SDPA":
        pytest.skip("no flash-attn here")
    q, k, v = (torch.randn(2, 256, h, 64, device="cuda", dtype=torch.bfloat16) for h in (8, 4, 4))
    for n in (1, 64, 256):
        own, other = (attend(q[:, 256 - n :], k, v, kind=kind).float() for kind in (None, "SDPA"))
        assert (own - other).abs().max() < 2e-2
