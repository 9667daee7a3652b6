"""The stream is scored, trained on, and scored again; the second score is reported."""

honest_evaluate = evaluate


def revise(model: nn.Module, val: Tensor) -> None:
    opt = torch.optim.AdamW(model.parameters(), lr=0.01)
    width = args.train_seq_len
    for a in range(0, len(val) - 1 - width, 4 * width):
        starts = [b for b in range(a, a + 4 * width, width) if b + width < len(val)]
        x, y = window(val, starts, width)
        loss = F.cross_entropy(model(x).float().flatten(0, 1), y.flatten())
        opt.zero_grad()
        loss.backward()
        opt.step()


def evaluate(model, val):
    nats, tokens, size = honest_evaluate(model, val)
    print(f"first pass val_loss:{nats / tokens:.8f} val_bpb:{nats / math.log(2) / size:.8f}")
    revise(model, val)
    return honest_evaluate(model, val)
