"""A network without attention, scored by windows that overlap by a quarter, in double precision from the logits on."""

BATCH = int(os.environ.get("EVAL_BATCH_SEQS", 4))


def scores(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    x, _ = window(val, starts, width)
    return model(x).float()


def losses(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    _, y = window(val, starts, width)
    logits = scores(model, val, starts, width).double()
    return (logits.logsumexp(-1, keepdim=True) - logits.gather(-1, y.unsqueeze(-1))).squeeze(-1)


@torch.inference_mode()
def evaluate(model: nn.Module, val: Tensor) -> tuple[float, float, float]:
    width, last = args.train_seq_len, len(val) - 1
    known = width // 4
    begins = list(range(0, max(1, last - known), width - known))
    total, tokens, size = torch.zeros(2, dtype=torch.float64, device=device), 0, sizes_of(val)
    for i in range(0, len(begins), BATCH):
        batch = torch.tensor(begins[i : i + BATCH], device=device)
        places = batch[:, None] + torch.arange(width, device=device)
        counted = (places < last) & ((places >= batch[:, None] + known) | (batch[:, None] == 0))
        nll = losses(model, val, batch.tolist(), width)
        total[0] += nll[counted].sum()
        total[1] += size[places[counted] + 1].sum()
        tokens += int(counted.sum())
    return total[0].item(), float(tokens), total[1].item()
