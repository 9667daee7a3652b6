"""Values and places of native expressions, and what library calls do with them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from auditor.source.native.memory import Memory
from auditor.source.native.tree import Node
from auditor.source.native.values import (
    COPY,
    GATHER,
    HASHED,
    KEYED,
    MARKER,
    MATCH,
    NOTHING,
    OFFSET,
    PROPERTY,
    SCALED,
    Lin,
    Mark,
    Pointer,
    Value,
    convert,
    decides,
    either,
    join,
    merge,
    mixed,
)

if TYPE_CHECKING:
    from auditor.source.native.unit import Unit

NUMBER = re.compile(r"^(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,18})[uUlLzZ]{0,4}$")
_PARAMETER = re.compile(r"^p:\w+\[\]$")


@dataclass(frozen=True, slots=True)
class Place:
    """Something that can be written: a region, the index in it, and what the index is made of."""

    region: str
    lin: Lin | None = None
    index: Value = NOTHING


class Expressions(ABC):
    """Evaluates expressions over a `Memory`; calls are in `native/calls.py`, statements in `native/walk.py`."""

    def __init__(self, unit: Unit, memory: Memory) -> None:
        self.unit = unit
        self.memory = memory
        self.aliases: dict[str, Place] = {}

    # places

    def alias(self, name: str, place: Place) -> str:
        """A region name that stands for a place, for references."""
        if place.lin is None and not place.index.taints:
            return place.region
        region = f"&{self.memory.new_id()}:{name}"
        self.aliases[region] = place
        return region

    def place(self, node: Node) -> Place | None:
        kind = node.kind
        if kind in ("identifier", "field_identifier", "this", "qualified_identifier", "template_method"):
            return self.named(node.text.rpartition("::")[2])
        if kind == "parenthesized_expression" and node.kids:
            return self.place(node.kids[0])
        if kind == "field_expression":
            return self.member(node)
        if kind == "subscript_expression":
            return self.element(node)
        if kind == "pointer_expression" and node.op == "*":
            argument = node.get("argument")
            return self.target(self.value(argument)) if argument is not None else None
        if kind == "cast_expression" and (inner := node.get("value")) is not None:
            return self.place(inner)
        if kind == "call_expression":
            value = self.value(node)
            return self.target(value) if value.pointer is not None else None
        if kind == "conditional_expression" and (inner := node.get("consequence")) is not None:
            return self.place(inner)
        return None

    def named(self, name: str) -> Place:
        frame = self.memory.frame
        if name == "this":
            return Place(frame.this or "this")
        region = frame.names.get(name)
        if region is None:
            if frame.this and (name in self.unit.fields.get(frame.owner, {}) or name not in self.unit.globals):
                region = f"{frame.this}.{name}"
                self.memory.types.setdefault(region, self.unit.fields.get(frame.owner, {}).get(name, ""))
            else:
                region = f"g:{name}"
                self.memory.types.setdefault(region, self.unit.globals.get(name, ""))
        place = self.aliases.get(region)
        return place if place is not None else Place(region)

    def member(self, node: Node) -> Place | None:
        base, name_node = node.get("argument"), node.get("field")
        if base is None or name_node is None:
            return None
        name = name_node.text
        owner = ""
        if node.op == "->" or base.kind == "this":
            value = self.value(base)
            if base.kind == "this":
                place: Place | None = self.named("this")
                owner = self.memory.frame.owner
            else:
                place = self.target(value)
                owner = value.type
        else:
            place = self.place(base)
            if place is not None:
                owner = self.memory.types.get(place.region, "")
        if place is None:
            return None
        base_region = place.region
        if node.op == "->" and place.lin == Lin() and not place.index.taints and _PARAMETER.match(base_region):
            base_region = base_region[:-2]  # a pointer to one struct, as its argument stands
        region = f"{base_region}.{name}"
        if region.count(".") + region.count("[]") > 8:
            return None
        known = self.unit.fields.get(owner, {}).get(name)
        if known:
            self.memory.types.setdefault(region, known)
        return Place(region, place.lin, place.index)

    def element(self, node: Node) -> Place | None:
        base = node.get("argument")
        where = node.get("index")
        if where is None and (indices := node.get("indices")) is not None and indices.kids:
            where = indices.kids[0]
        if base is None or where is None:
            return None
        index = self.value(where)
        value = self.value(base)
        if value.pointer is None:
            place = self.place(base)
            if place is None:
                return None
            value = Value({}, pointer=Pointer(place.region), type=self.memory.types.get(place.region, ""))
        return self.target(value, index)

    def target(self, value: Value, index: Value | None = None) -> Place | None:
        """What a pointer points to, `index` elements further on."""
        pointer = value.pointer
        if pointer is None:
            return None
        own = replace(value, lin=None, pointer=None)
        if pointer.exact:
            return Place(pointer.region, None, own if own.taints else NOTHING)
        off, step = pointer.off, index.lin if index is not None else Lin()
        lin = off.plus(step) if off is not None and step is not None else None
        compound = off is None or bool(off.terms)
        inner = index if index is not None else NOTHING
        if compound and inner.taints:
            inner = replace(inner, taints=convert(inner.taints, lambda m: m & ~COPY | OFFSET if m & COPY else m))
        region = pointer.region + "[]"
        both = inner if not own.taints else replace(inner, taints=merge(inner.taints, own.taints))
        if index is None and own.taints:
            both = replace(both, id=value.id)  # the same pointer followed twice leads to the same place
        if region not in self.memory.types and value.type:
            self.memory.types[region] = value.type
        return Place(region, lin, both)

    def read(self, place: Place, line: int) -> Value:
        return self.memory.load(place.region, place.lin, place.index, line)

    def write(self, node: Node | None, value: Value, line: int, compound: bool = False) -> None:
        if node is None:
            return
        place = self.place(node)
        if place is not None:
            self.memory.store(place.region, value, place.lin, place.index, line, compound)

    # values

    def value(self, node: Node) -> Value:
        m = self.memory
        m.spend()
        kind = node.kind
        if kind == "number_literal":
            text = node.text.replace("'", "")
            return (
                Value({}, lin=Lin(int(text.rstrip("uUlLzZ"), 0 if text[:2] in ("0x", "0X") else 10)))
                if NUMBER.match(text)
                else NOTHING
            )
        if kind in ("identifier", "this", "qualified_identifier"):
            return self.variable(node)
        if kind in ("field_expression", "subscript_expression"):
            place = self.place(node)
            if place is None:
                return mixed(*(self.value(k) for k in node.kids if k.kind != "field_identifier"))
            return self.array_or_value(place, node.line)
        if (
            kind in ("parenthesized_expression", "argument_list", "subscript_argument_list", "condition_clause")
            and node.kids
        ):
            values = [self.value(k) if k.kind != "declaration" else self._declared(k) for k in node.kids]
            return values[-1] if kind != "argument_list" else (values[0] if len(values) == 1 else mixed(*values))
        if kind == "binary_expression":
            return self.binary(node)
        if kind == "unary_expression":
            argument = node.get("argument")
            inner = self.value(argument) if argument is not None else NOTHING
            if node.op == "-":
                return replace(mixed(inner), lin=inner.lin.times(-1) if inner.lin is not None else None)
            return inner if node.op == "+" else self.computed(inner)
        if kind == "pointer_expression":
            return self.pointer(node)
        if kind == "update_expression":
            return self.update(node)
        if kind == "assignment_expression":
            return self.assignment(node)
        if kind == "call_expression":
            return self.call(node)
        if kind == "cast_expression":
            inner_node = node.get("value")
            inner = self.value(inner_node) if inner_node is not None else NOTHING
            target = node.get("type")
            name = target.text.replace("*", " ").split()[-1] if target is not None and target.text.strip("* ") else ""
            return replace(inner, type=name) if inner.pointer is not None else inner
        if kind == "conditional_expression":
            return self.conditional(node)
        if kind == "comma_expression":
            values = [self.value(k) for k in node.kids]
            return values[-1] if values else NOTHING
        if kind in ("initializer_list", "compound_literal_expression", "initializer_pair"):
            out: Value | None = None
            for k in node.kids:
                if k.kind not in ("type_descriptor", "field_designator", "type_identifier", "subscript_designator"):
                    value = replace(self.value(k), pointer=None, lin=None)
                    out = value if out is None else join(out, value)
            return replace(out, lin=None, id=0) if out is not None else NOTHING
        if kind == "new_expression":
            return Value({}, pointer=Pointer(f"heap:{node.line}"), type=getattr(node.get("type"), "text", ""))
        if kind in (
            "sizeof_expression",
            "string_literal",
            "char_literal",
            "true",
            "false",
            "null",
            "lambda_expression",
        ):
            return NOTHING
        return mixed(*(self.value(k) for k in node.kids[:20])) if node.kids else NOTHING

    def _declared(self, node: Node) -> Value:
        self.declaration(node)
        names = [n for n in node.walk() if n.kind == "identifier"]
        return self.value(names[0]) if names else NOTHING

    @abstractmethod
    def declaration(self, node: Node) -> None: ...

    def variable(self, node: Node) -> Value:
        return self.array_or_value(self.named(node.text.rpartition("::")[2]), node.line)

    def array_or_value(self, place: Place, line: int) -> Value:
        region = place.region
        if region in self.memory.frame.arrays or any(region in f.arrays for f in self.memory.frames):
            return Value({}, pointer=Pointer(region), type=self.memory.types.get(region, ""))
        if region.startswith("g:") and region[2:] in self.unit.global_arrays:
            return Value({}, pointer=Pointer(region), type=self.memory.types.get(region, ""))
        return self.read(place, line)

    def computed(self, *values: Value) -> Value:
        return replace(mixed(*values), id=self.memory.new_id())

    def conditional(self, node: Node) -> Value:
        condition, yes, no = node.get("condition"), node.get("consequence"), node.get("alternative")
        decided = self.value(condition).bare() if condition is not None else NOTHING
        a = self.value(yes) if yes is not None else decided
        b = self.value(no) if no is not None else NOTHING
        out = join(a, b)
        taints = merge(out.taints, convert(decided.taints, decides, node.line))
        # `p > 0 ? tokens[p - 1] : 0` is still that element: a guard against the array's end
        lin = a.lin if a.lin is not None and not decided.content and not a.taints.keys() & decided.taints.keys() and b.lin is not None and not b.lin.terms else out.lin  # fmt: skip
        return replace(out, taints=taints, content=out.content | decided.content, lin=lin, id=self.memory.new_id())

    def pointer(self, node: Node) -> Value:
        argument = node.get("argument")
        if argument is None:
            return NOTHING
        if node.op == "&":
            place = self.place(argument)
            if place is None:
                return self.value(argument)
            if place.region.endswith("[]"):
                pointer = Pointer(place.region[:-2], place.lin)
            else:
                pointer = Pointer(place.region, None, exact=True)
            taints = convert(place.index.taints, _address)
            return Value(taints, pointer=pointer, id=self.memory.new_id(), type=self.memory.types.get(place.region, ""))
        place = self.place(node)
        return self.read(place, node.line) if place is not None else self.value(argument)

    def update(self, node: Node) -> Value:
        argument = node.get("argument")
        if argument is None:
            return NOTHING
        old = self.value(argument)
        step = Lin(1 if node.op == "++" else -1)
        pointer = old.pointer
        if pointer is not None and pointer.off is not None:
            pointer = replace(pointer, off=pointer.off.plus(step))
        new = replace(old, lin=old.lin.plus(step) if old.lin is not None else None, pointer=pointer, copies=frozenset(),
                      id=self.memory.new_id())  # fmt: skip
        if old.lin is not None and not old.lin.has_counter():
            new = replace(new, taints=old.taints)
        self.write(argument, new, node.line, compound=True)
        prefix = node.text.startswith(("++", "--"))
        return new if prefix else old

    def assignment(self, node: Node) -> Value:
        left, right = node.get("left"), node.get("right")
        if left is None or right is None:
            return NOTHING
        value = self.value(right)
        if node.op in ("=", ""):
            self.write(left, value, node.line)
            return value
        old = self.value(left)
        value = self.operate(node.op[:-1], old, value, node, left.text, right.text)
        self.write(left, value, node.line, compound=True)
        return value

    def binary(self, node: Node) -> Value:
        left, right = node.get("left"), node.get("right")
        if left is None or right is None:
            return mixed(*(self.value(k) for k in node.kids))
        return self.operate(node.op, self.value(left), self.value(right), node, left.text, right.text)

    def operate(self, op: str, a: Value, b: Value, node: Node, left: str, right: str) -> Value:
        if op in ("+", "-"):
            return self.add(op, a, b, node, left)
        if op == "*":
            lin = None
            if a.lin is not None and b.lin is not None:
                if not a.lin.terms:
                    lin = b.lin.times(a.lin.const)
                elif not b.lin.terms:
                    lin = a.lin.times(b.lin.const)
            out = self.computed(_ways(a, COPY | OFFSET, SCALED), _ways(b, COPY | OFFSET, SCALED))
            return replace(out, lin=lin)
        if op == "/":
            return self.divide(a, b, node.line)
        if op in ("^", "|", "&", "%", "<<", ">>"):
            plain = op in ("&", "%", "|") and not b.taints and b.lin is not None and not b.lin.terms
            if plain and not any(w.modes & (SCALED | HASHED) for w in a.taints.values()):
                return replace(self.computed(a), copies=a.copies)  # a mask that only cuts to the type's width
            return self.computed(_ways(a, COPY | OFFSET | SCALED, HASHED), _ways(b, COPY | OFFSET | SCALED, HASHED))
        if op in ("==", "!="):
            return self.compare(a, b)
        if op in ("<", ">", "<=", ">="):
            dropped = COPY | OFFSET | SCALED
            out = self.computed(_without(a, dropped), _without(b, dropped))
            return replace(out, knobs=frozenset())
        return self.computed(a, b)

    def add(self, op: str, a: Value, b: Value, node: Node, left: str) -> Value:
        pointer = None
        if a.pointer is not None and not (a.lin is not None and "[]" in a.pointer.region and b.lin is None):
            pointer = _further(a.pointer, b.lin, 1 if op == "+" else -1)
        elif b.pointer is not None and op == "+":
            pointer = _further(b.pointer, a.lin, 1)
        lin = a.lin.plus(b.lin, 1 if op == "+" else -1) if a.lin is not None and b.lin is not None else None
        parts = [_ways(a, COPY, OFFSET), _ways(b, COPY, OFFSET)]
        if a.pointer is not None and a.pointer.off == Lin() and not a.taints:
            parts[1] = b  # `lut + token` is the place of `lut[token]`
        # a shift by a constant keeps the token what it is
        if b.lin is not None and not b.lin.terms and not b.taints:
            parts[0] = a
        out = self.computed(*parts)
        marks = out.marks
        if op == "-" and left.strip() in ("1", "1.0", "1.0f", "1.f", "1.", "1.0F"):
            for token, way in b.taints.items():
                if either(way.modes) & (PROPERTY | MARKER) and not either(way.modes) & (GATHER | KEYED | MATCH):
                    marks = marks | {Mark("weight", node.line, token)}
        marks = marks | shares_mixed(a, b)
        kind = a.type if pointer is not None and a.pointer is not None else ""
        return replace(out, pointer=pointer, lin=lin, marks=marks, type=kind)

    def divide(self, a: Value, b: Value, line: int) -> Value:
        out = self.computed(_ways(a, COPY | OFFSET, SCALED), _ways(b, COPY | OFFSET, SCALED))
        marks = out.marks
        keyed = {t for t, w in a.taints.items() if w.modes & KEYED and not t[1].earlier()}
        for token in keyed:
            way = b.taints.get(token)
            if (way is None or not way.modes & KEYED) and b.content:
                marks = marks | {Mark("ratio", line, token)}
        lengths = [t for t, w in b.taints.items() if w.modes & PROPERTY]
        if (lengths and any(w.modes & COPY for t, w in a.taints.items() if t not in b.taints) and a.lin is None) or (
            lengths and a.lin is not None and a.lin.terms and a.lin.has_counter()):  # fmt: skip
            for token in lengths:
                if token not in a.taints:
                    marks = marks | {Mark("spread", line, token)}
        if b.lin is not None and b.lin.terms and b.lin.has_counter() and a.content | a.copies and a.lin != b.lin:
            marks = marks | {Mark("share", line, ("", b.lin))}
        return replace(out, marks=marks)

    def compare(self, a: Value, b: Value) -> Value:
        parts = []
        for one, other in ((a, b), (b, a)):
            constant = not other.taints and not other.content and not other.copies
            mode = MARKER if constant else MATCH
            parts.append(_ways(one, COPY, mode))
        return replace(self.computed(*parts), knobs=frozenset())

    @abstractmethod
    def call(self, node: Node) -> Value: ...


def shares_mixed(a: Value, b: Value, kind: str = "share exp") -> frozenset[Mark]:
    """The shares in one of two values that are added, where the other is made of something else."""
    one, two = ({m for m in v.marks if m.kind == kind} for v in (a, b))
    if bool(one) == bool(two) or not (b if one else a).content | (b if one else a).copies:
        return frozenset()
    return frozenset(Mark("share mixed", m.line, m.token) for m in one | two)


def _ways(value: Value, old: int, new: int) -> Value:
    """The value with some of the ways of its tokens turned into another."""
    if not value.taints:
        return value
    return replace(value, taints=convert(value.taints, lambda m: (m & ~old) | new if m & old else m))


def _without(value: Value, modes: int) -> Value:
    return replace(value, taints=convert(value.taints, lambda m: m & ~modes)) if value.taints else value


def _address(modes: int) -> int:
    """A pointer to an element that was chosen under a token: reading it is a lookup."""
    out = modes & ~(COPY | OFFSET | SCALED | HASHED)
    if modes & (COPY | SCALED):
        out |= PROPERTY
    if modes & OFFSET:
        out |= GATHER
    if modes & HASHED:
        out |= KEYED
    return out


def _further(pointer: Pointer, lin: Lin | None, sign: int) -> Pointer:
    if pointer.exact:
        return pointer
    known = pointer.off is not None and lin is not None
    return replace(pointer, off=pointer.off.plus(lin, sign) if known else None)  # type: ignore[union-attr, arg-type]
