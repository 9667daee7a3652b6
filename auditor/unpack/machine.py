"""The reader that follows a wrapper: it keeps the scopes, makes the calls, and collects the texts that would run.

Nothing is executed. Constants are computed by our own functions (`functions.TABLE`), everything else is
an unknown value; where a test is unknown, both branches are followed.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from auditor.unpack import decoding, expressions, functions, objects, sinks, statements
from auditor.unpack.folder import Folder
from auditor.unpack.limits import MAX_CALLS, MAX_DEPTH, Budget, Corrupt, Stop
from auditor.unpack.methods import PURE, binary, call_method
from auditor.unpack.nodes import SHORT, Frame, Node, Raised, Unread
from auditor.unpack.parse import parse
from auditor.unpack.source import read_source
from auditor.unpack.suspicion import has_means, may_run_text
from auditor.unpack.table import CONSTANTS, TABLE, canonical
from auditor.unpack.values import (
    MAX_ALTERNATIVES,
    UNKNOWN,
    Bound,
    Buffer,
    Choice,
    Class,
    Code,
    Function,
    Handle,
    Instance,
    Partial,
    Path,
    Ref,
    Scope,
    Unknown,
    Value,
    choice,
    first_unknown,
    is_plain,
    steps_of,
)

MAX_CHILDREN = 200  # texts that one text executes
SMALL = 50_000  # characters: an unpacked text of this size is followed even if it runs nothing itself
__all__ = ["Machine", "decoding", "functions"]  # importing the last two fills TABLE
_ITERABLE = (
    str,
    bytes,
    bytearray,
    list,
    tuple,
    dict,
    set,
    frozenset,
    range,
    itertools.cycle,
    itertools.count,
    itertools.repeat,
)
_TOLERANT = frozenset({"functools.partial", "builtins.print"})
_OWN_ERRORS = (ValueError, LookupError, ArithmeticError, StopIteration)


class Machine:
    """Follows the code of one file. Not reusable."""

    def __init__(self, folder: Folder, budget: Budget, root: Node) -> None:
        self.folder: Folder = folder
        self.budget = budget
        self.node = root
        self.scope = Scope()
        self.line = 0
        self.unread: list[Unread] = []
        self.frames: list[Frame] = []
        self.stars: list[str] = []  # modules imported with *
        self.runs: list[str] = []  # siblings that are run as they stand
        self.modules: dict[str, Scope] = {}
        self.places: list[str] = []  # folders added to sys.path
        self.doubt = 0  # > 0 inside a branch that may not be taken
        self.trying = 0  # > 0 inside a try block
        self.strange = 0  # calls that were not understood
        self.stopped: Node | None = None  # the text in which a limit was met
        self.refused = ""  # why Python would not even read the file
        self.notes: list[str] = []  # halves of sentences about how far the search went
        self.uncalled = False  # following what nothing was seen to call
        self.broke = False  # a loop may have been left in doubt

    # Texts that would run.

    def run_text(self, node: Node, scope: Scope, always: bool = False) -> None:
        """Follow a text in a scope, if there is any chance that it executes further text."""
        parsed = parse(node.text)
        if parsed.tree is None:
            node.problem = parsed.problem + (f" (line {parsed.line})" if parsed.line else "")
            return
        self.budget.work(1 + len(node.text) // 64)
        if not always and not may_run_text(parsed.tree):
            return
        kept = self.node, self.scope, self.line, self.frames
        self.node, self.scope, self.frames = node, scope, []
        scope.names.setdefault("__name__", "__main__")
        scope.names.setdefault("__file__", self.folder.script)
        scope.names["__doc__"] = statements.docstring(parsed.tree)
        try:
            with suppress(statements.Flow, Raised):
                statements.run(self, parsed.tree.body, scope)
            if node.parent is None:
                self._try_uncalled(scope)
        except Stop:
            self.stopped = self.stopped or node
            raise
        finally:
            self.node, self.scope, self.line, self.frames = kept

    def _try_uncalled(self, scope: Scope) -> None:
        """Follow functions that were not seen to be called: a framework may call them by other means."""
        places = [scope, *(v.scope for v in list(scope.names.values()) if isinstance(v, Class))]
        functions = [v for place in places for v in list(place.names.values()) if isinstance(v, Function)]
        unread = len(self.unread)
        self.uncalled = True
        for f in functions:
            if not f.calls and has_means(f.node):
                with suppress(Raised):
                    self.call_function(f, [], {})
        self.uncalled = False
        self.unread[unread:] = [u for u in self.unread[unread:] if u.why.opaque]

    def run_value(self, value: Value, scope: Scope | None = None, name: str = "") -> Value:
        """Code reaches its execution: note it as a text below the current one, and follow it."""
        if isinstance(value, Choice):
            for v in value.values:
                self.run_value(v, scope, name)
            return UNKNOWN
        if isinstance(value, Code):
            return self.run_value(value.source, scope, name or value.name)
        if isinstance(value, Unknown) or not isinstance(value, str | bytes | bytearray):
            self.unread.append(Unread(self.node, self.line, value if isinstance(value, Unknown) else UNKNOWN))
            return UNKNOWN
        steps = steps_of(value)
        if len(steps) == 1 and steps[0].startswith("read "):
            if self.folder.is_whole(steps[0].removeprefix("read "), value):
                self._run_sibling(steps[0].removeprefix("read "))
                return UNKNOWN
            steps = (*steps, "slice")
        encoding = "utf-8"
        text = value
        if not isinstance(value, str):
            source = read_source(bytes(value))
            if source.problem:
                self.unread.append(Unread(self.node, self.line, Unknown(source.problem, opaque=True)))
            text, encoding = source.text, source.encoding
        if text:
            name = name or self.folder.name_of(str(text))
            self._descend(
                Node(str(text), steps, name, self.line, self.node, encoding=encoding, sure=not self.uncalled), scope
            )
        return UNKNOWN

    def evaluate_text(self, source: Value, scope: Scope | None) -> Value:
        """eval(): the value of an expression given as text."""
        if isinstance(source, Choice):
            return self.each(lambda s: self.evaluate_text(s, scope), [source])
        if not isinstance(source, str | bytes | bytearray):
            return self.run_value(source, scope)
        text = source if isinstance(source, str) else bytes(source).decode("utf-8", "replace")
        kept = self.node
        if steps_of(source) or len(text) >= SHORT:
            node = Node(text, steps_of(source), "", self.line, kept)
            if self._enter(node):
                self.node = node
        try:
            return self.expression(text, scope or self.scope)
        finally:
            self.node = kept

    def expression(self, text: str, scope: Scope | None = None) -> Value:
        """The value of an expression given as text, names taken from `scope`."""
        tree = parse(text.strip()).tree
        if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
            return UNKNOWN
        return expressions.evaluate(self, tree.body[0].value, scope or Scope())

    def learn(self, data: bytes, scope: Scope) -> None:
        """Follow a sibling module for the names it defines. What it unpacks is its own affair."""
        aside = Node(read_source(data).text)
        kept = self.node, self.unread, self.runs, self.doubt
        self.unread, self.runs = [], []
        try:
            self.run_text(aside, scope, always=True)
        finally:
            self.node, self.unread, self.runs, self.doubt = kept

    def _run_sibling(self, name: str) -> None:
        if name != self.folder.own and name not in self.runs:  # itself once more brings no new text
            self.runs.append(name)

    def _enter(self, node: Node) -> bool:
        """Hang a text below the current one; False if it is there already. Raises `Stop` on a cycle."""
        parent = self.node
        digest = node.digest
        above = parent.above
        if any(n.digest == digest for n in above):
            raise Stop("it unpacks into itself")
        if any(n.digest == digest for n in parent.children):
            return False
        if len(above) > MAX_DEPTH:
            raise Stop(f"more than {MAX_DEPTH} wrappers lie inside each other")
        if len(parent.children) >= MAX_CHILDREN:
            raise Stop(f"it carries more than {MAX_CHILDREN} texts")
        parent.children.append(node)
        return True

    def _descend(self, node: Node, scope: Scope | None) -> None:
        if not node.glue or len(self.node.children) < MAX_CHILDREN // 2:
            if self._enter(node):
                self.run_text(node, scope or self.scope, always=len(node.text) < SMALL)
        elif len(self.node.above) <= MAX_DEPTH:
            node.parent = self.node
            self.run_text(node, scope or self.scope, always=True)

    def run_path(self, path: Value, scope: Scope | None = None) -> Value:
        """A file is run: one that the code wrote, or one that stands beside the script."""
        if isinstance(path, Path):
            path = path.path
        if not isinstance(path, str):
            why = path if isinstance(path, Unknown) else UNKNOWN
            self.unread.append(Unread(self.node, self.line, why))
            return UNKNOWN
        full = self.folder.absolute(path)
        inner = Scope({"__file__": full})
        return self.run_value(self.folder.read(path), scope or inner, full.rsplit("/", 1)[-1])

    def content(self, source: Value) -> Value:
        """All bytes or text of an open file, a buffer, or the file of that path."""
        if isinstance(source, Handle):
            return objects.method(self, source, "read", [], {})
        if isinstance(source, Buffer):
            return objects.method(self, source, "read", [], {})
        if isinstance(source, str | Path):
            return self.folder.read(source.path if isinstance(source, Path) else source)
        return source if isinstance(source, Unknown) else UNKNOWN

    def as_path(self, value: Value) -> str:
        """The text of a path object, "" for anything else."""
        return value.path if isinstance(value, Path) else ""

    # Calls.

    def call(self, function: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """The value of function(*args, **kwargs)."""
        self.budget.work(2)
        given = [function, *args, *kwargs.values()]
        if any(isinstance(v, Choice) for v in given):
            return self.each(
                lambda f, *a: self.call(f, list(a[: len(args)]), dict(zip(kwargs, a[len(args) :], strict=True))), given
            )
        if isinstance(function, Function):
            return self.call_function(function, args, kwargs)
        if isinstance(function, Partial):
            return self.call(function.function, [*function.args, *args], {**function.kwargs, **kwargs})
        if isinstance(function, Bound):
            return self.call_bound(function.owner, function.name, args, kwargs)
        if isinstance(function, Class):
            return objects.instantiate(self, function, args, kwargs)
        if isinstance(function, Ref):
            return self.call_ref(canonical(function.name), args, kwargs)
        if isinstance(function, Code):
            return self.run_value(function)
        return self.strange_call("", function, args, kwargs)

    def each(self, function: Callable[..., Value], values: list[Value]) -> Value:
        """Apply to every combination of alternatives, the first sixteen of them."""
        ways = [v.values if isinstance(v, Choice) else (v,) for v in values]
        found = [function(*way) for way in itertools.islice(itertools.product(*ways), MAX_ALTERNATIVES)]
        return choice(found)

    def call_ref(self, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if name in sinks.SINKS:
            return self.attempt(sinks.SINKS[name], self, *args, **kwargs)
        unknown = first_unknown([*args, *kwargs.values()])
        if name in TABLE and (unknown is None or name in _TOLERANT):
            return self.attempt(TABLE[name], self, *args, **kwargs)
        head, _, method = name.rpartition(".")
        if head in ("builtins.str", "builtins.bytes", "builtins.bytearray", "builtins.list", "builtins.dict") and args:
            return self.call_bound(args[0], method, args[1:], kwargs)
        return self.strange_call(name, unknown, args, kwargs)

    def call_bound(self, owner: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
        if isinstance(owner, Choice):
            return self.each(lambda o: self.call_bound(o, name, args, kwargs), [owner])
        kind = next((t for t in PURE if isinstance(owner, t)), None)
        if kind is not None:
            unknown = first_unknown([*args, *kwargs.values()])
            if unknown and not isinstance(owner, list | dict):
                return unknown
            if name == "join" and args and not isinstance(args[0], str | bytes):
                items = self.attempt(lambda: list(self.iterate(args[0])))
                if not isinstance(items, list):
                    return UNKNOWN
                unknown = first_unknown(items)
                if any(isinstance(i, Choice) for i in items):
                    return self.each(lambda *i: self.call_bound(owner, name, [list(i)], {}), items)
                if unknown:
                    return unknown
                args = [items]
            return self.attempt(call_method, self.budget, owner, name, args, kwargs)
        return self.attempt(objects.method, self, owner, name, args, kwargs)

    def strange_call(self, name: str, unknown: Value, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """A call that is not understood. Functions handed to it may be called, text handed to exec runs."""
        self.strange += 1
        given = [*args, *kwargs.values()]
        for v in given:
            if isinstance(v, Ref) and v.name in ("builtins.exec", "builtins.eval"):
                for text in itertools.chain.from_iterable(w if isinstance(w, list | tuple) else [w] for w in given):
                    if isinstance(text, Code | str | bytes) and (isinstance(text, Code) or len(text) > 20):
                        self.run_value(text)
            elif isinstance(v, Function) and v.calls < 2 and not v.active:
                self.doubt += 1
                try:
                    self.call_function(v, [], {})
                except Raised:
                    pass
                finally:
                    self.doubt -= 1
        if why := sinks.hiding(name, given):
            return Unknown(why, opaque=True)
        found = first_unknown([unknown, *given])
        return found if found is not None else UNKNOWN

    def call_function(self, f: Function, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Follow a function of the file itself."""
        doubtful = any(isinstance(v, Unknown) for v in [*args, *kwargs.values()])
        if f.active > MAX_CALLS or len(self.frames) > MAX_CALLS or (f.active and self.doubt):
            return UNKNOWN
        if doubtful and f.calls >= 3 and not any(isinstance(v, str | bytes) for v in [*args, *kwargs.values()]):
            return UNKNOWN
        f.calls += 1
        scope = Scope(objects.bind(f, args, kwargs), f.scope)
        frame = Frame()
        kept, broke = self.scope, self.broke
        self.frames.append(frame)
        self.scope = scope
        f.active += 1
        try:
            return statements.run_function(self, f, scope, frame)
        except RecursionError:
            return UNKNOWN
        finally:
            f.active -= 1
            self.frames.pop()
            self.scope, self.broke = kept, broke

    def attempt(self, function: Callable[..., Value], *args: Value, **kwargs: Value) -> Value:
        """Call one of our own functions; where the real one would raise, so does the followed code."""
        try:
            return function(*args, **kwargs)
        except Corrupt as e:
            return self.failed(Unknown(f"cannot be decoded ({e})", opaque=True))
        except _OWN_ERRORS:
            unknown = first_unknown([*args, *kwargs.values()])
            if unknown is None and all(is_plain(a) for a in args if a is not self and a is not self.budget):
                return self.failed(UNKNOWN)
            return unknown or UNKNOWN
        except (TypeError, AttributeError, RecursionError, MemoryError, SyntaxError):
            return first_unknown([*args, *kwargs.values()]) or UNKNOWN

    def failed(self, why: Unknown) -> Value:
        if self.trying:
            raise Raised(why)
        return why

    # Small services for the functions.

    def binary(self, op: str, a: Value, b: Value) -> Value:
        if isinstance(a, Choice) or isinstance(b, Choice):
            return self.each(lambda x, y: self.binary(op, x, y), [a, b])
        unknown = first_unknown([a, b])
        if unknown is not None:
            return unknown
        if op == "/" and isinstance(a, Path) and isinstance(b, str | Path):
            return objects.join_path(a, b)
        if not is_plain(a) or not is_plain(b):
            return UNKNOWN
        return self.attempt(binary, self.budget, op, a, b)

    def truth(self, value: Value) -> bool | None:
        """Whether a value counts as true; None if nobody can tell."""
        if is_plain(value):
            return bool(value)
        if isinstance(value, Function | Ref | Path | Handle | Code | Class | Instance):
            return True
        return None

    def key(self, value: Value) -> Value:
        """A dictionary key that is safe to hash: huge numbers can be made to collide."""
        if isinstance(value, float) or (isinstance(value, int) and abs(value) >= 2**60):
            raise TypeError("a key that is not followed")
        if isinstance(value, str | bytes | int | type(None)):
            return value
        if isinstance(value, tuple) and len(value) <= 4:
            return tuple(self.key(v) for v in value)
        raise TypeError("a key that is not followed")

    def iterate(self, value: Value) -> Iterator[Value]:
        """Items of a value, work charged for each. Raises TypeError for what is not iterable."""
        items: Iterable[Value]
        if isinstance(value, Handle | Buffer):
            items = self.attempt(objects.method, self, value, "readlines", [], {})
            if not isinstance(items, list):
                raise TypeError("nothing to iterate over")
        elif isinstance(value, _ITERABLE):
            items = value
        else:
            raise TypeError("not iterable")
        for item in items:
            self.budget.work(1)
            yield item

    def lookup(self, name: str, scope: Scope) -> Value:
        """The value of a name: local, enclosing, module, starred import, builtin."""
        at: Scope | None = scope
        while at is not None:
            if name in at.names:
                return at.names[name]
            at = at.parent
        if name in ("__builtins__",):
            return Ref("builtins")
        for module in self.stars:
            full = canonical(f"{module}.{name}")
            if full in CONSTANTS:
                return CONSTANTS[full]
            if full in TABLE or full in sinks.SINKS:
                return Ref(full)
        return Ref(f"builtins.{name}")
