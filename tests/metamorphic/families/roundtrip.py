"""Token values that leave torch and come back the same."""

from __future__ import annotations

from random import Random
from typing import Any

import libcst as cst

from tests.metamorphic.trees import NotApplicable, Program, after_imports, code, expression, fresh, one, some

TOKENS = ("val", "val_tokens")
WAYS = (
    "torch.from_numpy({x}.cpu().numpy()).to({x}.device)",
    "torch.tensor({x}.tolist(), device={x}.device)",
    "torch.as_tensor({x}.cpu().numpy().copy(), device={x}.device)",
    "torch.frombuffer(bytearray({x}.cpu().numpy().tobytes()), dtype={x}.dtype).to({x}.device)",
    "torch.stack(list({x}.unbind(0)))",
)


def round_trip(text: str, rng: Random) -> str:
    """Send slices of tokens through numpy, lists and bytes, and single numbers through numpy."""
    program, edits = Program(text), {}
    slices = [s for s in program.nodes(cst.Subscript) if _is_slice_of_tokens(s)]
    loaders = _loaders(program)
    numbers = [
        c
        for c in program.nodes(cst.Call)
        if isinstance(c.func, cst.Attribute) and c.func.attr.value == "item" and not c.args
    ]
    helper = fresh(rng, text)("through", "as_is", "fetch", "detached")
    chosen = some(rng, [*slices, *loaders, *numbers, *loaders])
    stored = {id(t.target) for t in program.nodes(cst.AssignTarget)}
    used = False
    for node in chosen:
        if id(node) in stored:
            continue
        if node in numbers:
            edits[node] = lambda c: expression(f"{code(c.func.value)}.detach().cpu().numpy().tolist()")
        else:
            used = True
            edits[node] = lambda x: expression(f"{helper}({code(x)})")
    if not edits:
        raise NotApplicable("no tokens by a known name")
    changed = program.swap(edits)
    body = rng.choice(WAYS).format(x="tokens")
    return after_imports(changed, f"import torch\n\n\ndef {helper}(tokens):\n    return {body}\n") if used else changed


def _is_slice_of_tokens(node: cst.Subscript) -> bool:
    """`val[a:b]`: one slice of the one-dimensional validation tokens. Nothing is written through it in our examples."""
    plain = len(node.slice) == 1 and isinstance(node.slice[0].slice, cst.Slice)
    return plain and isinstance(node.value, cst.Name) and node.value.value in TOKENS


def _loaders(program: Program) -> list[Any]:
    found = []
    for name in ("load", "load_tokens"):
        function = program.functions().get(name)
        if function is not None and isinstance(function.body, cst.IndentedBlock):
            last = one(function.body.body[-1], cst.Return)
            found += [last.value] if last is not None and last.value is not None else []
    return found
