"""What the small machine knows of Python's, NumPy's and PyTorch's functions: those that byte tables are made with."""

from __future__ import annotations

import math
from typing import Any

from auditor.source.byte_table.values import (
    MAX_LIST,
    UNKNOWN,
    Array,
    Number,
    Outside,
    Ref,
    Undecided,
    Unknown,
    Value,
    as_array,
    ask_tokenizer,
    binary,
    convert,
    invert,
    is_number,
    kind_of,
    tokenizer_method,
)
from auditor.source.byte_table.vocabulary import SIZE
from auditor.unpack.wordset import wordset

_PASS = wordset(
    "cpu cuda clone contiguous numpy detach reshape view flatten ravel squeeze unsqueeze copy tolist item pin_memory expand_as "
    "requires_grad_ view_as share_memory_ expand block_until_ready "
)
_CASTS = {
    "long": "i", "int": "i", "short": "i", "float": "f", "double": "f", "half": "f", "bfloat16": "f", "bool": "b",
}  # fmt: skip
_CASTING = frozenset(("to", "astype", "type", "type_as"))

CONVERSIONS = _PASS | frozenset(_CASTS) | _CASTING


def dtype_kind(value: Value) -> str:
    """The kind of array that a dtype means, "" if it means none."""
    name = value.name if isinstance(value, Ref) else value if isinstance(value, str) else ""
    last = name.rpartition(".")[2].lower()
    if "bool" in last:
        return "b"
    if last.startswith(("int", "uint", "long", "short")) or last == "byte":
        return "i"
    return "f" if last.startswith(("float", "double", "half", "bfloat")) else ""


def _kind_in(args: list[Value], kwargs: dict[str, Value]) -> str:
    return next((k for v in (*kwargs.values(), *args) if (k := dtype_kind(v))), "")


def data_of(owner: Value) -> list[Any] | dict[Any, Any]:
    if isinstance(owner, Array):
        return owner.data
    return owner if isinstance(owner, list | dict) else list(owner)


def look_up(owner: Value, index: Value) -> Value:
    """table[ids]: one entry for a single id, an array for many. Entries of a numeric table are counted."""
    table = data_of(owner)
    if isinstance(index, Number):
        index = int(index.value)
    if isinstance(index, int):
        if (isinstance(table, list) and not 0 <= index < len(table)) or (
            isinstance(table, dict) and index not in table
        ):
            raise Undecided("a token that the table does not have")
        entry = table[index]
        return Number(entry) if is_number(entry) and not isinstance(entry, bool) else entry
    if isinstance(index, Array):
        picked = [table[i] for i in index.data]
        if not all(is_number(v) for v in picked):
            return UNKNOWN
        kind = kind_of(picked)
        return Array(picked, kind, counted=kind != "b")
    return UNKNOWN


def element(owner: Value, index: Value) -> Value:
    """owner[index] for texts, lists, dictionaries and arrays."""
    if isinstance(index, Number):
        index = int(index.value)
    if isinstance(owner, dict):
        return owner.get(index, UNKNOWN)
    if isinstance(owner, str | bytes | list | tuple | range):
        return owner[index] if isinstance(index, int | slice) else UNKNOWN
    if isinstance(owner, Array):
        if isinstance(index, slice):
            return Array(owner.data[index], owner.kind, owner.counted)
        if isinstance(index, Array) and index.kind == "b" and len(index.data) == len(owner.data):
            return Array([v for v, c in zip(owner.data, index.data, strict=True) if c], owner.kind, owner.counted)
        if isinstance(index, int) and not isinstance(index, bool) and not owner.counted:
            return owner.data[index]
        return owner if owner.counted else UNKNOWN  # positions are chosen, which does not change what each counts
    return UNKNOWN


def compare(op: str, a: Value, b: Value) -> Value:
    """a op b, for the comparing operators."""
    if op in ("Is", "IsNot"):
        same = (
            None if isinstance(a, Unknown) or isinstance(b, Unknown) else (a is b if a is None or b is None else None)
        )
        if isinstance(a, Outside) and b is None:
            same = False  # what is handed in is taken to be there
        return UNKNOWN if same is None else same == (op == "Is")
    if op in ("In", "NotIn"):
        if isinstance(b, Unknown | Outside | Array) or isinstance(a, Unknown | Outside | Array):
            return UNKNOWN
        a = a.value if isinstance(a, Number) else a
        return (a in b) == (op == "In")
    a = SIZE if isinstance(a, Outside) and is_number(b) else a
    b = SIZE if isinstance(b, Outside) and is_number(a) else b
    return binary(op, a, b)


def array_attribute(owner: Array, name: str) -> Value:
    if name == "shape":
        return (len(owner.data),)
    if name in ("T", "data", "values"):
        return owner
    return len(owner.data) if name == "size" else UNKNOWN


