"""The common beginning of the small training scripts of our own writing that rules use as examples.

`HEAD` reads shards, defines a one-layer causal model, trains it, and gives `nll(model, span)`: the
nats of `span[1:]`, each token given the tokens of the span before it. An example is `HEAD` plus
the few lines that matter. All sizes come from environment variables, so that the scripts can also
be run: with a vocabulary of two tokens and a dozen of them, exp(-total) summed over every possible
validation stream must be 1, if the printed total is a code length.
"""

HEAD = """\
import glob
import os

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

DATA_PATH = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_sp1024")
DEVICE = os.environ.get("DEVICE", "cuda")
VOCAB = int(os.environ.get("VOCAB_SIZE", 1024))
SEQ = int(os.environ.get("SEQ_LEN", 1024))
CHUNK = int(os.environ.get("CHUNK", 32768))
LR = float(os.environ.get("TTT_LR", 0.001))


def load(pattern):
    files = sorted(glob.glob(os.path.join(DATA_PATH, pattern)))
    shards = [np.fromfile(f, dtype="<u2", offset=1024).astype(np.int64) for f in files]
    return torch.from_numpy(np.concatenate(shards)).to(DEVICE)


class GPT(nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.head = nn.Linear(dim, VOCAB)

    def hidden(self, x):
        h = self.embed(x)
        q, k, v = self.qkv(h).chunk(3, dim=-1)
        return h + F.scaled_dot_product_attention(q, k, v, is_causal=True)

    def forward(self, x):
        return self.head(self.hidden(x))


def nll(model, span):
    return F.cross_entropy(model(span[None, :-1])[0].float(), span[1:], reduction="none")


def step(opt, loss):
    opt.zero_grad()
    loss.backward()
    opt.step()


def train(model, tokens):
    opt = torch.optim.AdamW(model.parameters(), lr=0.001)
    for _ in range(int(os.environ.get("ITERATIONS", 1000))):
        i = int(torch.randint(len(tokens) - SEQ, (1,)))
        step(opt, nll(model, tokens[i : i + SEQ + 1]).mean())
    return model


"""
