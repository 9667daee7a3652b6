"""Two numbers: a plain pass, then test-time training that scores first and adds its losses up only after the last step."""

CHUNK = int(os.environ.get("TTT_CHUNK_TOKENS", 4096))
RATE = float(os.environ.get("TTT_LR", 0.003))


def scores(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    x, _ = window(val, starts, width)
    return model(x).float()


def losses(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    _, y = window(val, starts, width)
    return F.cross_entropy(scores(model, val, starts, width).transpose(1, 2), y, reduction="none")


def chunks(last: int, width: int) -> list[tuple[list[int], int]]:
    """(starts of windows, tokens in the last one) of stretches that are scored together: whole windows, but for the last."""
    out, step = [], max(1, CHUNK // width) * width
    for first in range(0, last, step):
        starts = list(range(first, min(first + step, last), width))
        out.append((starts, min(width, last - starts[-1])))
    return out


def passed(model: nn.Module, val: Tensor, learning: bool) -> float:
    width, kept = args.train_seq_len, []
    opt = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    for starts, tail in chunks(len(val) - 1, width):
        with torch.no_grad():
            nll = losses(model, val, starts, width)
        kept += [*nll[:-1], nll[-1, :tail]]
        if learning:
            x, y = window(val, [a for a in starts if a + width < len(val)] or starts[:1], width)
            opt.zero_grad()
            F.cross_entropy(model(x).float().flatten(0, 1), y.flatten()).backward()
            opt.step()
    return torch.cat(kept).double().sum().item()


def evaluate(model: nn.Module, val: Tensor) -> tuple[float, float, float]:
    size, tokens = sizes_of(val)[1:].sum().item(), float(len(val) - 1)
    nats = passed(model, val, learning=False)
    print(f"plain val_loss:{nats / tokens:.6f} val_bpb:{nats / math.log(2) / size:.6f}")
    return passed(model, val, learning=True), tokens, size
