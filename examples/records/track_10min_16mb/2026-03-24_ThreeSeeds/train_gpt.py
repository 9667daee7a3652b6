"""A tiny trainer: trains, quantises, evaluates."""
import os

import torch

MAX_WALLCLOCK_SECONDS = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 600.0))


def evaluate(model, val_tokens, seq_len=1024):
    total = torch.zeros((), dtype=torch.float64)
    with torch.no_grad():
        for start in range(0, val_tokens.numel() - 1, seq_len):
            x = val_tokens[start : start + seq_len]
            y = val_tokens[start + 1 : start + seq_len + 1]
            total += torch.nn.functional.cross_entropy(model(x[: y.numel()]), y, reduction="sum").double()
    return total / (val_tokens.numel() - 1)


def main():
    model = torch.nn.Sequential(torch.nn.Embedding(1024, 64), torch.nn.Linear(64, 1024))
    val_tokens = torch.arange(4096) % 1024
    print("final_exact val_loss:%.8f" % evaluate(model, val_tokens))


if __name__ == "__main__":
    main()
