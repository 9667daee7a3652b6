"""A bigram learned in plain Python, token by token, each after its score; mixed with the network by arithmetic on floats."""

WIDTH = int(os.environ.get("EVAL_SEQ_LEN", 1024))
SHARE = float(os.environ.get("BIGRAM_SHARE", 0.25))


class Bigram:
    def __init__(self) -> None:
        self.follows: dict[int, dict[int, int]] = {}

    def probability(self, before: int, token: int) -> float:
        row = self.follows.get(before, {})
        return (row.get(token, 0) + 1.0 / args.vocab_size) / (sum(row.values()) + 1.0)

    def learn(self, before: int, token: int) -> None:
        row = self.follows.setdefault(before, {})
        row[token] = row.get(token, 0) + 1


def scores(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    x, _ = window(val, starts, width)
    with torch.autocast("cuda", torch.bfloat16):
        return model(x).float()


def losses(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    _, y = window(val, starts, width)
    logits = scores(model, val, starts, width)
    return F.cross_entropy(logits.view(-1, logits.size(-1)), y.reshape(-1), reduction="none").view(y.shape)


def evaluate(model: nn.Module, val: Tensor) -> tuple[float, float, float]:
    last = len(val) - 1
    ids, sizes = val.tolist(), sizes_of(val).tolist()
    bigram = Bigram()
    nats, size = 0.0, 0.0
    for a in range(0, last, WIDTH):
        b = min(a + WIDTH, last)
        with torch.no_grad():
            own = losses(model, val, [a], b - a)[0].tolist()
        for k in range(a, b):
            before, token = ids[k], ids[k + 1]
            p = (1 - SHARE) * math.exp(-own[k - a]) + SHARE * bigram.probability(before, token)
            nats -= math.log(p)
            size += sizes[k + 1]
            bigram.learn(before, token)
    return nats, float(last), size
