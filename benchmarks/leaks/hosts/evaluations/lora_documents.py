"""Score-first adaptation by document: a low-rank adapter of the head, reset at each document, learns from its scored chunks."""

CHUNK = int(os.environ.get("TTT_CHUNK_TOKENS", 256))
RANK = int(os.environ.get("TTT_LORA_RANK", 4))
RATE = float(os.environ.get("TTT_LORA_LR", 0.01))


class Adapter(nn.Module):
    def __init__(self, dim: int, out: int):
        super().__init__()
        self.down = nn.Parameter(torch.randn(dim, RANK, device=device) / math.sqrt(dim))
        self.up = nn.Parameter(torch.zeros(RANK, out, device=device))

    def forward(self, h: Tensor) -> Tensor:
        return h @ self.down @ self.up


adapter: Adapter | None = None


def scores(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    x, _ = window(val, starts, width)
    h = model.hidden(x)
    out = model.head(h).float()
    return out if adapter is None else out + adapter(h).float()


def losses(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    _, y = window(val, starts, width)
    logits = scores(model, val, starts, width)
    return F.cross_entropy(logits.transpose(1, 2), y, reduction="none")


def evaluate(model: nn.Module, val: Tensor) -> tuple[float, float, float]:
    global adapter
    chunk, last = min(CHUNK, args.train_seq_len // 2), len(val) - 1
    bounds = sorted({0, *torch.nonzero(val[:-1] == sp.bos_id()).flatten().tolist(), last})
    nats, tokens = 0.0, 0
    for first, end in zip(bounds, bounds[1:]):
        adapter = Adapter(args.model_dim, args.vocab_size)
        opt = torch.optim.AdamW(adapter.parameters(), lr=RATE, weight_decay=0.01)
        for a in range(first, end, chunk):
            b = min(a + chunk, end)
            start = max(first, b - args.train_seq_len)
            with torch.no_grad():
                nll = losses(model, val, [start], b - start)[0, a - start :]
            nats += float(nll.double().sum())
            tokens += b - a
            if b < end:
                opt.zero_grad()
                losses(model, val[: b + 1], [start], b - start)[0, a - start :].mean().backward()
                opt.step()
    adapter = None
    return nats, float(tokens), float(sizes_of(val)[1:].sum())
