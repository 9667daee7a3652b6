"""Byte accountings of our own writing, right and wrong in many spellings, and what is said of them."""

from __future__ import annotations

import itertools
import time

import pytest

from auditor.source.byte_table.check import byte_tables
from auditor.source.byte_table.judge import judge
from auditor.source.byte_table.vocabulary import BYTES_PER_TOKEN, PIECES, SHARES, Case, Kind, count, pairs
from rules.events import ByteCount, ByteTable
from rules.evidence import Script

HEAD = """\
import math
import numpy as np
import sentencepiece as spm
import torch
import torch.nn.functional as F

"""

# Makers of tables: each gives (count of bytes without the space, piece has a space, token is a boundary).
LOOP_NP = """
def make_tables(sp, vocab_size, device):
    n = max(int(sp.vocab_size()), vocab_size)
    a, b, c = np.zeros((n,), dtype=np.int16), np.zeros((n,), dtype=np.bool_), np.ones((n,), dtype=np.bool_)
    for t in range(int(sp.vocab_size())):
        if sp.is_control(t) or sp.is_unknown(t) or sp.is_unused(t):
            continue
        c[t] = False
        if sp.is_byte(t):
            a[t] = 1
            continue
        p = sp.id_to_piece(t)
        if p.startswith("\\u2581"):
            b[t] = True
            p = p[1:]
        a[t] = len(p.encode("utf-8"))
    return tuple(torch.tensor(x, device=device) for x in (a, b, c))
"""
COMPREHENSION = """
def make_tables(sp, vocab_size, device):
    pieces = [sp.IdToPiece(i) for i in range(sp.GetPieceSize())]
    none = [sp.IsControl(i) or sp.IsUnknown(i) or sp.IsUnused(i) for i in range(len(pieces))]
    sizes = [
        0 if none[i] else 1 if sp.IsByte(i) else len(p.removeprefix(chr(0x2581)).encode())
        for i, p in enumerate(pieces)
    ]
    spaces = [p[0] == "\\u2581" and not none[i] for i, p in enumerate(pieces)]
    return torch.tensor(sizes, dtype=torch.int32), torch.tensor(spaces), torch.tensor(none)
"""
HELPER = """
MARK = "\\N{LOWER ONE EIGHTH BLOCK}"
silent = lambda sp, i: sp.is_control(i) or sp.is_unknown(i) or sp.is_unused(i)


def text_of(sp, i):
    if silent(sp, i):
        return b""
    piece = sp.id_to_piece(i)
    if sp.is_byte(i):
        return bytes([int(piece[3:5], 16)])
    return (piece[len(MARK):] if piece.startswith(MARK) else piece).encode("utf-8")


def make_tables(sp, vocab_size, device):
    sizes = torch.zeros(vocab_size, dtype=torch.float32)
    spaces, silents = torch.zeros(vocab_size, dtype=torch.bool), torch.zeros(vocab_size, dtype=torch.bool)
    for i in range(vocab_size):
        sizes[i] = len(text_of(sp, i))
        spaces[i] = sp.id_to_piece(i).startswith(MARK)
        silents[i] = silent(sp, i)
    return sizes, spaces, silents
"""
MAKERS = {"loop": LOOP_NP, "comprehension": COMPREHENSION, "helper": HELPER}

# Sums over the tables.
VECTOR = """
def evaluate(model, tokens, sizes, spaces, silents):
    nats = torch.zeros((), dtype=torch.float64)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(0, tokens.numel() - 1, 1024):
        x, y = tokens[i : i + 1024], tokens[i + 1 : i + 1025]
        nats += F.cross_entropy(model(x), y, reduction="sum")
        n = sizes[y].to(torch.int16)
        n += (spaces[y] & ~silents[x]).to(torch.int16)
        total += n.to(torch.float64).sum()
    return float(nats / math.log(2) / total)
"""
ONE_LINE = """
def evaluate(model, tokens, sizes, spaces, silents):
    nats, total = 0.0, 0.0
    for i in range(0, tokens.numel() - 1, 1024):
        x, y = tokens[i : i + 1024], tokens[i + 1 : i + 1025]
        nats += F.cross_entropy(model(x), y, reduction="sum").item()
        total += float((sizes[y].float() + torch.logical_and(spaces[y], ~silents[x]).float()).sum())
    return nats / math.log(2) / total
"""
BY_TOKEN = """
def evaluate(model, tokens, sizes, spaces, silents):
    nats, total = 0.0, 0
    for i in range(0, tokens.numel() - 1, 1024):
        x, y = tokens[i : i + 1024], tokens[i + 1 : i + 1025]
        nats += F.cross_entropy(model(x), y, reduction="sum").item()
        for k in range(len(y)):
            total += int(sizes[int(y[k])])
            if spaces[int(y[k])] and not silents[int(x[k])]:
                total += 1
    return nats / math.log(2) / total
"""
FUNCTION = """
def bytes_of(before, ids, tables):
    sizes, spaces, silents = tables
    return sizes[ids] + (spaces[ids] & ~silents[before]).int()


def evaluate(model, tokens, *tables):
    nats, total = 0.0, 0
    for i in range(0, tokens.numel() - 1, 1024):
        x, y = tokens[i : i + 1024], tokens[i + 1 : i + 1025]
        nats += F.cross_entropy(model(x), y, reduction="sum").item()
        total += bytes_of(x, y, tables).sum().item()
    return nats / math.log(2) / total
"""
SUMS = {"vector": VECTOR, "one line": ONE_LINE, "token by token": BY_TOKEN}

