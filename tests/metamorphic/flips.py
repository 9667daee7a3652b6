"""Edits that change whether a program is legal: each is a few characters or one exchanged pair of lines.

An `Edit` names an example by part of its name, the rule that must notice, and texts to replace. Each text must
stand in the file exactly `times` times, so that an edit which no longer applies fails and is not passed over.
"""

from __future__ import annotations

from dataclasses import dataclass

from rules.finding import Status
from rules.rule import Example
from rules.samples.programs import program

SURE = (Status.VIOLATION, Status.LIKELY)
DOUBT = (Status.DISPUTED, Status.NEEDS_HUMAN, Status.LIKELY)
FINE = (Status.OK, Status.NOT_APPLICABLE)


@dataclass(frozen=True)
class Edit:
    what: str
    base: str
    rule: str
    swaps: tuple[tuple[str, str], ...]
    after: tuple[Status, ...] = SURE
    file: str = "train_gpt.py"
    times: int = 1
    date: str = ""  # of the submission, where the rule asks for something since a day

    def apply(self, files: dict[str, str]) -> dict[str, str]:
        text = files[self.file]
        for old, new in self.swaps:
            assert text.count(old) == self.times, f"{self.what}: {old!r} stands {text.count(old)} times"
            text = text.replace(old, new)
        assert text != files[self.file]
        return {**files, self.file: text}


def _exchange(first: str, second: str) -> tuple[tuple[str, str], ...]:
    """Two neighbouring pieces of text in the other order."""
    return ((first + second, second + first),)


_BYTES = program("""\
import sentencepiece


def byte_table():
    sp = sentencepiece.SentencePieceProcessor(model_file=os.environ.get("TOKENIZER_PATH", "./data/tokenizers/bpe.model"))
    sizes, spaced, bounds = np.zeros(VOCAB, np.int64), np.zeros(VOCAB, bool), np.ones(VOCAB, bool)
    for i in range(sp.vocab_size()):
        if sp.is_control(i) or sp.is_unknown(i) or sp.is_unused(i):
            continue
        bounds[i] = False
        if sp.is_byte(i):
            sizes[i] = 1
            continue
        piece = sp.id_to_piece(i)
        if piece.startswith("\\u2581"):
            spaced[i] = True
            piece = piece[1:]
        sizes[i] = len(piece.encode("utf-8"))
    return torch.from_numpy(sizes), torch.from_numpy(spaced), torch.from_numpy(bounds)


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    sizes, spaced, bounds = byte_table()
    total, counted = 0.0, 0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        total += F.cross_entropy(model(x), y, reduction="sum").item()
        each = sizes[y] + (spaced[y] & ~bounds[x]).long()
        counted += int(each.sum())
    print(f"final_exact val_bpb:{total / math.log(2) / counted:.8f}")
    return total
""")

EXTRA = {"bytes of each token": Example("bytes of each token", {"train_gpt.py": _BYTES}, Status.OK, stage="source")}

_COUNTED = "                total -= np.log((1 - weight) * p + weight * cache.probability(a, b))\n"
_LEARNED = "                cache.learn(a, b)\n"
_OUT, _ROW = (
    "        out[t] = max(row, key=row.get, default=0)\n",
    "        row[tokens[t]] = row.get(tokens[t], 0) + 1\n",
)
_GRADED = "        with torch.inference_mode():\n            total += nll(model, chunk).sum().item()\n"
_TRAINED = (
    "        for epoch in range(EPOCHS):\n            for j in range(0, len(chunk) - 1, SEQ):\n"
    "                step(opt, nll(model, chunk[j : j + SEQ + 1]).mean())\n"
)
_HEDGED = "            total -= torch.logsumexp(log_w.log_softmax(0) - column, 0).item()\n"
_WEIGHED = "            log_w = log_w - eta * column\n"
_CHOSEN, _CHOICE = "        total += nll[choice].item()\n", "        choice = int(nll.argmin())\n"
_LOSS = (
    "        p = (1 - weight) * F.softmax(model(x), -1) + weight * counts[x] / counts[x].sum(-1, keepdim=True)\n"
    '        total += F.nll_loss(p.log(), y, reduction="sum").item()\n'
)
_FILL = "        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)\n"

