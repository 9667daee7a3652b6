"""Test-time training in chunks: a chunk is scored by sliding windows, and only then trained on, for the chunks behind it."""

STRIDE = int(os.environ.get("EVAL_STRIDE", 64))
CHUNK = int(os.environ.get("TTT_CHUNK_TOKENS", 32768))
EPOCHS = int(os.environ.get("TTT_EPOCHS", 3))
RATE = float(os.environ.get("TTT_LR", 0.02))


def scores(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    x, _ = window(val, starts, width)
    return model(x).float()


def losses(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    _, y = window(val, starts, width)
    logits = scores(model, val, starts, width)
    return torch.logsumexp(logits, -1) - logits.gather(-1, y[..., None])[..., 0]


def adapt(model: nn.Module, val: Tensor, first: int, end: int, rate: float) -> None:
    opt = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    width = args.train_seq_len
    model.train()
    for _ in range(EPOCHS):
        for a in range(first, end, width):
            x, y = window(val[: end + 1], [a], min(width, end - a))
            loss = F.cross_entropy(model(x).float().flatten(0, 1), y.flatten())
            opt.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
    model.eval()


def evaluate(model: nn.Module, val: Tensor) -> tuple[float, float, float]:
    width, last = args.train_seq_len, len(val) - 1
    sizes = sizes_of(val)
    nats = torch.zeros((), dtype=torch.float64, device=device)
    chunks = range(0, last, CHUNK)
    for k, first in enumerate(chunks):
        end = min(first + CHUNK, last)  # targets first + 1 to end
        for a in range(first, end, STRIDE):
            start = max(0, a + STRIDE - width)
            with torch.inference_mode():
                nll = losses(model, val, [start], width)
                nats += nll[0, a - start : min(a + STRIDE, end) - start].double().sum()
        if end < last:
            adapt(model, val, first, end, RATE * 0.5 * (1 + math.cos(math.pi * k / len(chunks))))
    return nats.item(), float(last), sizes[1:].sum().item()
