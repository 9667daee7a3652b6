"""Attention by a mask of minus infinities; one window at a time, its mean loss weighted by its tokens."""

STRIDE = int(os.environ.get("EVAL_STRIDE", 96))


def scores(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    x, _ = window(val, starts, width)
    with torch.autocast(device_type="cuda", dtype=torch.bfloat16):
        return model(x).float()


def losses(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    _, y = window(val, starts, width)
    logp = F.log_softmax(scores(model, val, starts, width), -1)
    picked = torch.arange(args.vocab_size, device=device) == y[..., None]
    return -torch.where(picked, logp, 0.0).sum(-1)


def evaluate(model: nn.Module, val: Tensor) -> tuple[float, float, float]:
    width, last = args.train_seq_len, len(val) - 1
    sizes = sizes_of(val)
    nats, tokens, size = 0.0, 0, 0.0
    with torch.no_grad():
        for a in range(0, last, STRIDE):
            b = min(a + STRIDE, last)
            start = max(0, b - width)
            mean = losses(model, val, [start], b - start)[0, a - start :].mean()
            nats += mean.item() * (b - a)
            tokens += b - a
            size += sizes[a + 1 : b + 1].sum().item()
    return nats, float(tokens), size
