"""Windows that do not overlap, shared out among ranks: the mean loss of a batch times its tokens."""

import torch.distributed as dist

RANK, RANKS = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
VAL_BATCH = int(os.environ.get("VAL_BATCH_SIZE", 524288))
if "RANK" in os.environ and not dist.is_initialized():
    dist.init_process_group(backend="nccl")


def scores(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    x, _ = window(val, starts, width)
    return torch.compile(model, dynamic=False)(x).float()


def losses(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    _, y = window(val, starts, width)
    logp = F.log_softmax(scores(model, val, starts, width), dim=-1)
    return -logp.gather(-1, y.unsqueeze(-1)).squeeze(-1)


def evaluate(model: nn.Module, val: Tensor) -> tuple[float, float, float]:
    width = args.train_seq_len
    blocks = (len(val) - 1) // width
    rows = max(1, min(8, VAL_BATCH // width))
    mine = range(blocks * RANK // RANKS, blocks * (RANK + 1) // RANKS)
    total = torch.zeros(3, dtype=torch.float64, device=device)
    sizes = sizes_of(val)
    with torch.no_grad():
        for i in range(0, len(mine), rows):
            starts = [b * width for b in mine[i : i + rows]]
            nll = losses(model, val, starts, width)
            total[0] += nll.mean().double() * nll.numel()
            total[1] += nll.numel()
            total[2] += sizes[starts[0] + 1 : starts[-1] + width + 1].sum()
    if dist.is_initialized():
        dist.all_reduce(total, op=dist.ReduceOp.SUM)
    nats, tokens, size = total.tolist()
    return nats, tokens, size