MAIN = """
def main():
    sp = spm.SentencePieceProcessor(model_file="fineweb_1024_bpe.model")
    sizes, spaces, silents = make_tables(sp, 1024, "cuda")
    model = torch.load("model.pt")
    tokens = torch.load("val.pt")
    print("bpb", evaluate(model, tokens, sizes, spaces, silents))


if __name__ == "__main__":
    main()
"""


def script(text: str, path: str = "train_gpt.py", role: str = "entry") -> Script:
    return Script(path, role, "", len(text), text, text)


def look(*parts: str, modules: tuple[Script, ...] = ()) -> tuple[ByteTable, ...]:
    text = HEAD + "\n".join(parts)
    compile(text, "example", "exec")
    return byte_tables(script(text), modules)


def one(*parts: str) -> ByteTable:
    found = look(*parts)
    assert len(found) == 1, found
    return found[0]


def changed(text: str, old: str, new: str) -> str:
    assert old in text, old
    return text.replace(old, new)


# Right ones.


@pytest.mark.parametrize(("maker", "sum_"), list(itertools.product(MAKERS, SUMS)))
def test_right(maker: str, sum_: str) -> None:
    table = one(MAKERS[maker], SUMS[sum_], MAIN)
    assert table.count is ByteCount.CANONICAL, table.what
    assert table.live
    assert table.inflation == 1.0
    assert [s.at.line for s in table.path] == sorted(s.at.line or 0 for s in table.path)


def test_tables_as_attributes_of_an_object() -> None:
    data = """
class Data:
    def __init__(self, path, device):
        self.sp = spm.SentencePieceProcessor(model_file=path)
        self.sizes, self.spaces, self.silents = make_tables(self.sp, 1024, device)
"""
    sums = VECTOR.replace("model, tokens, sizes, spaces, silents", "model, tokens, d")
    for name in ("sizes", "spaces", "silents"):
        sums = sums.replace(f"{name}[", f"d.{name}[")
    main = MAIN.replace('sizes, spaces, silents = make_tables(sp, 1024, "cuda")', "d = Data('m.model', 'cuda')")
    main = main.replace("tokens, sizes, spaces, silents", "tokens, d")
    good = one(LOOP_NP, data, sums, main)
    assert good.count is ByteCount.CANONICAL
    assert good.live
    bad = one(changed(LOOP_NP, "p = p[1:]", "p = p[1:] + ' '"), data, sums, main)
    assert bad.count is ByteCount.SPACE_TWICE


def test_tables_in_a_dictionary() -> None:
    maker = LOOP_NP.replace(
        "return tuple(torch.tensor(x, device=device) for x in (a, b, c))", "return {'n': a, 's': b, 'q': c}"
    )
    sums = VECTOR.replace("sizes[y]", "t['n'][y]").replace("spaces[y]", "t['s'][y]").replace("silents[x]", "t['q'][x]")
    sums = sums.replace("sizes, spaces, silents", "t")
    main = MAIN.replace("sizes, spaces, silents", "t")
    assert one(maker, sums, main).count is ByteCount.CANONICAL
    assert (
        one(maker, changed(sums, "& ~t['q'][x]", ""), main).count is ByteCount.CANONICAL
    )  # differs at document starts only
    assert one(changed(maker, "a[t] = 1\n", "a[t] = 3\n"), sums, main).count is ByteCount.FALLBACK_AS_TEXT


