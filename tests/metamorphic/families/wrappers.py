"""Functions behind decorators and context managers that pass everything through."""

from __future__ import annotations

from random import Random
from typing import Any

import libcst as cst

from tests.metamorphic.trees import Edits, NotApplicable, Program, after_imports, code, fresh, some, statements, walk

DECORATORS = (
    "def {d}(fn):\n    @functools.wraps(fn)\n    def wrapper(*args, **kwargs):\n        return fn(*args, **kwargs)\n\n    return wrapper\n",
    "def {d}(fn):\n    def timed(*args, **kwargs):\n        begun = time.perf_counter()\n        try:\n            return fn(*args, **kwargs)\n"
    "        finally:\n            timed.seconds = time.perf_counter() - begun\n\n    return functools.update_wrapper(timed, fn)\n",
    "def {d}(fn):\n    return fn\n",
    "class {d}:\n    def __init__(self, fn):\n        functools.update_wrapper(self, fn)\n        self.fn = fn\n\n"
    "    def __call__(self, *args, **kwargs):\n        return self.fn(*args, **kwargs)\n",
    "def {d}(fn):\n    calls = [fn]\n    return functools.wraps(fn)(lambda *a, **k: calls[0](*a, **k))\n",
)
MANAGERS = (
    "@contextlib.contextmanager\ndef {m}(*_):\n    yield\n",
    "class {m}(contextlib.ContextDecorator):\n    def __enter__(self):\n        return self\n\n    def __exit__(self, *_):\n        return False\n",
    "class {m}:\n    def __enter__(self):\n        self.begun = time.time()\n        return self\n\n    def __exit__(self, kind, value, trace):\n        pass\n",
)


def wrappers(text: str, rng: Random) -> str:
    """Decorate functions, put blocks under contexts of one's own, and write `no_grad` in its other form."""
    ways = [_decorated, _under_contexts, _own_no_grad]
    rng.shuffle(ways)
    done = 0
    for way in ways:
        if done and rng.random() < 0.4:
            break
        try:
            text = way(text, rng)
            done += 1
        except NotApplicable:
            continue
    if not done:
        raise NotApplicable("nothing to wrap")
    return after_imports(text, "import contextlib\nimport functools\nimport time\n")


def _decorated(text: str, rng: Random) -> str:
    program = Program(text)
    name = fresh(rng, text)("logged", "timed", "legal", "cached_", "score_first")
    plain = [f for f in program.functions().values() if isinstance(f.body, cst.IndentedBlock)]
    decorator = cst.Decorator(cst.Name(name))
    edits: Edits = {f: lambda x: x.with_changes(decorators=[decorator, *x.decorators]) for f in some(rng, plain)}
    return after_imports(
        program.swap(edits), "import functools\nimport time\n\n\n" + rng.choice(DECORATORS).format(d=name)
    )


def _under_contexts(text: str, rng: Random) -> str:
    program = Program(text)
    name = fresh(rng, text)("quiet", "section", "stage", "frozen", "before_update")
    bodies = [b for b in program.nodes(cst.IndentedBlock) if not _holds_class_level(program, b)]
    edits: Edits = {}
    for body in some(rng, bodies, 2):
        n = len(body.body)
        start = rng.randrange(n)
        stop = rng.randint(start + 1, n)

        def wrap(b: Any, start: int = start, stop: int = stop) -> Any:
            inner = cst.parse_statement(f"with {name}():\n    pass\n")
            assert isinstance(inner, cst.With)
            inner = inner.with_changes(body=inner.body.with_changes(body=b.body[start:stop]))
            return b.with_changes(body=[*b.body[:start], inner, *b.body[stop:]])

        edits[body] = wrap
    return after_imports(
        program.swap(edits), "import contextlib\nimport time\n\n\n" + rng.choice(MANAGERS).format(m=name)
    )


def _holds_class_level(program: Program, body: cst.IndentedBlock) -> bool:
    return any(c.body is body for c in program.nodes(cst.ClassDef))


def _own_no_grad(text: str, rng: Random) -> str:
    """`with torch.no_grad()` through a context of one's own, and the decorator as a `with` block."""
    program = Program(text)
    name = fresh(rng, text)("no_learning", "grading", "evaluation")
    edits: Edits = {}
    inside = {id(n) for item in program.nodes(cst.WithItem) for n in walk(item.item)}
    kinds = {code(c.func) for c in program.nodes(cst.Call) if id(c) in inside} & {
        "torch.no_grad",
        "torch.inference_mode",
    }
    for item in program.nodes(cst.WithItem):
        if len(kinds) == 1 and code(item.item) in {f"{k}()" for k in kinds}:
            edits[item.item] = cst.parse_expression(f"{name}()")
    for function in program.nodes(cst.FunctionDef):
        words = [code(d.decorator) for d in function.decorators]
        if words and words[-1] == "torch.no_grad()" and not program.nodes(cst.Yield, function):
            edits[function] = _as_block
    if not edits:
        raise NotApplicable("no block without gradients")
    changed = program.swap(edits)
    if not kinds:
        return changed
    manager = f"@contextlib.contextmanager\ndef {name}():\n    with {min(kinds)}():\n        yield\n"
    return after_imports(changed, "import contextlib\nimport torch\n\n\n" + manager)


def _as_block(function: Any) -> Any:
    guard = statements("with torch.no_grad():\n    pass\n")[0]
    guard = guard.with_changes(body=function.body)
    body = function.body.with_changes(body=[guard])
    return function.with_changes(decorators=function.decorators[:-1], body=body)
