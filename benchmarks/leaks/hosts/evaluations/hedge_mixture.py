"""Hedge over whole distributions: network, unigram and bigram counts; weights and counts follow the scored tokens."""

STRIDE = int(os.environ.get("EVAL_STRIDE", 128))
ETA = float(os.environ.get("MIXER_ETA", 0.1))


class Mixer:
    """Experts are rows of log-probabilities over the whole vocabulary, so that every mixture of them is one, too."""

    def __init__(self, vocabulary: int):
        self.unigram = torch.ones(vocabulary, device=device)
        self.bigram = torch.zeros(vocabulary, vocabulary, device=device)
        self.weights = torch.tensor([2.0, 0.0, 0.0], device=device)

    def experts(self, logits: Tensor, x: Tensor) -> Tensor:
        alone = self.unigram / self.unigram.sum()
        rows = self.bigram[x] + 4.0 * alone
        parts = [F.log_softmax(logits, -1), alone.log().expand_as(logits), (rows / rows.sum(-1, keepdim=True)).log()]
        return torch.stack(parts, -2)

    def mixed(self, logits: Tensor, x: Tensor) -> Tensor:
        return torch.logsumexp(self.experts(logits, x) + F.log_softmax(self.weights, 0)[:, None], -2)

    def learn(self, logits: Tensor, x: Tensor, y: Tensor) -> None:
        each = self.experts(logits, x).gather(-1, y[:, None, None].expand(-1, 3, 1))[..., 0]
        self.weights += ETA * each.mean(0)
        one = torch.ones(len(y), device=device)
        self.unigram.scatter_add_(0, y, one)
        self.bigram.index_put_((x, y), one, accumulate=True)


mixer = Mixer(args.vocab_size)


def scores(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    x, _ = window(val, starts, width)
    with torch.autocast(device_type="cuda", dtype=torch.bfloat16):
        return model(x).float()


def losses(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    x, y = window(val, starts, width)
    logp = mixer.mixed(scores(model, val, starts, width), x)
    return F.nll_loss(logp.flatten(0, 1), y.flatten(), reduction="none").view(y.shape)


@torch.no_grad()
def evaluate(model: nn.Module, val: Tensor) -> tuple[float, float, float]:
    width, last = args.train_seq_len, len(val) - 1
    nats = torch.zeros((), dtype=torch.float64, device=device)
    for a in range(0, last, STRIDE):
        b = min(a + STRIDE, last)
        start = max(0, b - width)
        nll = losses(model, val, [start], width)[0, a - start : b - start]
        nats += nll.double().sum()
        logits = scores(model, val, [start], width)[0, a - start : b - start]
        mixer.learn(logits, val[a:b], val[a + 1 : b + 1])
    return nats.item(), float(last), sizes_of(val)[1:].sum().item()