def test_sum_in_a_function_of_its_own() -> None:
    table = one(LOOP_NP, FUNCTION, MAIN)
    assert table.count in (
        ByteCount.CANONICAL,
        ByteCount.UNKNOWN,
    )  # a starred parameter may be too much, an accusation is not
    direct = FUNCTION.replace("*tables", "sizes, spaces, silents").replace(
        "(x, y, tables)", "(x, y, (sizes, spaces, silents))"
    )
    direct = direct.replace("(before, ids, tables)", "(before, ids, tables)")
    assert one(LOOP_NP, direct, MAIN).count in (ByteCount.CANONICAL, ByteCount.UNKNOWN)


def test_everything_inline() -> None:
    body = """
def main():
    sp = spm.SentencePieceProcessor(model_file="m.model")
    model, tokens = torch.load("model.pt"), torch.load("val.pt")
    size = [0] * sp.vocab_size()
    for i in range(sp.vocab_size()):
        if sp.is_byte(i):
            size[i] = 1
        elif not (sp.is_control(i) or sp.is_unknown(i) or sp.is_unused(i)):
            size[i] = len(sp.id_to_piece(i).replace("\\u2581", "").encode())
    space = torch.tensor([sp.id_to_piece(i).startswith("\\u2581") for i in range(sp.vocab_size())])
    quiet = torch.tensor([sp.is_control(i) for i in range(sp.vocab_size())])
    size = torch.tensor(size)
    nats = total = 0.0
    for k in range(0, tokens.numel() - 1, 512):
        x, y = tokens[k : k + 512], tokens[k + 1 : k + 513]
        nats += F.cross_entropy(model(x), y, reduction="sum").item()
        total += (size[y] + space[y].long() * (~quiet[x]).long()).sum().item()
    print(nats / math.log(2) / total)


main()
"""
    assert one(body).count is ByteCount.CANONICAL
    assert one(changed(body, '.replace("\\u2581", "")', "")).count is ByteCount.OTHER
    assert one(changed(body, "size[i] = len(", "size[i] = 1 + len(")).count is not ByteCount.CANONICAL


def test_the_same_token_written_differently() -> None:
    assert one(LOOP_NP, changed(VECTOR, "sizes[y]", "sizes[y.long()]"), MAIN).count is ByteCount.CANONICAL
    assert one(LOOP_NP, changed(VECTOR, "sizes[y]", "sizes[other(y)]"), MAIN).count is ByteCount.UNKNOWN


def test_table_without_a_name() -> None:
    body = """
def evaluate(model, tokens):
    sp = spm.SentencePieceProcessor(model_file="m.model")
    sizes = torch.tensor([MEASURE for t in range(1024)])[tokens]
    nats = total = 0.0
    for i in range(0, tokens.numel() - 1, 1024):
        x, y = tokens[i : i + 1024], tokens[i + 1 : i + 1025]
        nats += F.cross_entropy(model(x), y, reduction="sum").item()
        total += int(sizes[i + 1 : i + 1025].sum())
    print(nats / math.log(2) / total)


evaluate(torch.load("m.pt"), torch.load("t.pt"))
"""
    as_text = one(
        changed(body, "MEASURE", 'len(sp.id_to_piece(t).replace("\u2581", " ").encode())').replace(
            "1024)]", "sp.vocab_size())]"
        )
    )
    assert as_text.count is ByteCount.FALLBACK_AS_TEXT
    assert as_text.live
    decoded = one(changed(body, "MEASURE", "len(sp.decode([t]).encode())").replace("1024)]", "sp.vocab_size())]"))
    assert decoded.count is ByteCount.SPACE_NEVER


@pytest.mark.parametrize("size", ["1024", "int(os.environ.get('VOCAB_SIZE', 8192))"])
def test_size_of_the_vocabulary_written_out(size: str) -> None:
    maker = "import os\nSIZE = " + size + "\n" + changed(LOOP_NP, "range(int(sp.vocab_size()))", "range(SIZE)")
    assert one(maker, VECTOR, MAIN).count is ByteCount.CANONICAL
    assert one(changed(maker, "p = p[1:]", "p = ' ' + p[1:]"), VECTOR, MAIN).count is ByteCount.SPACE_TWICE


# Wrong ones.


