import glob
import io
import math
import os
import random
import time
import zlib

import numpy as np
import sentencepiece as spm
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Hyperparameters:
    data_path = os.environ.get("DATA_PATH", "./data/datasets/fineweb10B_sp1024")
    tokenizer_path = os.environ.get("TOKENIZER_PATH", "./data/tokenizers/fineweb_1024_bpe.model")
    seed = int(os.environ.get("SEED", 1337))
    vocab_size = int(os.environ.get("VOCAB_SIZE", 1024))
    model_dim = int(os.environ.get("MODEL_DIM", 512))
    num_heads = int(os.environ.get("NUM_HEADS", 4))
    num_layers = int(os.environ.get("NUM_LAYERS", 2))
    iterations = int(os.environ.get("ITERATIONS", 5000))
    train_batch_tokens = int(os.environ.get("TRAIN_BATCH_TOKENS", 524288))
    train_seq_len = int(os.environ.get("TRAIN_SEQ_LEN", 1024))
    learning_rate = float(os.environ.get("LEARNING_RATE", 0.02))
    max_wallclock_seconds = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 600))


args = Hyperparameters()
device = torch.device("cuda")
sp = spm.SentencePieceProcessor(model_file=args.tokenizer_path)


def load_tokens(pattern: str) -> Tensor:
    """All shards of a split, one after the other; shape (N,), int64."""
    parts = []
    for name in sorted(glob.glob(os.path.join(args.data_path, pattern))):
        header = np.fromfile(name, dtype="<i4", count=256)
        parts.append(np.fromfile(name, dtype="<u2", count=int(header[2]), offset=1024))
    return torch.from_numpy(np.concatenate(parts).astype(np.int64)).to(device)


def sizes_of(ids: Tensor) -> Tensor:
    """UTF-8 bytes that each token of a stream stands for; shape (N,), float64."""
    size = torch.zeros(args.vocab_size, dtype=torch.float64)
    spaced = torch.zeros(args.vocab_size, dtype=torch.bool)
    control = torch.ones(args.vocab_size, dtype=torch.bool)
    for i in range(min(args.vocab_size, sp.get_piece_size())):
        if sp.is_control(i) or sp.is_unknown(i):
            continue
        control[i] = False
        piece = sp.id_to_piece(i)
        spaced[i] = piece.startswith("\u2581")
        size[i] = 1 if sp.is_byte(i) else len(piece.removeprefix("\u2581").encode("utf-8"))
    size, spaced, control = size.to(device), spaced.to(device), control.to(device)
    out = size[ids]
    out[1:] += (spaced[ids[1:]] & ~control[ids[:-1]]).double()
    return out


def window(ids: Tensor, starts: list[int], width: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets of windows, each (len(starts), width); what lies behind the end repeats the last token."""
    at = torch.tensor(starts, device=device)[:, None] + torch.arange(width + 1, device=device)
    span = ids[at.clamp(max=len(ids) - 1)]
    return span[:, :-1], span[:, 1:]
