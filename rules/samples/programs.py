"""Small whole programs of our own writing, in which the examples of the source rules stand.

`program(body)` puts a body that defines `evaluate` (and whatever else it needs) between a head, which
reads shards and defines and trains a model, and a `main` that trains, saves, loads, evaluates and
prints the result. So every example has an entry, live branches, and one reported number.
`Model` maps token ids (T,) to logits (T, VOCAB); row t predicts the token after position t.
"""

from __future__ import annotations

HEAD = """\
import glob
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

DATA = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_sp1024")
VOCAB = int(os.environ.get("VOCAB_SIZE", 1024))


def load_tokens(split):
    shards = sorted(glob.glob(os.path.join(DATA, f"fineweb_{split}_*.bin")))
    return torch.cat([torch.from_numpy(np.fromfile(f, dtype=np.uint16)[512:].astype(np.int64)) for f in shards])


class Model(torch.nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        self.embed = torch.nn.Embedding(VOCAB, dim)
        self.rnn = torch.nn.GRU(dim, dim)
        self.head = torch.nn.Linear(dim, VOCAB)

    def forward(self, ids):
        return self.head(self.rnn(self.embed(ids))[0])


def train(model, tokens, seq=1024):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(int(os.environ.get("ITERATIONS", 2000))):
        at = int(torch.randint(0, max(1, tokens.numel() - seq - 1), ()))
        x, y = tokens[at : at + seq], tokens[at + 1 : at + seq + 1]
        loss = F.cross_entropy(model(x[: y.numel()]), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""

MAIN = """\
def main():
    model = Model()
    train(model, load_tokens("train"))
    torch.save(model.state_dict(), "final_model.pt")
    model.load_state_dict(torch.load("final_model.pt"))
    val_tokens = load_tokens("val")
    total = evaluate(model.eval(), val_tokens)
    print(f"final_exact val_loss:{total / (val_tokens.numel() - 1):.8f}")


if __name__ == "__main__":
    main()
"""


def program(body: str, *, head: str = HEAD, main: str = MAIN) -> str:
    """A complete script around `body`. Pass `main` when the order of phases is what matters.

    >>> compile(program("def evaluate(model, val_tokens):\\n    return 0.0\\n"), "train_gpt.py", "exec") is not None
    True
    """
    return "\n\n".join(part.strip("\n") + "\n" for part in (head, body, main))