@pytest.mark.parametrize("sum_", SUMS)
def test_space_in_the_table_and_in_the_sum(sum_: str) -> None:
    maker = changed(LOOP_NP, "            p = p[1:]\n", '            p = " " + p[1:]\n')
    table = one(maker, SUMS[sum_], MAIN)
    assert table.count is ByteCount.SPACE_TWICE
    assert table.inflation == pytest.approx(1.166, abs=0.005)
    assert table.live
    assert "'\u2581" in table.what


def test_space_counted_in_the_table_only_is_right_but_for_document_starts() -> None:
    maker = changed(LOOP_NP, "            p = p[1:]\n", '            p = " " + p[1:]\n')
    table = one(maker, changed(VECTOR, "        n += (spaces[y] & ~silents[x]).to(torch.int16)\n", ""), MAIN)
    assert table.count is ByteCount.CANONICAL
    assert "start of a document" in table.what


def test_space_for_every_piece() -> None:
    table = one(
        changed(LOOP_NP, 'a[t] = len(p.encode("utf-8"))', 'a[t] = len(p.encode("utf-8")) + (not b[t])'), VECTOR, MAIN
    )
    assert table.count is ByteCount.SPACE_ALWAYS
    assert table.inflation is not None
    assert table.inflation > 1.2


def test_space_never() -> None:
    table = one(LOOP_NP, changed(VECTOR, "        n += (spaces[y] & ~silents[x]).to(torch.int16)\n", ""), MAIN)
    assert table.count is ByteCount.SPACE_NEVER
    assert table.inflation is not None
    assert table.inflation < 0.9


def test_space_counted_by_the_wrong_token() -> None:
    table = one(LOOP_NP, changed(VECTOR, "spaces[y] & ~silents[x]", "spaces[y] & silents[x]"), MAIN)
    assert table.count is ByteCount.SPACE_NEVER


@pytest.mark.parametrize("what", ["name", "replacement"])
def test_byte_tokens_as_text(what: str) -> None:
    name = "len(sp.id_to_piece(t))" if what == "name" else 'len("\\ufffd".encode())'
    table = one(changed(LOOP_NP, "a[t] = 1", f"a[t] = {name}"), VECTOR, MAIN)
    assert table.count is ByteCount.FALLBACK_AS_TEXT
    assert table.inflation is not None
    assert 1.002 < table.inflation < 1.01


def test_control_tokens_counted() -> None:
    maker = changed(
        LOOP_NP,
        "if sp.is_control(t) or sp.is_unknown(t) or sp.is_unused(t):\n            continue",
        "c[t] = sp.is_control(t)",
    )
    maker = changed(maker, "        c[t] = False\n", "")
    table = one(maker, VECTOR, MAIN)
    assert table.count is ByteCount.CONTROL_COUNTED
    assert table.inflation is not None
    assert 1.0005 < table.inflation < 1.002


def test_characters() -> None:
    table = one(changed(LOOP_NP, 'len(p.encode("utf-8"))', "len(p)"), VECTOR, MAIN)
    assert table.count is ByteCount.CHARACTERS


def test_marker_lost_in_a_copy() -> None:
    table = one(changed(LOOP_NP, '"\\u2581"', '"?"'), VECTOR, MAIN)
    assert table.count is ByteCount.OTHER
    assert table.inflation is not None
    assert table.inflation > 1.3


def test_unknown_token_counted_is_no_fault() -> None:
    maker = changed(LOOP_NP, "sp.is_control(t) or sp.is_unknown(t) or sp.is_unused(t)", "sp.is_control(t)")
    table = one(maker, VECTOR, MAIN)
    assert table.count is ByteCount.CANONICAL
    assert "unknown" in table.what


@pytest.mark.parametrize(
    "formula",
    [
        "loss / math.log(2) / 3.3",
        "loss / (math.log(2) * BYTES)",
        "loss * (1.0 / BYTES) / np.log(2.0)",
        "bits / BYTES",
        "loss / 0.6931471805599453 / float(os.environ.get('RATIO', '3.3'))",
    ],
)
def test_fixed_number_of_bytes(formula: str) -> None:
    body = f"""
import os
VOCAB_SIZE = 1024
BYTES = 3.3

def evaluate(model, x, y):
    loss = F.cross_entropy(model(x), y).item()
    bits = loss / math.log(2)
    val_bpb = {formula}
    print(f"val_bpb:{{val_bpb:.4f}}")

evaluate(torch.load("m.pt"), torch.load("x.pt"), torch.load("y.pt"))
"""
    table = one(body)
    assert table.count is ByteCount.CONSTANT
    assert table.live
    assert table.inflation == pytest.approx(3.3 / 2.436)
    assert "3.3" in table.what


