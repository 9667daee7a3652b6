"""Detours that an author takes who does not want to be read: each keeps what the program does."""

from __future__ import annotations

from random import Random
from typing import Any

import libcst as cst

from tests.metamorphic.families.aliases import chains
from tests.metamorphic.trees import (
    Edits,
    NotApplicable,
    Program,
    after_imports,
    code,
    expression,
    fresh,
    one,
    put,
    some,
    statements,
    walk,
)


def dispatched(text: str, rng: Random) -> str:
    """Own functions are called through objects, tables of lambdas, `globals()`, `reduce` and `map`."""
    program, new = Program(text), fresh(rng, text)
    own = {n for name in program.functions() for n in program.loads(name)}
    calls = [c for c in program.nodes(cst.Call) if c.func in own and not any(a.star for a in c.args)]
    edits: Edits = {}
    caller, table = new("Caller", "Job"), new("table", "jobs")
    globals_ = program.functions()
    for call in some(rng, calls, 6):
        name = call.func.value
        plain = not any(a.keyword for a in call.args)
        ways = ["object", "lambda", "globals", "star"] + (["map"] if plain and len(call.args) == 1 else [])
        way = rng.choice(ways)
        edits[call] = lambda c, way=way, name=name: expression(_dispatch(c, way, name, caller, table))
    if not globals_:
        raise NotApplicable("no functions")
    top = (
        f"class {caller}:\n    def __init__(self, fn):\n        self.fn = fn\n\n    def __call__(self, *a, **k):\n"
        f"        return self.fn(*a, **k)\n\n\n{table} = {{'run': lambda f, *a, **k: f(*a, **k)}}\n"
    )
    return after_imports(program.swap(edits), top)


def _dispatch(call: Any, way: str, name: str, caller: str, table: str) -> str:
    args = ", ".join(code(a.with_changes(comma=cst.MaybeSentinel.DEFAULT)) for a in call.args)
    if way == "object":
        return f"{caller}({name})({args})"
    if way == "lambda":
        return f"{table}['run']({name}{', ' + args if args else ''})"
    if way == "globals":
        cut = len(name) // 2
        return f"globals()[{name[:cut]!r} + {name[cut:]!r}]({args})"
    if way == "map":
        return f"next(map({name}, [{args}]))"
    positional = [code(a.value) for a in call.args if not a.keyword]
    named = [f"{a.keyword.value!r}: {code(a.value)}" for a in call.args if a.keyword]
    return f"{name}(*[{', '.join(positional)}], **{{{', '.join(named)}}})"


def generators(text: str, rng: Random) -> str:
    """Loops over a range draw from a generator of one's own, a class with `__iter__`, a queue or a data loader's list."""
    program, new = Program(text), fresh(rng, text)
    loops = [n for n in program.nodes(cst.For) if n.asynchronous is None]
    name, kind = new("stream", "each", "pieces"), rng.choice(("yield", "from", "class", "queue", "send"))
    edits: Edits = {n.iter: (lambda e: expression(f"{name}({code(e)})")) for n in some(rng, loops, 3)}
    tops = {
        "yield": f"def {name}(items):\n    for item in items:\n        yield item\n",
        "from": f"def {name}(items):\n    yield from items\n",
        "class": (
            f"class {name}:\n    def __init__(self, items):\n        self.items = items\n\n"
            "    def __iter__(self):\n        return iter(self.items)\n"
        ),
        "queue": (
            f"import collections\n\n\ndef {name}(items):\n    waiting = collections.deque(items)\n    while waiting:\n"
            "        yield waiting.popleft()\n"
        ),
        "send": (
            f"def {name}(items):\n    def feed():\n        got = None\n        while True:\n            got = yield got\n\n"
            "    pipe = feed()\n    next(pipe)\n    for item in items:\n        yield pipe.send(item)\n"
        ),
    }
    return after_imports(program.swap(edits), tops[kind])


