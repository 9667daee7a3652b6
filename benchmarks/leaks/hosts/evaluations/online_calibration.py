"""A temperature and a bias learn online: one step on the tokens of each window, after these were scored."""

STRIDE = int(os.environ.get("EVAL_STRIDE", 64))
RATE = float(os.environ.get("CALIBRATION_LR", 0.05))


class Calibration(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.heat = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(args.vocab_size))

    def forward(self, logits: Tensor) -> Tensor:
        return logits * torch.exp(self.heat) + self.bias


calibration = Calibration().to(device)


def scores(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    x, _ = window(val, starts, width)
    with torch.no_grad(), torch.autocast(device_type="cuda", dtype=torch.bfloat16):
        raw = model(x)
    return calibration(raw.float())


def losses(model: nn.Module, val: Tensor, starts: list[int], width: int) -> Tensor:
    _, y = window(val, starts, width)
    return F.cross_entropy(scores(model, val, starts, width).flatten(0, 1), y.flatten(), reduction="none").view(y.shape)


def evaluate(model: nn.Module, val: Tensor) -> tuple[float, float, float]:
    width, last = args.train_seq_len, len(val) - 1
    opt = torch.optim.SGD(calibration.parameters(), lr=RATE)
    sizes = sizes_of(val)
    nats = size = torch.zeros((), dtype=torch.float64, device=device)
    for a in range(0, last, STRIDE):
        b = min(a + STRIDE, last)
        start = max(0, b - width)
        nll = losses(model, val, [start], width)[0, a - start : b - start]
        nats = nats + nll.detach().double().sum()
        size = size + sizes[a + 1 : b + 1].sum()
        opt.zero_grad()
        nll.mean().backward()
        opt.step()
    return nats.item(), float(last), size.item()