def test_loss_per_byte() -> None:
    body = """
vocab_size = 256

def evaluate(model, x, y):
    val_bpb = F.cross_entropy(model(x), y).item() / math.log(2.0)
    print(val_bpb)

evaluate(torch.load("m.pt"), torch.load("x.pt"), torch.load("y.pt"))
"""
    assert one(body).count is ByteCount.RAW_BYTES
    assert one(changed(body, "256", "1024")).count is ByteCount.UNKNOWN


def test_fixed_number_of_bytes_in_a_returned_value() -> None:
    body = """
class Settings:
    per_token = 3.5

def measure(model, x, y):
    total = F.cross_entropy(model(x), y, reduction="sum").item()
    return total / max(y.numel(), 1) / math.log(2) / Settings.per_token

val_bpb = measure(torch.load("m.pt"), torch.load("x.pt"), torch.load("y.pt"))
print(val_bpb)
"""
    table = one(body)
    assert table.count is ByteCount.CONSTANT
    assert "3.5" in table.what


def test_fixed_number_of_bytes_under_names_that_say_nothing() -> None:
    body = """
PER = 3.5

def measure(model, x, y):
    total = F.cross_entropy(model(x), y, reduction="sum").item()
    w9 = total / y.numel() / math.log(2) / PER
    return w9

w12 = measure(torch.load("m.pt"), torch.load("x.pt"), torch.load("y.pt"))
print(f"final val_bpb:{w12:.6f}")
"""
    table = one(body)
    assert table.count is ByteCount.CONSTANT
    assert "3.5" in table.what
    assert not look(changed(body, "val_bpb", "distance"))


def test_training_estimate_beside_a_right_table_is_not_accused() -> None:
    estimate = MAIN.replace(
        '    print("bpb"', '    train_bpb = float(model.loss) / math.log(2) / 2.44\n    print("bpb"'
    )
    assert [t.count for t in look(LOOP_NP, VECTOR, estimate)] == [ByteCount.CANONICAL]


# Files.


def test_sidecar() -> None:
    body = """
def load(pattern):
    return torch.from_numpy(np.fromfile(pattern, dtype=np.uint16).astype(np.int64))


def evaluate(model, tokens, sizes):
    nats = total = 0.0
    for i in range(0, tokens.numel() - 1, 1024):
        x, y = tokens[i : i + 1024], tokens[i + 1 : i + 1025]
        nats += F.cross_entropy(model(x), y, reduction="sum").item()
        total += int(sizes[i + 1 : i + 1025].sum())
    print(nats / math.log(2) / total)


evaluate(torch.load("m.pt"), load("fineweb_val_000000.bin"), load("fineweb_val_bytes_000000.bin"))
"""
    table = one(body)
    assert table.count is ByteCount.SIDECAR
    assert table.live
    assert look(changed(body, "fineweb_val_bytes", "fineweb_more")) == ()


def test_table_from_a_file() -> None:
    maker = """
def make_tables(path, n, device):
    with np.load(path) as z:
        a, b, c = np.asarray(z["n"]), np.asarray(z["s"]), np.asarray(z["q"])
    return torch.tensor(a), torch.tensor(b), torch.tensor(c)
"""
    assert one(maker, VECTOR, MAIN).count is ByteCount.TABLE_FILE


# What runs and what does not.


def test_code_that_nothing_calls_is_not_live() -> None:
    bad = changed(changed(LOOP_NP, "p = p[1:]", "p = ' ' + p[1:]"), "make_tables", "older_tables")
    unused = """
def older(model, tokens):
    sizes, spaces, silents = older_tables(spm.SentencePieceProcessor(), 1024, "cpu")
    total = 0
    for i in range(0, tokens.numel() - 1, 1024):
        x, y = tokens[i : i + 1024], tokens[i + 1 : i + 1025]
        total += (sizes[y] + (spaces[y] & ~silents[x])).sum()
    return total
"""
    found = {t.count: t.live for t in look(LOOP_NP, VECTOR, bad, unused, MAIN)}
    assert found == {ByteCount.CANONICAL: True, ByteCount.SPACE_TWICE: False}
    called = {
        t.count: t.live
        for t in look(LOOP_NP, VECTOR, bad, unused, MAIN.replace("    print", "    older(model, tokens)\n    print"))
    }
    assert called == {ByteCount.CANONICAL: True, ByteCount.SPACE_TWICE: True}


