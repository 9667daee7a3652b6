"""Calls in native code: into the same file, methods, and what library functions do."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import replace

from auditor.source.native.expressions import Expressions, Place, shares_mixed
from auditor.source.native.memory import Memory
from auditor.source.native.tree import Node
from auditor.source.native.unit import Function, Unit
from auditor.source.native.values import NOTHING, Lin, Mark, Pointer, Value

CASTS = {"static_cast", "reinterpret_cast", "const_cast", "dynamic_cast", "bit_cast", "move", "forward", "as_const", "__ldg", "ref", "cref"}  # fmt: skip
NO_EFFECT = {"__builtin_prefetch", "printf", "fprintf", "free", "assert", "static_assert", "madvise", "munmap", "__syncthreads", "_mm_prefetch"}  # fmt: skip
ALLOCATE = {"malloc", "calloc", "realloc", "aligned_alloc", "mmap", "alloca", "make_unique", "make_shared", "empty", "zeros", "empty_like", "zeros_like", "full"}  # fmt: skip
VIEWS = {"data", "data_ptr", "mutable_data", "const_data_ptr", "mutable_data_ptr", "begin", "cbegin", "get", "accessor", "packed_accessor32", "packed_accessor64", "unchecked", "mutable_unchecked", "request", "contiguous", "cpu", "ptr"}  # fmt: skip
ADD = {"push_back", "emplace_back", "push", "emplace", "insert", "append", "insert_or_assign", "try_emplace", "push_front", "fill", "assign"}  # fmt: skip
SIZES = {"size", "empty", "length", "numel", "shape", "ndim", "dim", "capacity", "sizes", "nbytes"}
LOGS = {"log", "logf", "log2", "log2f", "log1p", "log1pf", "exp", "expf", "exp2", "exp2f", "__expf", "__logf", "logaddexp"}  # fmt: skip
TYPES = re.compile(
    r"^(?:std::)?(?:u?int(?:8|16|32|64)?_t|size_t|ssize_t|u?int|long|short|char|unsigned|signed|bool|float|double|auto|half|__half|int)$"
)


class Calls(Expressions):
    """Follows calls; how a function of this file is entered is in `native/walk.py`."""

    def __init__(self, unit: Unit, memory: Memory) -> None:
        super().__init__(unit, memory)
        self.calls = 0

    @abstractmethod
    def enter(self, function: Function, arguments: list[Node], this: str, site: int) -> Value | None: ...

    @abstractmethod
    def enter_lambda(self, node: Node, arguments: list[Node]) -> Value: ...

    def call(self, node: Node) -> Value:
        function, given = node.get("function"), node.get("arguments")
        arguments = [k for k in given.kids if k.kind != "kernel_call_syntax"] if given is not None else []
        if function is None:
            return NOTHING
        kind = function.kind
        if kind == "primitive_type" or (
            kind in ("identifier", "type_identifier", "qualified_identifier") and TYPES.match(function.text)
        ):
            return self.value(arguments[0]) if len(arguments) == 1 else NOTHING
        if kind == "field_expression":
            return self.method(node, function, arguments)
        name_node = function.get("name") if kind == "template_function" else function
        name = (name_node.text if name_node is not None else "").rpartition("::")[2].partition("<")[0]
        if kind == "identifier":
            for frame in reversed(self.memory.frames[-1:]):
                if name in frame.lambdas:
                    return self.enter_lambda(frame.lambdas[name], arguments)
        found = self.unit.functions.get(name)
        if (found and kind != "template_function") or (found and name not in CASTS):
            frame = self.memory.frame
            own = [f for f in found if f.owner and f.owner == frame.owner] or [f for f in found if not f.owner] or found
            fitting = [f for f in own if self._arity(f) == len(arguments)] or own
            result = self.enter(fitting[0], arguments, frame.this if fitting[0].owner else "", id(node))
            if result is not None:
                return result
        return self.library(name, node, arguments)

    def _arity(self, function: Function) -> int:
        return len(self.parameters(function.node))

    @abstractmethod
    def parameters(self, function: Node) -> list[tuple[str, Node]]: ...

    def method(self, node: Node, function: Node, arguments: list[Node]) -> Value:
        m = self.memory
        base, name_node = function.get("argument"), function.get("field")
        if base is None or name_node is None:
            return NOTHING
        if name_node.kind == "template_method" and (inner := name_node.get("name")) is not None:
            name_node = inner
        name = name_node.text
        place = self.target(self.value(base)) if function.op == "->" and base.kind != "this" else self.place(base)
        if base.kind == "call_expression" and place is None:
            value = self.value(base)
            place = Place(value.pointer.region, value.pointer.off) if value.pointer is not None else None
        found = self.unit.functions.get(name)
        if found:
            owner = m.types.get(place.region, "") if place is not None else ""
            if base.kind == "this":
                owner = m.frame.owner
            if not owner and base.kind == "call_expression":
                owner = next((f.owner for f in found if f"{f.owner}*" in base.text.replace(" ", "")), "")
            fitting = [f for f in found if f.owner == owner] or (found if len(found) == 1 and found[0].owner else [])
            if fitting:
                region = place.region.removesuffix("[]") if place is not None and function.op == "->" else (place.region if place is not None else "this")  # fmt: skip
                result = self.enter(fitting[0], arguments, region, id(node))
                if result is not None:
                    return result
        if place is None:
            return self.computed(*(self.value(a) for a in arguments))
        region = place.region
        if name in SIZES:
            return Value({}, lin=Lin(0, ((("a", f"size {region}"), 1),)))
        if name in VIEWS or name in ("end", "cend"):
            return Value({}, pointer=Pointer(region, Lin()), type=m.types.get(region, ""))
        values = [self.value(a) for a in arguments]
        if name in ADD:
            for value in values:
                m.store(region + "[]", value, None, NOTHING, node.line)
            return NOTHING
        if name in ("resize", "reserve", "clear", "reset", "pop_back", "erase", "zero_", "fill_", "pop", "swap"):
            return NOTHING
        index = values[0] if len(values) == 1 else self.computed(*values)
        loaded = m.load(region + "[]", index.lin, index, node.line)
        return replace(loaded, pointer=Pointer(region, index.lin))

    def library(self, name: str, node: Node, arguments: list[Node]) -> Value:
        m, line = self.memory, node.line
        if name in NO_EFFECT:
            return NOTHING
        values = [self.value(a) for a in arguments]
        if name in CASTS:
            out = values[0] if values else NOTHING
            if out.pointer is not None:
                function = node.get("function")
                text = function.text if function is not None else ""
                kind = text.partition("<")[2].rstrip(">* ").split("::")[-1].split(" ")[-1]
                out = replace(out, type=kind or out.type)
            return out
        if name in ALLOCATE:
            return Value({}, pointer=Pointer(f"heap:{line}"))
        if name in ("memcpy", "memmove", "copy", "copy_n") and len(values) >= 2:
            to, frm = (values[0], values[1]) if name.startswith("mem") else (values[-1], values[0])
            if to.pointer is not None and frm.pointer is not None:
                source = frm.pointer.region if frm.pointer.exact else frm.pointer.region + "[]"
                target = to.pointer.region if to.pointer.exact else to.pointer.region + "[]"
                value = m.load(source, frm.pointer.off, NOTHING, line)
                at = m.where.get(source)
                m.cells.pop(target, None)  # taken to fill the whole array
                m.store(target, replace(value, lin=None), None, NOTHING, line)
                m.where[target] = at
            return NOTHING
        if name in ("memset", "fill", "fill_n", "iota"):
            return NOTHING
        if name in ("min", "max", "fmin", "fmax", "fminf", "fmaxf", "clamp"):
            return self._bounded(name, values)
        if name.startswith("atomicAdd") and arguments:
            place = self.target(values[0])
            if place is not None:
                m.store(place.region, self.computed(*values[1:]), place.lin, place.index, line, compound=True)
            return NOTHING
        out = self.computed(*[replace(v, pointer=None) for v in values])
        if name in LOGS and values:
            marks = out.marks
            if out.taints:
                marks = marks | {Mark("log", line)}
            for mark in list(marks):
                if mark.kind == "spread":
                    marks = marks | {Mark("spread-mixed", mark.line, mark.token)}
                elif mark.kind == "share" and name.strip("_").startswith("exp"):
                    marks = marks | {Mark("share exp", mark.line, mark.token)}
            if name == "logaddexp" and len(values) == 2:
                marks = marks | shares_mixed(values[0], values[1], "share")
            for mark in list(marks):  # what is shared out over the turns of this very loop
                if mark.kind == "share mixed" and "log" in name and mark.token and m.counted(mark.token[1]):
                    marks = marks | {Mark("spread-mixed", mark.line, mark.token)}
            out = replace(out, marks=marks)
        if name and name not in LOGS and not name.startswith(("std", "abs", "fabs", "pow", "sqrt", "round", "floor")):
            for value in values:  # an unknown function may write through the pointers it is given
                if value.pointer is not None and value.pointer.exact:
                    m.store(value.pointer.region, out, None, NOTHING, line)
        return out

    def _bounded(self, name: str, values: list[Value]) -> Value:
        """min, max and clamp: a range check on a token says nothing of it, the rest is computed."""
        if not values:
            return NOTHING
        if len(values) == 1:
            return values[0]
        return self.computed(*values)
