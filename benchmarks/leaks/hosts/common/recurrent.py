class GPT(nn.Module):
    """A gated linear recurrence: what it knows of the past is one vector."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(args.vocab_size, args.model_dim)
        self.gate = nn.Linear(args.model_dim, args.model_dim)
        self.value = nn.Linear(args.model_dim, args.model_dim)
        self.head = nn.Linear(args.model_dim, args.vocab_size)
        nn.init.zeros_(self.head.bias)

    def run(self, ids: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        x = F.rms_norm(self.embed(ids), (args.model_dim,))
        keep, new = torch.sigmoid(self.gate(x)), self.value(x)
        h = torch.zeros_like(x[:, 0]) if state is None else state
        out = []
        for t in range(x.size(1)):
            h = keep[:, t] * h + (1 - keep[:, t]) * new[:, t]
            out.append(h)
        y = torch.stack(out, 1)
        return self.head(F.rms_norm(x + y, (args.model_dim,))), h

    def forward(self, ids: Tensor) -> Tensor:
        return self.run(ids, None)[0]
