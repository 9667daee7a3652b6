"""Each window carries running counts of its own inputs, one-hot and summed from the left: a unigram that follows the text."""

BATCH = int(os.environ.get("EVAL_BATCH_SEQS", 8))
SHARE = float(os.environ.get("COUNT_SHARE", 0.1))


def scores(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    """Log-probabilities of the network and the counts together."""
    x, _ = window(val, starts, width)
    own = F.softmax(model(x).float(), -1)
    seen = F.one_hot(x, args.vocab_size).cumsum(1).float() + 1.0 / args.vocab_size
    return torch.log((1 - SHARE) * own + SHARE * seen / seen.sum(-1, keepdim=True))


def losses(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    _, y = window(val, starts, width)
    return F.cross_entropy(scores(model, val, starts, width).flatten(0, 1), y.flatten(), reduction="none").view(y.shape)


def evaluate(model: nn.Module, val: Tensor) -> tuple[float, float, float]:
    width, last = args.train_seq_len, len(val) - 1
    sizes, nats = sizes_of(val), np.zeros((), dtype=np.float64)
    begins = list(range(0, last, width))
    for i in range(0, len(begins), BATCH):
        with torch.no_grad():
            nll = losses(model, val, begins[i : i + BATCH], width).double().flatten()[: last - begins[i]]
        nats += nll.cpu().numpy().sum()
    return float(nats), float(last), sizes[1:].sum().item()
