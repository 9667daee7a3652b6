"""Sliding windows in batches: each token is scored once, with at least a window less one stride of context."""

STRIDE = int(os.environ.get("EVAL_STRIDE", 64))
BATCH = int(os.environ.get("EVAL_BATCH_SEQS", 32))


def scores(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    x, _ = window(val, starts, width)
    with torch.autocast(device_type="cuda", dtype=torch.bfloat16):
        return model(x).float()


def losses(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    _, y = window(val, starts, width)
    logits = scores(model, val, starts, width)
    return F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none").view(y.shape)


def evaluate(model: nn.Module, val: Tensor) -> tuple[float, float, float]:
    width, last = args.train_seq_len, len(val) - 1
    sizes = sizes_of(val)
    begins = [a for a in range(0, last, STRIDE) if a == 0 or a + width - STRIDE < last]
    nats = torch.zeros((), dtype=torch.float64, device=device)
    tokens = torch.zeros((), dtype=torch.float64, device=device)
    size = torch.zeros((), dtype=torch.float64, device=device)
    with torch.inference_mode():
        for i in range(0, len(begins), BATCH):
            batch = begins[i : i + BATCH]
            nll = losses(model, val, batch, width)
            for row, a in enumerate(batch):
                first, end = 0 if a == 0 else width - STRIDE, min(width, last - a)
                nats += nll[row, first:end].double().sum()
                size += sizes[a + first + 1 : a + end + 1].sum()
                tokens += end - first
    return nats.item(), tokens.item(), size.item()