TO_ILLEGAL = (
    Edit("count the token before it is scored", "C3-valid-counts take", "C3", _exchange(_COUNTED, _LEARNED)),
    Edit(
        "train at the top of the loop on the chunk that comes",
        "C3-valid-trains at the top",
        "C3",
        (("nll(model, graded).mean()", "nll(model, val[i : i + CHUNK + 1]).mean()"),),
    ),
    Edit(
        "train in the middle on all spans",
        "C3-valid-a training phase",
        "C3",
        (("for s in spans[:half] * 2:", "for s in spans * 2:"),),
    ),
    Edit(
        "train before the loop",
        "C3-valid-counts take",
        "C3",
        (
            (
                "    cache, total, tokens =",
                "    step(torch.optim.SGD(model.parameters(), lr=LR), nll(model, val).mean())\n    cache, total, tokens =",
            ),
        ),
    ),
    Edit("several epochs, then the score", "TTT2-valid-several epochs", "C3", _exchange(_GRADED, _TRAINED)),
    Edit(
        "train on the next chunk",
        "TTT2-valid-several epochs",
        "C3",
        (
            (
                "            for j in range(0, len(chunk)",
                "            chunk = val[i + CHUNK : i + 2 * CHUNK + 1]\n            for j in range(0, len(chunk)",
            ),
        ),
    ),
    Edit(
        "one more step before the chunk is scored",
        "TTT1-valid-a function called",
        "C3",
        (
            (
                "        losses = nll(model, chunk)\n",
                "        step(opt, nll(model, chunk).mean())\n        losses = nll(model, chunk)\n",
            ),
        ),
    ),
    Edit(
        "train the delta on the window that is scored next",
        "SLOT1-valid-a delta fitted",
        "C3",
        (("losses_with(model, delta, behind)", "losses_with(model, delta, window)"),),
    ),
    Edit(
        "adapt to the whole document after its first piece",
        "TTT4-valid-a fresh adapter",
        "C3",
        (("step(opt, losses.mean())", "step(opt, lora.nats(model, doc).mean())"),),
    ),
    Edit(
        "the phase on the base weights takes all documents",
        "TTT4-valid-adapters, then",
        "C3",
        (("        for d in head:", "        for d in docs:"),),
    ),
    Edit("fill the table first", "NG4-valid-filled", "C3", _exchange(_LOSS, _FILL)),
    Edit(
        "the last epoch is the one that counts",
        "TTT2-valid-score inside",
        "TTT2",
        (("if epoch == 0:", "if epoch == EPOCHS - 1:"),),
    ),
    Edit(
        "epochs over everything, total begun anew",
        "TTT2-valid-one epoch",
        "TTT2",
        (
            (
                "    total = torch.zeros((), dtype=torch.float64)\n    for i in range(0, len(val) - 1, SEQ):\n"
                "        losses = nll(model, val[i : i + SEQ + 1])\n        total += losses.detach().double().sum().cpu()\n"
                "        step(opt, losses.mean())\n",
                "    for _ in range(EPOCHS):\n        total = torch.zeros((), dtype=torch.float64)\n        for i in range(0, len(val) - 1, SEQ):\n"
                "            losses = nll(model, val[i : i + SEQ + 1])\n            total += losses.detach().double().sum().cpu()\n"
                "            step(opt, losses.mean())\n",
            ),
        ),
    ),
    Edit(
        "report the second pass",
        "TTT3-valid-first pass",
        "TTT3",
        (
            (
                'print(f"final val_loss:{graded:.6f}")',
                'print(f"first val_loss:{graded:.6f}")\nprint(f"final val_loss:{sweep(model, val, learn=False):.6f}")',
            ),
        ),
    ),
    Edit(
        "report the second pass and no first one",
        "TTT3-valid-first pass",
        "TTT1",
        (('print(f"final val_loss:{graded:.6f}")', 'print(f"final val_loss:{sweep(model, val, learn=False):.6f}")'),),
    ),
    Edit(
        "the better of two passes",
        "C4-valid-diagnostic first",
        "C4",
        (
            ('print(f"pre-quant val_loss:{score(model, val):.6f}")', "first = score(model, val)"),
            (
                'print(f"final val_loss:{score(model, val):.6f}")',
                'print(f"final val_loss:{min(first, score(model, val)):.6f}")',
            ),
        ),
    ),
    Edit(
        "the better of two temperatures",
        "C4-valid-diagnostic first",
        "C4",
        (
            (
                'print(f"final val_loss:{score(model, val):.6f}")',
                'print(f"final val_loss:{min(score(model, val, t) for t in (0.9, 1.0)):.6f}")',
            ),
        ),
    ),
    Edit("no causal mask", "C1-valid-hash of the last two", "C1", (("is_causal=True", "is_causal=False"),), times=2),
    Edit(
        "the feature of the next token",
        "C1-valid-hash of the last two",
        "C1",
        (("F.pad(x[:, :-1], (1, 0))", "F.pad(x[:, 1:], (0, 1))"),),
    ),
    Edit("gate on the target", "C1-valid-gate on the token", "C1", (("boost * starts[x]", "boost * starts[y]"),)),
    Edit("hint after its token was counted", "C1-valid-hints for the whole", "C1", _exchange(_OUT, _ROW)),
    Edit(
        "drop the normaliser of a raised hint",
        "C2-valid-one hint raised",
        "C2",
        (("(y == hint) - z)", "(y == hint))"),),
    ),
    Edit(
        "rows of counts that are not divided by their sum",
        "C2-valid-full-vocabulary",
        "C2",
        (("counts[x] / counts[x].sum(-1, keepdim=True)", "counts[x] / 20.0"),),
    ),
    Edit(
        "the smaller loss of each token",
        "NG2-valid-oracle as a diagnostic",
        "NG2",
        (("total += ours.sum().item()", "total += torch.minimum(ours, theirs).sum().item()"),),
    ),
    Edit(
        "choose by the losses of the chunk itself", "NG2-valid-better on the chunk", "NG2", _exchange(_CHOSEN, _CHOICE)
    ),
    Edit(
        "put the target in the key",
        "NG1-valid-exact tuples",
        "NG1",
        (
            ("past = tuple(tokens[max(0, t - n) : t])", "past = hash(tuple(tokens[max(0, t - n) : t])) % 65536"),
            (
                "weight * pairs[past, tokens[t]] / contexts[past]",
                "weight * min(1.0, pairs[(past * 31 ^ tokens[t] * 40503) % 65536] / contexts[past])",
            ),
            (
                "            pairs[past, tokens[t]] += 1\n",
                "            pairs[(past * 31 ^ tokens[t] * 40503) % 65536] += 1\n",
            ),
        ),
    ),
    Edit("hedge weights see the token first", "NG3-valid-update after", "NG3", _exchange(_HEDGED, _WEIGHED)),
    Edit(
        "a constant expert below ln V",
        "NG5-valid-uniform",
        "NG5",
        (("losses[:, 2] = math.log(VOCAB)", "losses[:, 2] = 0.5 * math.log(VOCAB)"),),
    ),
    Edit(
        "entropy as a loss",
        "NG5-valid-entropy as a gate",
        "NG5",
        (('losses[:, 2] = F.nll_loss(gated, y, reduction="none")', "losses[:, 2] = entropy[:, 0]"),),
    ),
    Edit(
        "count training tokens when evaluation starts",
        "NG4-valid-saved with",
        "NG4",
        (('artifact["pairs"], val_tokens)', 'pairs(load_tokens("train")), val_tokens)'),),
    ),
    Edit(
        "calibrate on the validation tokens",
        "CAL1-valid-both losses",
        "CAL1",
        (("gram = collect(model, train_tokens)", "gram = collect(model, val_tokens)"),),
    ),
    Edit(
        "calibrate on them where only the name said so",
        "CAL1-valid-only the name",
        "CAL1",
        (("collect(model, val_calib_tokens(model))", 'collect(model, load_tokens("val"))'),),
    ),
    Edit(
        "validation tokens for random ones",
        "CAL3-valid-random tokens",
        "CAL1",
        (("torch.randint(VOCAB, (8192,))", 'load_tokens("val")[:8192]'),),
    ),
    Edit(
        "a guard's default from 0 to 1",
        "TTT1-valid-switched off",
        "TTT1",
        (('"PREQUANT_TTT_ENABLED", "0"', '"PREQUANT_TTT_ENABLED", "1"'),),
    ),
    Edit(
        "fine-tune on the other split",
        "TTT1-valid-late fine-tuning",
        "TTT1",
        (("shards[-4 * SEQ :]", 'load("fineweb_val_*.bin")'),),
    ),
    Edit(
        "train on the split that is logged",
        "VAL1-valid-periodic",
        "VAL1",
        (("(1,)))\n    step(opt, nll(model, tokens[i", "(1,)))\n    step(opt, nll(model, val[i"),),
    ),
    Edit(
        "choose the checkpoint on the validation split",
        "VAL1-valid-checkpoint",
        "VAL1",
        (("corpus[:-held], corpus[-held:]", 'corpus, load("fineweb_val_*.bin")'),),
        (*SURE, *DOUBT),
    ),
    Edit(
        "warm up on validation tokens",
        "TTT5-valid-random tokens",
        "TTT5",
        (("noise = torch.randint(VOCAB, (SEQ + 1,), device=DEVICE)", "noise = val[: SEQ + 1]"),),
        (*SURE, *DOUBT),
    ),
    Edit(
        "no mask at document starts",
        "SG1-valid-gate closed",
        "SG1",
        ((" * (ids != BOS)[:, None]", ""),),
        (*SURE, *DOUBT),
        date="2026-04-28",
    ),
    Edit(
        "one byte more for each token",
        "bytes of each token",
        "BPB1",
        (('len(piece.encode("utf-8"))', 'len(piece.encode("utf-8")) + 1'),),
    ),
    Edit(
        "the space in the table and in the sum",
        "bytes of each token",
        "BPB1",
        (("            piece = piece[1:]\n", ""),),
    ),
    Edit(
        "a byte token counted as its name",
        "bytes of each token",
        "BPB1",
        (("sizes[i] = 1\n", "sizes[i] = len(sp.id_to_piece(i))\n"),),
    ),
)

