class GPT(nn.Module):
    """A long convolution over the past, made by Fourier transforms: padded to twice the length, so that nothing comes around."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(args.vocab_size, args.model_dim)
        self.filter = nn.Parameter(torch.randn(args.model_dim, args.train_seq_len) * 0.1)
        self.fade = nn.Parameter(torch.full((args.model_dim, 1), -3.0))
        self.gate = nn.Linear(args.model_dim, args.model_dim)
        self.head = nn.Linear(args.model_dim, args.vocab_size)
        nn.init.zeros_(self.head.bias)

    def forward(self, ids: Tensor) -> Tensor:
        x = F.rms_norm(self.embed(ids), (args.model_dim,))
        t = x.size(1)
        kernel = self.filter[:, :t] * torch.exp(-self.fade.exp() * torch.arange(t, device=ids.device))
        both = torch.fft.rfft(x.transpose(1, 2), n=2 * t) * torch.fft.rfft(kernel, n=2 * t)
        y = torch.fft.irfft(both, n=2 * t)[..., :t].transpose(1, 2)
        return self.head(F.rms_norm(x + y * torch.sigmoid(self.gate(x)), (args.model_dim,)))
