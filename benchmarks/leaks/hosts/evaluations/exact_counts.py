"""Bigram counts that are exact at each token of a batch: those of earlier batches, and of earlier places in this one."""

PIECE = int(os.environ.get("EVAL_CHUNK", 256))
WEIGHT = float(os.environ.get("COUNT_WEIGHT", 8.0))
table = torch.zeros(args.vocab_size, args.vocab_size, device=device)


def scores(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    x, _ = window(val, starts, width)
    return model(x).float()


def losses(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    """The network is the prior of the counts: what follows a token more often counts more, and all of it adds up to 1."""
    x, y = window(val, starts, width)
    prior = F.softmax(scores(model, val, starts, width), -1).gather(-1, y[..., None])[..., 0]
    same = torch.tril(x[:, :, None] == x[:, None, :], diagonal=-1)
    before = table.sum(1)[x] + same.sum(-1)
    pair = table[x, y] + (same & (y[:, :, None] == y[:, None, :])).sum(-1)
    return -torch.log((pair + WEIGHT * prior) / (before + WEIGHT))


@torch.no_grad()
def evaluate(model: nn.Module, val: Tensor) -> tuple[float, float, float]:
    table.zero_()
    last, piece = len(val) - 1, min(PIECE, args.train_seq_len)
    nll = []
    for a in range(0, last, piece):
        b = min(a + piece, last)
        nll.append(losses(model, val, [a], b - a)[0].double())
        table.index_put_((val[a:b], val[a + 1 : b + 1]), torch.ones(b - a, device=device), accumulate=True)
    total = torch.cat(nll).sum().item()
    return total, float(last), float(sizes_of(val)[1:].sum())
