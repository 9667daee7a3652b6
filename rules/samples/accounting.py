"""Small programs of our own writing that count bytes, rightly and wrongly: `counts()` is right, `counts(byte="…")` and the like are not."""

from __future__ import annotations

from rules.samples.programs import program

TABLES = """\
import sentencepiece

TOKENIZER = os.environ.get("TOKENIZER_PATH", "./data/tokenizers/fineweb_1024_bpe.model")


def NAME(sp):
    size, space = np.zeros(VOCAB, dtype=np.int64), np.zeros(VOCAB, dtype=bool)
    quiet = np.ones(VOCAB, dtype=bool)
    for t in range(sp.vocab_size()):
        if sp.is_control(t) or sp.is_unknown(t) or sp.is_unused(t):
            continue
        quiet[t] = False
        piece = sp.id_to_piece(t)
        if sp.is_byte(t):
            size[t] = BYTE
            continue
        space[t] = piece.startswith("\\u2581")
        size[t] = len(PIECE.encode("utf-8"))
    return torch.from_numpy(size), torch.from_numpy(space), torch.from_numpy(quiet)
"""

SUMMED = """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    size, space, quiet = tables(sentencepiece.SentencePieceProcessor(model_file=TOKENIZER))
    nats = total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        nats += F.cross_entropy(model(x), y, reduction="sum").item()
        total += (size[y] + (space[y] & ~quiet[x]).long()).sum().item()
    return nats / math.log(2) / total
"""

CONSTANT = """\
BYTES_PER_TOKEN = 3.5


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    nats = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        nats += F.cross_entropy(model(x), y, reduction="sum").item()
    val_bpb = nats / (val_tokens.numel() - 1) / math.log(2) / BYTES_PER_TOKEN
    return val_bpb
"""

MAIN = """\
def main():
    model = Model()
    train(model, load_tokens("train"))
    torch.save(model.state_dict(), "final_model.pt")
    model.load_state_dict(torch.load("final_model.pt"))
    val_bpb = evaluate(model.eval(), load_tokens("val"))
    print(f"final_exact val_bpb:{val_bpb:.8f}")


if __name__ == "__main__":
    main()
"""

SPACE_KEPT = 'piece.replace("\\u2581", " ")'
NAME_OF_BYTE = "len(piece)"


def maker(*, byte: str = "1", piece: str = 'piece.lstrip("\\u2581")', name: str = "tables") -> str:
    """A function that makes the tables; `byte` is what a byte token counts, `piece` the text whose bytes are counted."""
    return TABLES.replace("NAME", name).replace("BYTE", byte).replace("PIECE", piece)


def counts(*, byte: str = "1", piece: str = 'piece.lstrip("\\u2581")', unused: str = "", own: str = "") -> str:
    """A script that divides by the bytes of such tables. `unused` is more code; `own` another tokenizer's file name."""
    text = program("\n\n".join(p for p in (maker(byte=byte, piece=piece), unused, SUMMED) if p), main=MAIN)
    return text.replace("fineweb_1024_bpe.model", own) if own else text


def constant() -> str:
    """A script that divides by a fixed number of bytes per token."""
    return program(CONSTANT, main=MAIN)


def unused_copy() -> str:
    """A wrong pair of table and sum that nothing calls."""
    return (
        maker(piece=SPACE_KEPT, name="older_tables").replace("import sentencepiece\n\n", "")
        + "\n\n"
        + SUMMED.replace("evaluate", "older").replace("tables(sent", "older_tables(sent")
    )