def test_tables_made_in_a_module() -> None:
    module = script(HEAD + changed(LOOP_NP, "p = p[1:]", "p = ' ' + p[1:]"), "tables.py", "module")
    found = look("from tables import make_tables\n", VECTOR, MAIN, modules=(module,))
    assert [t.count for t in found] == [ByteCount.SPACE_TWICE]
    assert found[0].path[0].at.file == "tables.py"
    assert found[0].path[1].at.file == "train_gpt.py"


def test_nothing_to_say() -> None:
    assert byte_tables(script("print('hello')\n"), ()) == ()
    assert byte_tables(script("def broken(:\n"), ()) == ()
    assert byte_tables(script(""), ()) == ()


def test_what_cannot_be_followed_is_unknown_not_right() -> None:
    maker = LOOP_NP.replace('a[t] = len(p.encode("utf-8"))', "a[t] = weigh(p)")
    found = look("from elsewhere import weigh\n", maker, VECTOR, MAIN)
    assert all(t.count is ByteCount.UNKNOWN for t in found)


# Hostile input.


@pytest.mark.parametrize(
    "maker",
    [
        LOOP_NP.replace("for t in range(int(sp.vocab_size())):", "while True:\n        t = 0\n        t += 1"),
        LOOP_NP.replace("for t in range(int(sp.vocab_size())):", "for t in range(10**18):"),
        LOOP_NP.replace("n = max(int(sp.vocab_size()), vocab_size)", "n = 10**10**8"),
        LOOP_NP.replace("n = max(int(sp.vocab_size()), vocab_size)", "n = 10**9"),
        LOOP_NP.replace("p = sp.id_to_piece(t)", "p = sp.id_to_piece(t) * 10**9"),
        LOOP_NP.replace("p = sp.id_to_piece(t)", "p = make_tables(sp, n, device)"),
        LOOP_NP.replace("p = sp.id_to_piece(t)", "p = sp.id_to_piece(t); p = p.replace('', p * 9).replace('', p * 9)"),
        LOOP_NP.replace("p = sp.id_to_piece(t)", "p = f'{sp.id_to_piece(t):>999999999}'"),
        LOOP_NP.replace("p = sp.id_to_piece(t)", "p = sp.id_to_piece(t).ljust(10**9).zfill(10**9)"),
        LOOP_NP.replace("p = sp.id_to_piece(t)", "p = '-'.join(['x' * 4000] * 4000)"),
        LOOP_NP.replace("a[t] = 1", "a[t] = 1 << (1 << 62)"),
    ],
)
def test_hostile_makers_end_soon(maker: str) -> None:
    start = time.perf_counter()
    found = byte_tables(script(HEAD + maker + VECTOR + MAIN), ())
    assert time.perf_counter() - start < 2.0
    assert all(t.count is not ByteCount.CANONICAL for t in found) or "1 << 62" in maker or "10**" in maker


# The yardstick itself.


def test_shares_add_up() -> None:
    assert sum(SHARES.values()) == pytest.approx(1.0, abs=0.001)
    assert {p.case for p in pairs()} == set(Case)
    assert 2.3 < BYTES_PER_TOKEN < 2.5


def test_right_counts() -> None:
    ids = {piece: i for i, (piece, _) in enumerate(PIECES)}
    assert count(ids["the"], ids["\u2581river"]) == 6
    assert count(ids["<s>"], ids["\u2581river"]) == 5
    assert count(ids["<0xE2>"], ids["\u2581na\u00efve"]) == 7
    assert count(ids["the"], ids["\u2581"]) == 1
    assert [count(ids["the"], i) for i, (_, k) in enumerate(PIECES) if k is Kind.BYTE] == [1] * 6
    assert (
        sum(count(ids["the"], i) for i, (_, k) in enumerate(PIECES) if k in (Kind.CONTROL, Kind.UNKNOWN, Kind.UNUSED))
        == 0
    )


def test_judging_the_right_counts_and_others() -> None:
    right = tuple(float(p.bytes) for p in pairs())
    assert judge(right).count is ByteCount.CANONICAL
    assert judge(None).count is ByteCount.UNKNOWN
    assert judge((3.5,) * len(right)).count is ByteCount.CONSTANT
    assert judge(tuple(2 * v for v in right)).count is ByteCount.OTHER
    assert judge(tuple(2 * v for v in right)).inflation == pytest.approx(2.0, abs=0.3)
