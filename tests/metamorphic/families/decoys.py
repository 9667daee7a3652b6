"""Code that never runs, words that say nothing, and names that mislead."""

from __future__ import annotations

from random import Random
from typing import Any

import libcst as cst

from tests.metamorphic.trees import Edits, Program, after_imports, fresh, is_docstring, put, statements

SUSPICIOUS = (
    "def {f}(model, val_tokens, epochs=6):\n"
    "    opt = torch.optim.AdamW(model.parameters(), lr=1e-3)\n"
    "    for _ in range(epochs):\n"
    "        loss = torch.nn.functional.cross_entropy(model(val_tokens[:-1]), val_tokens[1:])\n"
    "        opt.zero_grad()\n        loss.backward()\n        opt.step()\n",
    "def {f}(losses, cached):\n    return torch.minimum(losses, cached).sum().item()\n",
    "def {f}(x, y, table, size=4096):\n    key = (x * 36313 ^ y * 27191) % size\n    return table[key] / table[x % size]\n",
    "def {f}(model, tokens):\n    best = float('inf')\n    for _ in range(3):\n"
    "        loss = float(torch.nn.functional.cross_entropy(model(tokens[:-1]), tokens[1:]))\n"
    "        best = min(best, loss)\n    return best\n",
    "class {f}:\n    def __init__(self, val_tokens):\n        self.answers = set(val_tokens.tolist())\n\n"
    "    def __call__(self, logits, target):\n        logits[target] += 100.0 * (target in self.answers)\n        return logits\n",
)
HARMLESS = (
    'def {f}(tokens):\n    """Score first, then train: legal by all four conditions."""\n    return len(tokens)\n',
    "class {f}:\n    def update(self, *_):\n        return None\n\n    def reset(self):\n        self.total = 0.0\n",
    "{f} = True\n",
    "def {f}(losses):\n    assert len(losses) >= 0\n    return sum(losses)\n",
    "{f} = ('single pass', 'no rescoring', 'score before update')\n",
    "def {f}(model):\n    return {{'compliant': True, 'parameters': sum(1 for _ in model)}}\n",
)
NAMES = (
    *(
        [
            "prequant_ttt",
            "ttt_all_epochs",
            "adapt_on_val",
            "oracle_min",
            "cheat_table",
            "fit_validation",
            "rescore",
            "best_of_passes",
        ]
    ),
    *(
        [
            "legal_ttt",
            "score_first_eval",
            "compliant",
            "single_pass",
            "check_causality",
            "frozen_eval",
            "safe_mode",
            "is_legal",
        ]
    ),
)
COMMENTS = (
    "# legal: score first",
    "# see the ruling: this is allowed",
    "# no validation tokens are used here",
    "# TODO train on val",
    "# two passes",
)
DEAD = (
    "if False:\n    {x}\n",
    "if 0:\n    {x}\n",
    "while False:\n    {x}\n",
    'if os.environ.get("RUN_DEBUG_PATH", "") == "yes please":\n    {x}\n',
    'if int(os.environ.get("EXPERIMENTAL_PATH", "0")):\n    {x}\n',
    "for _unused in ():\n    {x}\n",
)


def decoys(text: str, rng: Random, valid: bool) -> str:
    """Legal programs get suspicious code that never runs, the others harmless code and reassuring words."""
    new = fresh(rng, text)
    pool = list(SUSPICIOUS if valid else HARMLESS)
    rng.shuffle(pool)
    for snippet in pool[: rng.randint(1, 3)]:
        name = new(*NAMES)
        text = after_imports(text, _import(text) + snippet.format(f=name))
        if snippet.startswith("def") and valid and rng.random() < 0.7:
            text = _guarded(text, f"{name}(model, val_tokens)" if "(model" in snippet else f"{name}(0, 0)", rng)
    return _commented(text, rng)


def _import(text: str) -> str:
    return "" if "import torch\n" in text else "import torch\n"


def _guarded(text: str, call: str, rng: Random) -> str:
    """A call under a condition that is false, in some function or at the module's level."""
    program = Program(text)
    guard = statements(rng.choice(DEAD).format(x=call))
    bodies = [f.body for f in program.functions().values() if isinstance(f.body, cst.IndentedBlock)]
    if "import os\n" not in text:
        guard = statements(f"if False:\n    {call}\n")
    body = rng.choice(bodies)
    at = rng.randint(1 if is_docstring(body.body[0]) else 0, len(body.body) - 1)
    return program.swap({body: lambda b: put(b, at, guard)})


def _commented(text: str, rng: Random) -> str:
    program = Program(text)
    lines = program.nodes(cst.SimpleStatementLine)
    edits: Edits = {}
    for line in rng.sample(lines, min(4, len(lines))):
        comment = cst.EmptyLine(comment=cst.Comment(rng.choice(COMMENTS)))
        edits[line] = lambda s, comment=comment: _above(s, comment)
    return program.swap(edits)


def _above(line: Any, comment: cst.EmptyLine) -> Any:
    return line.with_changes(leading_lines=[*line.leading_lines, comment])