def objects(text: str, rng: Random) -> str:
    """Arguments travel as fields of dataclasses, properties, descriptors, and through nonlocal cells."""
    program, new = Program(text), fresh(rng, text)
    chosen = some(rng, _functions(program), 3)
    holder, kind = new("Record", "State"), rng.choice(("dataclass", "property", "descriptor", "getattr"))
    edits: Edits = {}
    for function, scope, name in chosen:
        held = new("state", "rec", "o")
        for node in program.loads(name, scope):
            edits[node] = expression(f"{held}.value")
        made = statements(f"{held} = {holder}({name})")
        edits[function.body] = lambda body, made=made: put(body, 0, made)
    tops = {
        "dataclass": f"import dataclasses\n\n\n@dataclasses.dataclass\nclass {holder}:\n    value: object\n",
        "property": (
            f"class {holder}:\n    def __init__(self, value):\n        self._v = value\n\n"
            "    @property\n    def value(self):\n        return self._v\n"
        ),
        "descriptor": (
            f"class Cell_:\n    def __get__(self, o, kind=None):\n        return o.__dict__['v']\n\n\nclass {holder}:\n    value = Cell_()\n\n"
            "    def __init__(self, value):\n        self.__dict__['v'] = value\n"
        ),
        "getattr": (
            f"class {holder}:\n    def __init__(self, value):\n        setattr(self, 'v' + '1', value)\n\n"
            "    def __getattr__(self, name):\n        return getattr(self, 'v' + '1') if name == 'value' else None\n"
        ),
    }
    return after_imports(program.swap(edits), tops[kind])


def _functions(program: Program) -> list[tuple[cst.FunctionDef, Any, str]]:
    """A parameter each of some functions: one that is read and never set again, in a function without a docstring."""
    from tests.metamorphic.families.aliases import arguments

    seen, out = set(), []
    for function, scope, name in arguments(program):
        first = function.body.body[0]
        if function not in seen and one(first, cst.Expr) is None and not program.nodes(cst.Lambda, function):
            seen.add(function)
            out.append((function, scope, name))
    return out


def control(text: str, rng: Random) -> str:
    """Blocks in `try` and `finally`, `match` for `if`, loops of one turn, and code in a string that is run."""
    program, new = Program(text), fresh(rng, text)
    bodies = [f.body for f in program.functions().values() if isinstance(f.body, cst.IndentedBlock)]
    edits: Edits = {}
    for body in some(rng, bodies, 2):
        way = rng.choice(("try", "finally", "match", "once", "while"))
        name = new("turn", "once")
        edits[body] = lambda b, way=way, name=name: _enclosed(b, way, name)
    ifs = [n for n in program.nodes(cst.If) if _simple_if(program, n)]
    for node in some(rng, ifs, 2) if ifs and rng.random() < 0.7 else []:
        edits[node] = _as_match
    return program.swap(edits)


def _simple_if(program: Program, node: Any) -> bool:
    elif_ = any(n.orelse is node for n in program.nodes(cst.If))
    return isinstance(node.body, cst.IndentedBlock) and not elif_ and not isinstance(node.orelse, cst.If)


def _as_match(node: Any) -> Any:
    shell = statements(f"match bool({code(node.test)}):\n    case True:\n        pass\n    case _:\n        pass\n")[0]
    first, second = shell.cases
    first = first.with_changes(body=node.body)
    if node.orelse is not None:
        second = second.with_changes(body=node.orelse.body)
    return shell.with_changes(cases=[first, second])


def _enclosed(body: Any, way: str, name: str) -> Any:
    shells = {
        "try": "try:\n    pass\nexcept KeyboardInterrupt:\n    raise\n",
        "finally": f"try:\n    pass\nfinally:\n    {name} = None\n",
        "match": "match 1:\n    case 1:\n        pass\n",
        "once": f"for {name} in (0,):\n    pass\n",
        "while": f"{name} = True\nwhile {name}:\n    {name} = False\n",
    }
    made = statements(shells[way])
    loop = way in ("once", "while")
    own = any(isinstance(n, cst.Break | cst.Continue) for s in body.body for n in walk(s))
    if loop and own and way == "once":
        pass  # breaks and continues inside belong to loops inside
    if way == "match":
        case = made[0].cases[0]
        made[0] = made[0].with_changes(cases=[case.with_changes(body=case.body.with_changes(body=body.body))])
    elif way == "while":
        made[1] = made[1].with_changes(body=made[1].body.with_changes(body=[*made[1].body.body, *body.body]))
    else:
        made[0] = made[0].with_changes(body=made[0].body.with_changes(body=body.body))
    return body.with_changes(body=made)


