"""What a native file defines, and small questions about its syntax."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.source.native.tree import Node

JUMPS = {"return_statement", "continue_statement", "break_statement", "goto_statement", "throw_statement"}


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    node: Node
    owner: str = ""  # class
    static: bool = False

    @property
    def line(self) -> int:
        return self.node.line


@dataclass(slots=True)
class Unit:
    """What one file defines."""

    functions: dict[str, list[Function]]
    fields: dict[str, dict[str, str]]  # class -> member -> type
    constants: set[str]
    globals: dict[str, str]  # name -> type
    global_arrays: set[str]


def survey(root: Node) -> Unit:
    """Functions, classes and globals of a file."""
    unit = Unit({}, {}, set(), {}, set())
    stack: list[tuple[Node, str, bool]] = [(root, "", True)]
    while stack:
        node, owner, top = stack.pop()
        if node.kind == "function_definition":
            name, inside = declared_name(node), owner
            if "::" in name:
                inside, _, name = name.rpartition("::")
                inside = inside.rpartition("::")[2]
            if name and node.get("body") is not None:
                static = any(k.kind == "storage_class_specifier" and k.text == "static" for k in node.kids)
                unit.functions.setdefault(name, []).append(Function(name, node, inside, static))
            continue
        if node.kind in ("struct_specifier", "class_specifier", "union_specifier") and node.get("body") is not None:
            name_node, body = node.get("name"), node.get("body")
            name = name_node.text if name_node else f"anonymous{node.line}"
            assert body is not None
            members = unit.fields.setdefault(name, {})
            for kid in body.kids:
                if kid.kind == "field_declaration":
                    base = type_name(kid.get("type"))
                    for d in declarators(kid):
                        members[d[0]] = base
                stack.append((kid, name, False))
            continue
        if node.kind == "type_definition":
            spec = node.get("type")
            if spec is not None and spec.kind.endswith("_specifier") and spec.get("name") is None:
                spec.fields["name"] = Node("type_identifier", spec.line, declared_name(node))
        if top and node.kind == "declaration":
            constant = any(k.kind == "type_qualifier" and k.text in ("const", "constexpr") for k in node.kids)
            for name, is_array in declarators(node):
                unit.globals[name] = type_name(node.get("type"))
                if is_array:
                    unit.global_arrays.add(name)
                if constant:
                    unit.constants.add(f"g:{name}")
        stack.extend((k, owner, top and k.kind not in ("compound_statement",)) for k in reversed(node.kids))
    return unit


def declared_name(node: Node) -> str:
    inner: Node | None = node
    for _ in range(12):
        nxt = inner.get("declarator") if inner is not None else None
        if nxt is None and inner is not None and inner.kind in ("reference_declarator", "parenthesized_declarator"):
            nxt = inner.kids[0] if inner.kids else None
        if nxt is None:
            break
        inner = nxt
    return (
        inner.text
        if inner is not None and inner.kind.endswith(("identifier", "operator_name", "destructor_name"))
        else ""
    )


def declarators(node: Node) -> list[tuple[str, bool]]:
    """The names that a declaration declares, and whether they are arrays."""
    out = []
    for kid in node.kids:
        if kid.kind in ("init_declarator", "array_declarator", "pointer_declarator", "identifier", "field_identifier"):
            is_array = any(n.kind == "array_declarator" for n in (kid, kid.get("declarator") or kid))
            name = kid.text if kid.kind.endswith("identifier") else declared_name(kid)
            if name:
                out.append((name, is_array))
    return out


def type_name(node: Node | None) -> str:
    """The last name of a type: `OpenTable`, `double`; for a container the type of its elements."""
    if node is None:
        return ""
    if node.kind.endswith("_specifier"):
        name = node.get("name")
        return name.text if name is not None else f"anonymous{node.line}"
    if node.kind == "template_type" or node.kind == "qualified_identifier":
        arguments = node.get("arguments")
        if arguments is not None and arguments.kids:
            return type_name(arguments.kids[0].get("type") or arguments.kids[0])
        inner = node.get("name")
        return type_name(inner) if inner is not None else node.text
    return node.text.split(" ")[-1]


def jumps(node: Node) -> set[str]:
    """The jumps that leave a branch; those that stay inside a loop of its own do not."""
    out: set[str] = set()
    stack = [(node, False)]
    while stack:
        n, inside = stack.pop()
        if n.kind in JUMPS and not (inside and n.kind in ("break_statement", "continue_statement")):
            out.add(n.kind)
        inner = inside or n.kind in (
            "for_statement",
            "while_statement",
            "do_statement",
            "for_range_loop",
            "switch_statement",
        )
        stack.extend((k, inner) for k in n.kids if n.kind != "lambda_expression")
    return out


def unconditional(node: Node) -> list[Node]:
    """The nodes that run in every turn: not inside a branch, a loop or the right side of a short circuit."""
    out, stack = [], [node]
    while stack:
        n = stack.pop()
        if n.kind in ("if_statement", "for_statement", "while_statement", "do_statement", "switch_statement",
                      "conditional_expression", "lambda_expression", "for_range_loop"):  # fmt: skip
            continue
        out.append(n)
        stack.extend(n.kids)
    return out


def moved_by(node: Node) -> tuple[str, int | None]:
    """The variable that an expression writes, and by how much it moves it; None when it is not a constant step."""
    if node.kind == "update_expression":
        target = node.get("argument")
        if target is not None and target.kind == "identifier":
            return target.text, 1 if node.op == "++" else -1
    if node.kind == "assignment_expression":
        left, right = node.get("left"), node.get("right")
        if left is None or right is None or left.kind != "identifier":
            return "", None
        if node.op in ("+=", "-=") and right.kind == "number_literal" and right.text.isdigit():
            return left.text, int(right.text) if node.op == "+=" else -int(right.text)
        if node.op == "=" and right.kind == "binary_expression" and right.op in ("+", "-"):
            a, b = right.get("left"), right.get("right")
            if a is not None and b is not None and a.text == left.text and b.text.isdigit():
                return left.text, int(b.text) if right.op == "+" else -int(b.text)
        return left.text, None
    return "", None
