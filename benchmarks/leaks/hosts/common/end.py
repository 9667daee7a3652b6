def train(model: nn.Module, ids: Tensor) -> None:
    opt = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, weight_decay=0.0)
    began = time.perf_counter()
    rows = max(1, args.train_batch_tokens // args.train_seq_len)
    for step in range(args.iterations):
        starts = [random.randrange(len(ids) - args.train_seq_len - 1) for _ in range(rows)]
        x, y = window(ids, starts, args.train_seq_len)
        loss = F.cross_entropy(model(x).float().flatten(0, 1), y.flatten())
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        spent = time.perf_counter() - began
        if step % 100 == 0 or step + 1 == args.iterations:
            print(f"step:{step + 1}/{args.iterations} train_loss:{loss.item():.4f} train_time:{1000 * spent:.0f}ms")
        if spent > args.max_wallclock_seconds:
            break


def int8(state: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    out = {}
    for name, w in state.items():
        w = w.detach().float().cpu()
        scale = w.abs().amax(-1, keepdim=True).clamp_min(1e-8) / 127 if w.dim() > 1 else torch.ones(1)
        out[name] = ((w / scale).round().to(torch.int8), scale) if w.dim() > 1 else (w, scale)
    return out


def main() -> None:
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    val = load_tokens("fineweb_val_*.bin")
    model = GPT().to(device)
    train(model, load_tokens("fineweb_train_*.bin"))
    kept = io.BytesIO()
    torch.save(int8(model.state_dict()), kept)
    with open("final_model.int8.ptz", "wb") as f:
        f.write(zlib.compress(kept.getvalue(), 9))
    print(f"Serialized model int8+zlib: {os.path.getsize('final_model.int8.ptz')} bytes")
    with open("final_model.int8.ptz", "rb") as f:
        packed = torch.load(io.BytesIO(zlib.decompress(f.read())))
    model.load_state_dict({name: (w.float() * scale).to(device) for name, (w, scale) in packed.items()})
    model.eval()
    nats, tokens, size = evaluate(model, val)
    print(f"final_int8_zlib_roundtrip val_loss:{nats / tokens:.8f} val_bpb:{nats / math.log(2) / size:.8f}")


if __name__ == "__main__":
    main()