def executed(text: str, rng: Random) -> str:
    """One function is defined by a text that is run, or all calls of a library go through a module found by name."""
    program, new = Program(text), fresh(rng, text)
    functions = [f for f in program.functions().values() if not f.decorators and "'''" not in code(f)]
    chosen = set(map(id, some(rng, functions, 1)))
    found = chains(program)
    edits: Edits = {}
    for f in functions:
        if id(f) in chosen:
            source = code(f.with_changes(leading_lines=[]))
            edits[f] = lambda _, source=source: cst.FlattenSentinel(statements(f"exec({source!r}, globals())"))
    done = program.swap(edits)
    roots = sorted({d.split(".")[0] for d in found} & {"torch", "math", "glob", "os"})
    if not roots or rng.random() < 0.4:
        return done
    name, alias = rng.choice(roots), new("lib", "mod")
    return after_imports(
        done, f"import importlib\n\n{alias} = importlib.import_module({name[:1]!r} + {name[1:]!r})\n{name} = {alias}\n"
    )


def patched(text: str, rng: Random) -> str:
    """Methods are set after the class is made: by assignment, setattr, or `types.MethodType` on each object."""
    program = Program(text)
    places = [
        (c, m)
        for c in program.module.body
        if isinstance(c, cst.ClassDef) and isinstance(c.body, cst.IndentedBlock) and program.bindings(c.name.value) == 1
        for m in c.body.body
        if isinstance(m, cst.FunctionDef) and not m.decorators and m.name.value != "__init__" and len(c.body.body) > 1
        if not program.nodes(cst.Call, m) or all(code(x.func) != "super" for x in program.nodes(cst.Call, m))
    ]
    new, edits = fresh(rng, text), {}
    taken: set[int] = set()
    for kind, method in some(rng, places, 2):
        if id(kind) in taken:
            continue
        taken.add(id(kind))
        name, outer = new("patched", "late", f"{method.name.value}_"), kind.name.value
        way = rng.choice((f"{outer}.{method.name.value} = {name}", f"setattr({outer}, {method.name.value!r}, {name})"))

        def move(c: Any, method: Any = method, name: str = name, way: str = way) -> Any:
            at = next(
                i
                for i, s in enumerate(c.body.body)
                if getattr(getattr(s, "name", None), "value", "") == method.name.value
            )
            rest = [s for i, s in enumerate(c.body.body) if i != at]
            function = c.body.body[at].with_changes(name=cst.Name(name))
            kept = c.with_changes(body=c.body.with_changes(body=rest))
            return cst.FlattenSentinel([kept, function, *statements(way)])

        edits[kind] = move
    return program.swap(edits)


def threads(text: str, rng: Random) -> str:
    """A call runs in a thread, in a pool, or as a coroutine, and its result is fetched."""
    program, new = Program(text), fresh(rng, text)
    own = {n for name in program.functions() for n in program.loads(name)}
    calls = [c for c in program.nodes(cst.Call) if c.func in own and not any(a.star for a in c.args)]
    name = new("in_turn", "later", "run_")
    edits: Edits = {}
    for call in some(rng, calls, 3):
        edits[call] = lambda c: expression(
            f"{name}({', '.join([code(c.func), *(code(a.with_changes(comma=cst.MaybeSentinel.DEFAULT)) for a in c.args)])})"
        )
    tops = (
        f"import threading\n\n\ndef {name}(fn, *a, **k):\n    box = []\n    t = threading.Thread(target=lambda: box.append(fn(*a, **k)))\n"
        "    t.start()\n    t.join()\n    return box[0]\n",
        "from concurrent.futures import ThreadPoolExecutor\n\n\n"
        f"def {name}(fn, *a, **k):\n    with ThreadPoolExecutor(1) as pool:\n        return pool.submit(fn, *a, **k).result()\n",
        f"import asyncio\n\n\ndef {name}(fn, *a, **k):\n    async def job():\n        return fn(*a, **k)\n\n    return asyncio.run(job())\n",
        f"import queue\n\n\ndef {name}(fn, *a, **k):\n    q = queue.Queue()\n    q.put(fn(*a, **k))\n    return q.get()\n",
        f"def {name}(fn, *a, **k):\n    cell = None\n\n    def job():\n        nonlocal cell\n        cell = fn(*a, **k)\n\n    job()\n    return cell\n",
    )
    return after_imports(program.swap(edits), rng.choice(tops))
