"""Counts of orders 1 to 4 in dicts of whole contexts, each order smoothed by the one below; mixed with the network in numpy."""

ORDERS = int(os.environ.get("NGRAM_ORDERS", 4))
STRIDE = int(os.environ.get("EVAL_STRIDE", 64))
SHARE = float(os.environ.get("NGRAM_SHARE", 0.3))


class Counts:
    def __init__(self, vocabulary: int, orders: int):
        self.vocabulary, self.orders = vocabulary, orders
        self.pairs = [{} for _ in range(orders)]
        self.totals = [{} for _ in range(orders)]

    def probability(self, ids: np.ndarray, at: int) -> float:
        """Of the token at a place, given those before it: over all tokens it adds up to 1."""
        p, target = 1.0 / self.vocabulary, int(ids[at])
        for n in range(min(self.orders, at + 1)):
            context = tuple(ids[at - n : at])
            total = self.totals[n].get(context, 0)
            p = (self.pairs[n].get((context, target), 0) + 2.0 * p) / (total + 2.0)
        return p

    def learn(self, ids: np.ndarray, at: int) -> None:
        target = int(ids[at])
        for n in range(min(self.orders, at + 1)):
            context = tuple(ids[at - n : at])
            self.totals[n][context] = self.totals[n].get(context, 0) + 1
            self.pairs[n][context, target] = self.pairs[n].get((context, target), 0) + 1


def scores(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    x, _ = window(val, starts, width)
    return model(x).float()


def losses(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    _, y = window(val, starts, width)
    return F.cross_entropy(scores(model, val, starts, width).transpose(1, 2), y, reduction="none")


def evaluate(model: nn.Module, val: Tensor) -> tuple[float, float, float]:
    width, last = args.train_seq_len, len(val) - 1
    ids = val.cpu().numpy()
    counts = Counts(args.vocab_size, ORDERS)
    counts.learn(ids, 0)
    nll = np.zeros(last, dtype=np.float64)
    for a in range(0, last, STRIDE):
        b = min(a + STRIDE, last)
        start = max(0, b - width)
        with torch.inference_mode():
            own = losses(model, val, [start], width)[0, a - start : b - start].double().cpu().numpy()
        other = np.array([counts.probability(ids, k) for k in range(a + 1, b + 1)])
        nll[a:b] = -np.log((1.0 - SHARE) * np.exp(-own) + SHARE * other)
        for k in range(a + 1, b + 1):
            counts.learn(ids, k)
    return float(nll.sum()), float(last), float(sizes_of(val)[1:].sum().item())