TO_LEGAL = (
    Edit(
        "attention gets its mask",
        "C1-invalid-attention without",
        "C1",
        (("is_causal=self.training", "is_causal=True"),),
        FINE,
    ),
    Edit("hint before its token", "C1-invalid-hint read after", "C1", _exchange(_ROW, _OUT), FINE),
    Edit(
        "gate on the input",
        "C1-invalid-gate on the token being",
        "C1",
        (("index_select(0, y)", "index_select(0, x)"),),
        FINE,
    ),
    Edit(
        "train on no more than was scored",
        "C3-invalid-trained slice is longer",
        "C3",
        (("val[start : start + CHUNK + SEQ + 1]", "val[start : start + CHUNK + 1]"),),
        FINE,
    ),
    Edit(
        "one round",
        "C3-invalid-losses kept by position",
        "C3",
        (("for rounds in range(2):", "for rounds in range(1):"),),
        FINE,
    ),
    Edit(
        "score, then adapt",
        "C3-invalid-adapts to the window",
        "C3",
        (
            (
                "        step(self.opt, nll(self.model, span).mean())\n        with torch.no_grad():\n            return nll(self.model, span).sum().item()\n",
                "        with torch.no_grad():\n            total = nll(self.model, span).sum().item()\n        step(self.opt, nll(self.model, span).mean())\n        return total\n",
            ),
        ),
        FINE,
    ),
    Edit("one pass", "C4-invalid-second pass with", "C4", (('("cold", "warm")', '("cold",)'),), FINE),
    Edit(
        "the first epoch counts",
        "TTT2-invalid-counted in the last",
        "TTT2",
        (("epoch == EPOCHS - 1", "epoch == 0"),),
        FINE,
    ),
    Edit(
        "the first pass is reported",
        "TTT3-invalid-the second number",
        "TTT3",
        (('print(f"final val_loss:{sweep(model, val, learn=False):.6f}")', 'print(f"final val_loss:{first:.6f}")'),),
        FINE,
    ),
    Edit(
        "no adaptation before quantisation",
        "TTT1-invalid-six epochs",
        "TTT1",
        (('    adapt(model, load("fineweb_val_*.bin"))\n', ""),),
        FINE,
    ),
    Edit("the switch set to 0", "TTT1-invalid-six epochs", "TTT1", (("range(epochs)", "range(0 * epochs)"),), FINE),
    Edit(
        "training shards for calibration",
        "CAL1-invalid-Hessian",
        "CAL1",
        (('collect(model, load_tokens("val"))', "collect(model, train_tokens)"),),
        FINE,
    ),
    Edit("update after the mixture", "NG3-invalid-update before", "NG3", _exchange(_WEIGHED, _HEDGED), FINE),
    Edit(
        "the mixture everywhere",
        "NG2-invalid-mixed only where",
        "NG2",
        (("guarded(p[at, y], mixed[at, y])", "mixed[at, y]"),),
        FINE,
    ),
    Edit(
        "nothing counted from training shards",
        "NG4-invalid-counted when",
        "NG4",
        (('warm = pairs(load_tokens("train"))', "warm = torch.ones(VOCAB, VOCAB)"),),
        FINE,
    ),
)
