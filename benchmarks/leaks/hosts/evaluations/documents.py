"""Document by document: contexts never reach over a beginning; documents of like length share a padded batch."""

BATCH = int(os.environ.get("EVAL_BATCH_SIZE", 16))
LONGEST = int(os.environ.get("EVAL_SEQ_LEN", 2048))


def scores(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    x, _ = window(val, starts, width)
    return model(x).float()


def losses(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    _, y = window(val, starts, width)
    logits = scores(model, val, starts, width)
    return F.cross_entropy(logits.permute(0, 2, 1), y, reduction="none")


def pieces(val: Tensor) -> list[tuple[int, int]]:
    """(first input, end) of documents, long ones in parts."""
    bounds = sorted({0, *torch.nonzero(val == sp.bos_id()).flatten().tolist(), len(val) - 1})
    return [(a, min(a + LONGEST, end)) for first, end in zip(bounds, bounds[1:]) for a in range(first, end, LONGEST)]


@torch.inference_mode()
def evaluate(model: nn.Module, val: Tensor) -> tuple[float, float, float]:
    found = sorted(pieces(val), key=lambda p: p[1] - p[0])
    sizes = sizes_of(val)
    nats = torch.zeros((), dtype=torch.float64, device=device)
    tokens, size = 0, 0.0
    for i in range(0, len(found), BATCH):
        batch = found[i : i + BATCH]
        width = max(b - a for a, b in batch)
        nll = losses(model, val, [a for a, _ in batch], width)
        inside = (
            torch.arange(width, device=device)[None] < torch.tensor([b - a for a, b in batch], device=device)[:, None]
        )
        nats += (nll.double() * inside).sum()
        tokens += int(inside.sum())
        size += sum(float(sizes[a + 1 : b + 1].sum()) for a, b in batch)
    return nats.item(), float(tokens), size
