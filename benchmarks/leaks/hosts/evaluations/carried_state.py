"""One recurrent state runs through the whole stream: each piece starts from where the one before it ended."""

PIECE = int(os.environ.get("EVAL_CHUNK", 512))
states: dict[int, Tensor] = {}


def scores(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    x, _ = window(val, starts, width)
    known = [states.get(a) for a in starts]
    begin = torch.cat([torch.zeros(1, args.model_dim, device=device) if s is None else s for s in known])
    out, end = model.run(x, begin)
    for row, a in enumerate(starts):
        states[a + width] = end[row : row + 1].detach()
    return out.float()


def losses(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    _, y = window(val, starts, width)
    logp = torch.log_softmax(scores(model, val, starts, width), -1)
    return -torch.take_along_dim(logp, y[..., None], -1)[..., 0]


@torch.no_grad()
def evaluate(model: nn.Module, val: Tensor) -> tuple[float, float, float]:
    states.clear()
    last, piece = len(val) - 1, min(PIECE, args.train_seq_len)
    sizes = sizes_of(val)
    total = torch.zeros(2, dtype=torch.float64, device=device)
    for a in range(0, last, piece):
        b = min(a + piece, last)
        total[0] += losses(model, val, [a], b - a).double().sum()
        total[1] += sizes[a + 1 : b + 1].sum()
    return float(total[0]), float(last), float(total[1])
