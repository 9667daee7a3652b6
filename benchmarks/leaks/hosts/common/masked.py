class GPT(nn.Module):
    """Attention written out: all scores are made, those of later places are set to minus infinity; a running mean beside it."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(args.vocab_size, args.model_dim)
        self.qkv = nn.Linear(args.model_dim, 3 * args.model_dim, bias=False)
        self.mix = nn.Conv1d(args.model_dim, args.model_dim, 4, groups=args.num_heads)
        self.head = nn.Linear(args.model_dim, args.vocab_size)
        nn.init.zeros_(self.head.bias)

    def forward(self, ids: Tensor) -> Tensor:
        x = F.rms_norm(self.embed(ids), (args.model_dim,))
        t = x.size(1)
        q, k, v = self.qkv(x).chunk(3, -1)
        later = torch.ones(t, t, dtype=torch.bool, device=ids.device).triu(1)
        reach = (q @ k.transpose(1, 2) / math.sqrt(args.model_dim)).masked_fill(later, float("-inf"))
        y = torch.softmax(reach, -1) @ v
        near = self.mix(F.pad(x.transpose(1, 2), (3, 0))).transpose(1, 2)
        mean = x.cumsum(1) / torch.arange(1, t + 1, device=ids.device)[:, None]
        return self.head(F.rms_norm(x + y + near + mean, (args.model_dim,)))