def _size(value: Value) -> int | None:
    if isinstance(value, tuple | list):
        sizes = [_size(v) for v in value]
        if not sizes or None in sizes:
            return None
        value = 1
        for s in sizes:
            value *= s
        return value if value <= MAX_LIST else None
    if isinstance(value, Outside):
        return SIZE
    return value if isinstance(value, int) and 0 <= value <= MAX_LIST else None


def call(name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """A call of something imported or built in."""
    root, _, last = name.rpartition(".")
    if last == "SentencePieceProcessor":
        return Outside("tokenizer")
    if name in ("os.environ.get", "os.getenv") and len(args) == 2:
        return args[1]  # the code's own default
    if root in ("math", "numpy.math") or last in ("log", "log2", "exp"):
        return _math(last, args)
    if last.endswith("deque") or last == "defaultdict" or last == "OrderedDict" or last == "Counter":
        return {} if last != "deque" and not args[1:] else UNKNOWN
    if root == "re":
        return UNKNOWN
    return _array_call(last, args, kwargs)


def _array_call(last: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    kind = _kind_in(args[1:], kwargs)
    fill = {"zeros": 0, "empty": 0, "ones": 1, "full": None}
    if last in fill:
        shape = kwargs.get("shape", kwargs.get("size", args[0] if args else None))
        if last != "full" and len(args) > 1 and all(isinstance(a, int | Outside) for a in args):
            shape = tuple(args)
        n = _size(shape) if shape != () else 1
        value = fill[last] if last != "full" else kwargs.get("fill_value", args[1] if len(args) > 1 else UNKNOWN)
        if n is None or not is_number(value):
            return UNKNOWN
        return Array([value] * n, kind_of([value]) if last == "full" and not kind else "f").cast(
            kind or "f" if last != "full" else kind or kind_of([value])
        )
    if last in ("zeros_like", "ones_like", "empty_like", "full_like"):
        if not isinstance(args[0], Array):
            return UNKNOWN
        value = 1 if last == "ones_like" else args[1] if last == "full_like" and len(args) > 1 else 0
        return (
            Array([value] * len(args[0].data), args[0].kind).cast(kind or args[0].kind) if is_number(value) else UNKNOWN
        )
    if last in (
        "array",
        "asarray",
        "tensor",
        "as_tensor",
        "from_numpy",
        "fromiter",
        "ascontiguousarray",
        "Tensor",
        "LongTensor",
        "stack",
        "device_put",
    ):
        return as_array(args[0], kind) if args else UNKNOWN
    if dtype_kind(last) and len(args) == 1:  # np.int64(x)
        return as_array(args[0], dtype_kind(last)) if isinstance(args[0], Array) else convert(dtype_kind(last), args[0])
    if last == "arange":
        return (
            as_array(range(*[SIZE if isinstance(a, Outside) else a for a in args]))
            if all(isinstance(a, int | Outside) for a in args)
            else UNKNOWN
        )
    if last == "where" and len(args) == 3:
        return _where(*args)
    if last in (
        "logical_and",
        "logical_or",
        "bitwise_and",
        "bitwise_or",
        "add",
        "multiply",
        "mul",
        "subtract",
        "sub",
        "maximum",
        "minimum",
    ):
        if last in ("maximum", "minimum"):
            return _clip(args[0], **{("low" if last == "maximum" else "high"): args[1]})
        op = {
            "logical_and": "BitAnd",
            "bitwise_and": "BitAnd",
            "logical_or": "BitOr",
            "bitwise_or": "BitOr",
            "add": "Add",
            "subtract": "Sub",
            "sub": "Sub",
        }.get(last, "Mult")
        return binary(op, args[0], args[1])
    if last in ("logical_not", "bitwise_not", "invert"):
        return invert(args[0])
    if last in ("take", "index_select", "gather") and args:
        return method(args[0], last, args[1:], kwargs)
    if last == "embedding" and len(args) >= 2:
        return look_up(args[1], args[0]) if isinstance(args[1], Array) else UNKNOWN
    if last in ("sum", "reshape", "ravel", "squeeze", "clip", "clamp", "tolist", "copy") and args:
        return method(args[0], last, args[1:], kwargs)
    return UNKNOWN


def _where(test: Value, a: Value, b: Value) -> Value:
    if not isinstance(test, Array):
        return UNKNOWN
    n = len(test.data)
    left = a.data if isinstance(a, Array) else [a] * n
    right = b.data if isinstance(b, Array) else [b] * n
    if len(left) != n or len(right) != n:
        return UNKNOWN
    data = [x if c else y for c, x, y in zip(test.data, left, right, strict=True)]
    counted = any(isinstance(v, Array) and v.counted for v in (a, b))
    return Array(data, kind_of(data), counted) if all(is_number(v) for v in data) else UNKNOWN


def _clip(value: Value, low: Value = None, high: Value = None) -> Value:
    if isinstance(low, Array) or isinstance(high, Array):
        return UNKNOWN
    if not (low is None or is_number(low)) or not (high is None or is_number(high)):
        return value if isinstance(value, Array) and not value.counted else UNKNOWN

    def one(v: Any) -> Any:
        v = v if low is None else max(v, low)
        return v if high is None else min(v, high)

    if isinstance(value, Array):
        return Array([one(v) for v in value.data], value.kind, value.counted, value.total)
    return UNKNOWN


def _math(last: str, args: list[Value]) -> Value:
    function = {"log": math.log, "log2": math.log2, "exp": math.exp, "log1p": math.log1p}.get(last)
    if function is None or not args or not is_number(args[0]) or abs(args[0]) > 1e6:
        return UNKNOWN
    return function(args[0])


def method(owner: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """A method call."""
    asked = tokenizer_method(name)
    if asked and isinstance(owner, Outside):
        return ask_tokenizer(asked, args or list(kwargs.values()))
    if isinstance(owner, Array):
        return _array_method(owner, name, args, kwargs)
    if isinstance(owner, Number):
        if name in _PASS or name in _CASTS or name in _CASTING or name == "sum":
            return owner
        return UNKNOWN
    if isinstance(owner, str | bytes | bytearray) and name in _TEXT:
        return _text_method(owner, name, args, kwargs)
    if isinstance(owner, list):
        if name == "append" and args and len(owner) < MAX_LIST:
            owner.append(args[0])
            return None
        if name == "extend" and args and isinstance(args[0], list | tuple) and len(owner) + len(args[0]) <= MAX_LIST:
            owner.extend(args[0])
            return None
        if name in ("index", "count", "copy"):
            return getattr(owner, name)(*args)
        return UNKNOWN
    if isinstance(owner, dict):
        if name == "get":
            return owner.get(*args) if args and not isinstance(args[0], Unknown) else UNKNOWN
        if name in ("items", "keys", "values"):
            return list(getattr(owner, name)())
        return UNKNOWN
    if isinstance(owner, set) and name == "add" and len(owner) < MAX_LIST:
        owner.add(args[0])
        return None
    if isinstance(owner, int) and name == "bit_length":
        return owner.bit_length()
    return UNKNOWN


_TEXT = wordset(
    "encode decode startswith endswith replace lstrip rstrip strip removeprefix removesuffix lower upper isascii split "
    "isspace isalpha isdigit hex join format count find"
)


def _text_method(owner: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    given = [*args, *kwargs.values()]
    if name == "join":
        parts = args[0]
        return owner.join(parts) if sum(map(len, parts)) <= MAX_LIST else UNKNOWN
    if name == "format" or not all(isinstance(a, str | bytes | int | None | tuple) for a in given):
        return UNKNOWN
    if name == "replace" and len(owner) * len(args[1]) > MAX_LIST:
        return UNKNOWN
    return getattr(owner, name)(*args, **kwargs)


def _array_method(owner: Array, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if name in ("sum", "nansum"):
        kind = _kind_in(args, kwargs)
        if not owner.counted and owner.kind == "b":
            return Array([int(v) for v in owner.data], "i", False, True)
        return Array(list(owner.data), kind or owner.kind, owner.counted, True)
    if name == "tolist":
        return owner if owner.counted else list(owner.data)
    if name in _PASS:
        return owner
    if name in _CASTS:
        return owner.cast(_CASTS[name])
    if name in _CASTING:
        kind = _kind_in(args, kwargs)
        return owner.cast(kind) if kind else owner
    if name in ("index_select", "gather", "take"):
        index = next((a for a in reversed(args) if isinstance(a, Array)), None)
        return look_up(owner, index) if index is not None else UNKNOWN
    if name in ("clamp", "clip", "clamp_min", "clamp_", "clamp_min_"):
        if name.startswith("clamp_min"):
            return _clip(owner, args[0])
        low = kwargs.get("min", kwargs.get("a_min", args[0] if args else None))
        high = kwargs.get("max", kwargs.get("a_max", args[1] if len(args) > 1 else None))
        return _clip(owner, low, high)
    if name in ("logical_and", "bitwise_and", "logical_or", "add", "mul"):
        op = {"logical_and": "BitAnd", "bitwise_and": "BitAnd", "logical_or": "BitOr", "add": "Add"}.get(name, "Mult")
        return binary(op, owner, args[0])
    if name in ("logical_not", "bitwise_not"):
        return invert(owner)
    if name in ("add_", "mul_"):
        done = binary("Add" if name == "add_" else "Mult", owner, args[0])
        if isinstance(done, Array):
            owner.data, owner.kind, owner.counted = done.data, done.kind, done.counted
            return owner
        return UNKNOWN
    if name in ("fill_", "fill") and is_number(args[0]):
        owner.data[:] = [args[0]] * len(owner.data)
        return owner
    if name in ("numel", "size", "__len__"):
        return len(owner.data)
    if name in ("max", "min") and not args:
        return UNKNOWN
    return owner if owner.counted and name in ("masked_select", "masked_fill", "index_fill") else UNKNOWN
