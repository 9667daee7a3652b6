"""A walk over one native function: statements, loops and branches, with calls into the same file entered.

Every loop is walked for two turns. Between them what was read at i becomes what was read at i − 1, so that
state kept from token to token is told apart from state changed by the token at hand.
"""

from __future__ import annotations

from dataclasses import replace

from auditor.source.native.calls import Calls
from auditor.source.native.memory import Frame, Memory, State
from auditor.source.native.tree import Node
from auditor.source.native.unit import Function, Unit, declared_name, jumps, moved_by, type_name, unconditional
from auditor.source.native.values import (
    COPY,
    NOTHING,
    Lin,
    Pointer,
    Value,
    Way,
    convert,
    decides,
    join,
    mixed,
    swap,
    symbol,
)

MAX_CALLS = 12  # nesting of calls that is followed


class Walk(Calls):
    """Walks functions of one file."""

    def __init__(self, unit: Unit, budget: int) -> None:
        super().__init__(unit, Memory(budget))
        self.memory.constants = unit.constants
        self.loops: dict[tuple[int, ...], int] = {}
        self.cases: list[State] = []  # memory before each switch around
        self.sites: list[int] = []  # the calls that led here

    def root(self, function: Function) -> None:
        """Walk a function as one that is called from outside, with unknown arguments."""
        m = self.memory
        frame = Frame(0, function.name, owner=function.owner, this="this" if function.owner else "")
        m.frames.append(frame)
        for name, node in self.parameters(function.node):
            region = f"l:0:{name}"
            frame.names[name] = region
            kind = self.kind_of(node)
            m.types[region] = type_name(node.get("type"))
            m.types[f"p:{name}"] = m.types[region]
            if kind == "reference" or kind == "container":
                frame.names[name] = f"p:{name}"
            elif kind == "pointer":
                m.cells[region] = Value({}, pointer=Pointer(f"p:{name}"), type=m.types[region])
            else:
                source = (f"a:{name}", Lin())
                m.cells[region] = Value({source: Way(COPY, (function.line,))}, lin=symbol("a", name),
                                        knobs=frozenset((name,)), id=m.new_id())  # fmt: skip
        body = function.node.get("body")
        if body is not None:
            self.statement(body)
        m.frames.pop()

    # statements

    def statement(self, node: Node) -> None:
        self.memory.spend()
        kind = node.kind
        if self.memory.dead and kind != "case_statement":
            return
        if kind in ("compound_statement", "statement_list", "preproc_if", "preproc_ifdef", "preproc_else", "ERROR",
                    "preproc_elif", "declaration_list", "linkage_specification", "try_statement", "catch_clause",
                    "labeled_statement", "else_clause", "case_statement"):  # fmt: skip
            if kind == "case_statement" and self.cases:
                self.memory.arrive(self.cases[-1])
            for kid in node.kids:
                if kid.kind not in ("identifier", "statement_identifier", "parameter_list"):
                    self.statement(kid)
        elif kind == "expression_statement":
            for kid in node.kids:
                self.value(kid)
        elif kind == "declaration":
            self.declaration(node)
        elif kind == "if_statement":
            self.branch(node)
        elif kind == "for_statement":
            self.scoped(node, self.for_loop)
        elif kind in ("while_statement", "do_statement"):
            self.scoped(node, self.while_loop)
        elif kind == "for_range_loop":
            self.scoped(node, self.range_loop)
        elif kind == "switch_statement":
            condition, body = node.get("condition"), node.get("body")
            decided = self.condition(condition)
            if body is not None:
                self.memory.broken.append(None)
                self.cases.append(self.memory.fork())
                self.under(decided, condition, body)
                self.cases.pop()
                self.memory.arrive(self.memory.broken.pop())
        elif kind == "continue_statement" and self.memory.continued:
            self.memory.continued[-1] = self.memory.jump(self.memory.continued[-1])
        elif kind == "break_statement" and self.memory.broken:
            self.memory.broken[-1] = self.memory.jump(self.memory.broken[-1])
        elif kind == "throw_statement":
            self.memory.dead = True
        elif kind == "return_statement":
            frame = self.memory.frame
            control = self.memory.control()
            value = self.value(node.kids[0]) if node.kids else NOTHING
            taints = mixed(value, replace(control, taints=convert(control.taints, decides, node.line)))
            final = replace(value, taints=taints.taints, content=taints.content)
            frame.result = final if frame.result is None else join(frame.result, final)
            if len(self.memory.frames) == 1 and node.kids:
                self.memory.store("ref:return", value, line=node.line)
            frame.returned = self.memory.jump(frame.returned)
        elif kind.endswith(("_expression", "literal")) or kind == "identifier":
            self.value(node)

    def scoped(self, node: Node, walk: object) -> None:
        depth = len(self.memory.frame.control)
        walk(node)  # type: ignore[operator]
        del self.memory.frame.control[depth:]

    def declaration(self, node: Node) -> None:
        m, frame = self.memory, self.memory.frame
        base = type_name(node.get("type"))
        for kid in node.kids:
            if kid.kind not in ("init_declarator", "array_declarator", "pointer_declarator", "identifier", "reference_declarator",
                                "structured_binding_declarator", "function_declarator"):  # fmt: skip
                continue
            declarator = kid.get("declarator") if kid.kind == "init_declarator" else kid
            if declarator is None:
                continue
            name = declarator.text if declarator.kind == "identifier" else declared_name(declarator)
            if not name:
                continue
            value_node = kid.get("value") if kid.kind == "init_declarator" else None
            region = f"l:{frame.id}:{name}"
            m.types[region] = base
            if declarator.kind == "reference_declarator" and value_node is not None:
                place = self.place(value_node)
                frame.names[name] = self.alias(name, place) if place else region
                continue
            frame.names[name] = region
            m.cells.pop(region, None)
            static = any(k.kind == "storage_class_specifier" and k.text == "static" for k in node.kids)
            if static:
                frame.names[name] = region = f"g:{frame.name}:{name}"
            if any(n.kind == "array_declarator" for n in declarator.walk()):
                frame.arrays.add(region)
                m.cells.pop(region + "[]", None)
                if value_node is not None:
                    m.store(region + "[]", self.value(value_node), line=node.line)
                continue
            if value_node is not None:
                if value_node.kind == "lambda_expression":
                    frame.lambdas[name] = value_node
                    continue
                value = self.value(value_node)
                if not static:
                    m.store(region, replace(value, type=value.type if base in ("auto", "") else base), line=node.line)
            elif not static:
                m.cells[region] = Value({}, type=base)

    def branch(self, node: Node) -> None:
        condition = node.get("condition")
        decided = self.condition(condition)
        then, other = node.get("consequence"), node.get("alternative")
        before, frame = self.memory.fork(), self.memory.frame
        depth, after = len(frame.control), frame.after
        if then is not None:
            self.under(decided, condition, then)
        taken, gone = self.memory.fork(), self.memory.dead
        self.memory.dead = False
        left, left_after = frame.control[depth:], frame.after
        del frame.control[depth:]  # leaving the one branch early says nothing of the other
        frame.after = after
        self.memory.cells, self.memory.where = before
        if other is not None:
            self.under(decided, condition, other, negated=True)
        if not gone:
            self.memory.arrive(taken)
        frame.control.extend(left)
        if left_after is not after:
            frame.after = mixed(frame.after, left_after)
        self.leave(decided, then, other)

    def leave(self, decided: Value, *branches: Node | None) -> None:
        """After a branch that jumps away, what follows depends on the condition."""
        if not decided.taints and not decided.content:
            return
        kinds = {j for b in branches if b is not None for j in jumps(b)}
        if "return_statement" in kinds or "throw_statement" in kinds:
            self.memory.frame.after = mixed(self.memory.frame.after, decided)
        if kinds & {"continue_statement", "break_statement", "goto_statement"}:
            self.memory.frame.control.append(decided)

    def under(self, decided: Value, condition: Node | None, body: Node, negated: bool = False) -> None:
        """Walk a body that runs only when a condition holds."""
        frame = self.memory.frame
        depth = len(frame.control)
        frame.control.append(decided)
        text = condition.text.strip("() ") if condition is not None else ""
        self.memory.guards.append((condition.line if condition else body.line, f"not ({text})" if negated else text))
        self.statement(body)
        self.memory.guards.pop()
        # what a jump inside left behind holds beyond this body, see `leave`
        tail = frame.control[depth + 1 :]
        del frame.control[depth:]
        frame.control.extend(tail)

    def condition(self, node: Node | None) -> Value:
        if node is None:
            return NOTHING
        value = self.value(node)
        return value.bare()

    # loops

    def for_loop(self, node: Node) -> None:
        start, condition, update = node.get("initializer"), node.get("condition"), node.get("update")
        if start is not None:
            self.statement(start) if start.kind == "declaration" else self.value(start)
        body = node.get("body")
        self.turns(node, condition, [body] if body is not None else [], update)

    def while_loop(self, node: Node) -> None:
        body = node.get("body")
        self.turns(node, node.get("condition"), [body] if body is not None else [], None)

    def range_loop(self, node: Node) -> None:
        """`for (auto& x : xs)`: x is the element at the loop's counter."""
        m, right, declarator, body = self.memory, node.get("right"), node.get("declarator"), node.get("body")
        name = declared_name(node) or (declarator.text if declarator is not None else "")
        if right is None or body is None or not name:
            return
        counter: tuple[object, ...] = ("v", self.loop_number(node))
        place = self.place(right)
        base = place.region if place else f"heap:{node.line}"
        index = Value({}, lin=symbol(*counter), id=m.new_id())
        frame = m.frame
        broken: State | None = None
        for last in (False, True):
            m.passes.append(last)
            if declarator is not None and declarator.kind == "reference_declarator":
                frame.names[name] = base + "[]"
            else:
                frame.names[name] = f"l:{frame.id}:{name}"
                m.store(frame.names[name], m.load(base + "[]", index.lin, index, node.line), line=node.line)
            m.continued.append(None)
            m.broken.append(broken)
            self.statement(body)
            m.arrive(m.continued.pop())
            broken = m.broken.pop()
            m.dead = False
            m.passes.pop()
            if not last:
                m.one_turn_later(counter)
        m.arrive(broken)

    def loop_number(self, node: Node) -> int:
        """One number for a loop on one way of calls, the same each time it is walked."""
        return self.loops.setdefault((*self.sites, id(node)), len(self.loops) + 1)

    def turns(self, node: Node, condition: Node | None, body: list[Node], update: Node | None) -> None:
        """Two turns of a loop whose counters are known by the way they move."""
        m, frame = self.memory, self.memory.frame
        counters = self.counters(body, update)
        before = m.fork()
        number = self.loop_number(node)
        first: tuple[object, ...] | None = None
        for name, step in counters.items():
            region = frame.names.get(name)
            if region is None or not region.startswith("l:"):
                continue
            sym: tuple[object, ...] = ("v", number) if first is None else ("v", number, name)
            old = m.cells.get(region, NOTHING)
            self.bounds(sym, name, old.lin, step, condition)
            first = first or sym
            # a second counter moves along with the first: keep it a multiple of it where its start is known
            lin = symbol(*sym)
            if sym != first and old.lin is not None:
                start = before[0].get(frame.names[next(iter(counters))], NOTHING).lin
                lead = counters[next(iter(counters))]
                moved = symbol(*first).plus(start, -1) if start is not None else None
                if moved is not None and step % lead == 0:
                    lin = old.lin.plus(moved.times(step // lead)) or lin
            m.cells[region] = Value({}, lin=lin, id=m.new_id())
        broken: State | None = None
        counter, step = first or ("v", number), next(iter(counters.values()), 1)
        m.around.append(counter)
        for last in (False, True):
            m.passes.append(last)
            depth = len(frame.control)
            decided = self.condition(condition)
            frame.control.append(decided)
            m.guards.append((node.line, ""))
            m.continued.append(None)
            m.broken.append(broken)
            for part in body:
                self.statement(part)
            m.guards.pop()
            m.arrive(m.continued.pop())
            broken = m.broken.pop()
            if update is not None and not m.dead:
                self.value(update)
            never = m.dead  # every way through the body leaves the loop
            m.dead = False
            broke = frame.control[depth + 1 :]
            del frame.control[depth:]
            m.passes.pop()
            if never:
                m.cells, m.where = self._entered(before, counters)
            if not last:
                m.one_turn_later(counter, step)
                if broken is not None:
                    broken = m.later(broken, counter)
                m.rejoin(self._entered(before, counters))
                # a search that ended early: later turns depend on why
                frame.control.extend(swap(v, counter, symbol(*counter, "before")) for v in broke)
        m.around.pop()
        m.arrive(broken)

    def _entered(self, before: State, counters: dict[str, int]) -> State:
        """The state at the loop's entry, but with the counters as they stand now."""
        cells, where = dict(before[0]), dict(before[1])
        for name in counters:
            region = self.memory.frame.names.get(name)
            if region in self.memory.cells:
                cells[region] = self.memory.cells[region]
        for region in list(self.memory.where):
            where.setdefault(region, self.memory.where[region])
        return cells, where

    def counters(self, body: list[Node], update: Node | None) -> dict[str, int]:
        """Variables that every turn moves by the same step, and by nothing else."""
        steps: dict[str, int] = {}
        spoiled: set[str] = set()
        always = {id(n) for part in ([update] if update else []) + body for n in unconditional(part)}
        for part in ([update] if update is not None else []) + body:
            for n in part.walk():
                name, step = moved_by(n)
                if not name:
                    continue
                if step is None or id(n) not in always or name in steps:
                    spoiled.add(name)
                else:
                    steps[name] = step
        return {n: s for n, s in steps.items() if n not in spoiled and s}

    def bounds(self, sym: tuple[object, ...], name: str, start: Lin | None, step: int, condition: Node | None) -> None:
        """What the loop's condition says of the counter, for comparing indexes."""
        limit: Lin | None = None
        if condition is not None:
            for n in condition.walk():
                left, right = n.get("left"), n.get("right")
                if (
                    n.kind != "binary_expression"
                    or left is None
                    or right is None
                    or n.op not in ("<", "<=", ">", ">=", "!=")
                ):
                    continue
                if left.text == name:
                    limit = self.value(right).lin
                    if limit is not None and n.op in ("<", "!=") and step > 0:
                        limit = limit.plus(Lin(1), -1)
                    elif limit is not None and n.op in (">", "!=") and step < 0:
                        limit = limit.plus(Lin(1))
                    break
        self.memory.ranges[sym] = (start, limit) if step > 0 else (limit, start)

    # calls into this file

    def enter(self, function: Function, arguments: list[Node], this: str, site: int) -> Value | None:
        """Walk a function of this file with the given arguments; None when it is not followed."""
        m = self.memory
        if len(m.frames) > MAX_CALLS or sum(f.name == function.name for f in m.frames) > 1:
            return None
        self.calls += 1
        frame = Frame(self.calls, function.name, owner=function.owner, this=this)
        ids = set(m.frame.ids)
        given: list[tuple[str, Value]] = []
        params = self.parameters(function.node)
        for i, (name, node) in enumerate(params):
            region = f"l:{frame.id}:{name}"
            if i >= len(arguments):
                default = node.get("default_value")
                given.append((region, self.value(default) if default is not None else NOTHING))
                frame.names[name] = region
                continue
            m.types[region] = type_name(node.get("type"))
            if self.kind_of(node) in ("reference", "container") and (place := self.place(arguments[i])) is not None:
                frame.names[name] = self.alias(name, place)
                continue
            value = self.value(arguments[i])
            if value.id and value.taints:
                ids.add(value.id)
            frame.names[name] = region
            given.append((region, value))
        frame.ids = frozenset(ids)
        body = function.node.get("body")
        m.frames.append(frame)
        self.sites.append(site)
        for region, value in given:
            m.cells[region] = value
        if body is not None:
            held = m.continued, m.broken
            m.continued, m.broken = [], []
            self.statement(body)
            m.arrive(frame.returned)
            m.dead = False
            m.continued, m.broken = held
        self.sites.pop()
        m.frames.pop()
        for region in [r for r in m.cells if r.startswith(f"l:{frame.id}:")]:
            del m.cells[region]
        return frame.result or NOTHING

    def enter_lambda(self, node: Node, arguments: list[Node]) -> Value:
        m, frame = self.memory, self.memory.frame
        if len(m.frames) > MAX_CALLS:
            return NOTHING
        for (name, _), argument in zip(self.parameters(node), arguments, strict=False):
            region = f"l:{frame.id}:{name}"
            frame.names[name] = region
            m.cells[region] = self.value(argument)
        kept, frame.result = frame.result, None
        body = node.get("body")
        if body is not None:
            m.spend()
            held, frame.returned = frame.returned, None
            loops = m.continued, m.broken
            m.continued, m.broken = [], []
            self.statement(body)
            m.arrive(frame.returned)
            m.dead = False
            m.continued, m.broken = loops
            frame.returned = held
        out, frame.result = frame.result, kept
        return out or NOTHING

    def parameters(self, function: Node) -> list[tuple[str, Node]]:
        for node in function.walk():
            if node.kind == "parameter_list":
                return [(declared_name(p), p) for p in node.kids if "parameter" in p.kind]
            if node.kind == "compound_statement":
                break
        return []

    def kind_of(self, parameter: Node) -> str:
        """How an argument is handed over: "pointer", "reference", "container" (a view of an array), or "value"."""
        declarator = parameter.get("declarator")
        kinds = {n.kind for n in declarator.walk()} if declarator is not None else set()
        if "pointer_declarator" in kinds or "array_declarator" in kinds:
            return "pointer"
        if "reference_declarator" in kinds:
            return "reference"
        base = parameter.get("type")
        text = base.text if base is not None else ""
        return "container" if base is not None and ("<" in text or "Tensor" in text or not text) else "value"
