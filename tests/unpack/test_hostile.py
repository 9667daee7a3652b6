"""Hostile files end quickly, with one clear sentence, and never with an exception."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import time
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.unpack import unpack
from auditor.unpack.limits import MAX_DEPTH, Budget
from tests.unpack.packer import Way, pack
from tests.unpack.test_roundtrip import PROGRAM, nothing

ZEROS = bytes(70_000_000)
BOMBS = {
    "lzma.decompress": lzma.compress(ZEROS, preset=0),
    "zlib.decompress": zlib.compress(ZEROS, 1),
    "gzip.decompress": gzip.compress(ZEROS, 1),
    "bz2.decompress": bz2.compress(ZEROS, 1),
    "brotli.decompress": brotli.compress(ZEROS, quality=1),
    "zstandard.decompress": zstandard.compress(ZEROS, 1),
}
DEEP = 100_000

# (source, what the problem or note says); nothing here may take long
CASES: dict[str, tuple[bytes, str]] = {
    "huge file": (b"#" * 25_000_000, "files above 24,000,000 are not read"),
    "much code": (b"x=1\n" * 300_000, "more code than is read"),
    "open parentheses": (b"(" * DEEP, "nested"),
    "closed parentheses": (b"x=" + b"(" * DEEP + b")" * DEEP, "nested"),
    "not": (b"x=" + b"not " * DEEP + b"1", "nested too deeply"),
    "minus": (b"x=" + b"-" * DEEP + b"1", "nested too deeply"),
    "attributes": (b"x=a" + b".b" * DEEP, "nested too deeply"),
    "sum": (b"x=1" + b"+1" * DEEP, "nested too deeply"),
    "calls": (b"f" + b"()" * DEEP, "nested too deeply"),
    "elif": (b"if a:\n pass\n" + b"elif a:\n pass\n" * 20_000, "nested too deeply"),
    "f-strings": (b"x=" + b'f"{' * 2_000 + b"1" + b'}"' * 2_000, "nested"),
    "long number": (b"x=" + b"9" * DEEP, "digits"),
    "NUL": (b"x=1\0\nexec('y')", "holds NUL bytes (line 1)"),
    "no utf-8": (b'y=1\nx="\xff\xfe"\n', "is not valid utf-8 text (line 2)"),
    "unknown encoding": (b"# coding: martian\nx=1\n", "declares the encoding 'martian'"),
    "byte codec": (b"# coding: hex\nx=1\n", "declares the encoding 'hex'"),
    "quadratic codec": (b"# coding: punycode\nx=1\n", "declares the encoding 'punycode'"),
    "utf-16": ("x=1\n".encode("utf-16"), "is UTF-16 text"),
    "compiled": ((3495).to_bytes(2, "little") + b"\r\n" + bytes(60), "is compiled code"),
    "bad syntax": (b"def f(:\n", "is not valid Python"),
    "own text again": (b"s='exec(s)'\nexec(s)", "it unpacks into itself"),
    "quine": (b"s='s=%r;exec(s%%s)'\nexec(s%s)", "it unpacks into itself"),
    "growing text": (b"def f(n): exec('f(%d)' % (n+1))\nf(0)", "wrappers lie inside each other"),
    "power": (b"exec(str(9**9**9))", "a number of more than"),
    "shift": (b"exec(str(1<<10**10))", "a number of more than"),
    "repetition": (b"exec('a'*10**12)", "more than 64,000,000 bytes"),
    "doubling": (b"x='a'\nfor i in range(200): x=x+x\nexec(x)", "more than 64,000,000 bytes"),
    "doubling lists": (b"x=['a']\nfor i in range(200): x=x+x\nexec(x)", "more than 2,000,000 items"),
    "replace": (b"exec(('a'*100000).replace('a','b'*100000))", "more than 64,000,000 bytes"),
    "join": (b"exec(('a'*100000).join(['b']*100000))", "more than 64,000,000 bytes"),
    "many texts": (b"for i in range(999): exec('#'*300+str(i))", "carries more than 200 texts"),
    "dictionary": (
        b"import lzma\nexec(lzma.decompress(b'abcd'*9,format=3,filters=[{'id':33,'dict_size':2**32-1}]))",
        "asks for a dictionary of 4,294,967,295 bytes",
    ),
    "format": (b"exec('{:>999999999999}'.format('a'))", "made at run time"),
    "nested format": (b"w=10**10\nexec(f'{5:{w}}')", "made at run time"),
    "percent": (b"exec('%*d' % (10**10, 5))", "made at run time"),
    "colliding keys": (b"exec(str({k*(2**61-1):1 for k in range(3000)}))", "made at run time"),
    "format braces": (b"exec(('{'+':'*300000).format(1))", "made at run time"),
    "deep list": (b"x=[]\nfor i in range(20000): x=[x]\nexec(str(x))", "made at run time"),
    "deep json": (b"import json\nexec(json.loads('['*100000))", "made at run time"),
    "deep literal": (b"import ast\nexec(ast.literal_eval('('*100000))", "made at run time"),
}


@pytest.mark.parametrize("name", CASES)
def test_ends_quickly_with_one_sentence(name: str) -> None:
    data, expected = CASES[name]
    start = time.process_time()
    found = unpack(data, "train_gpt.py", nothing)
    assert time.process_time() - start < 12
    said = found.problem or found.notes[0]
    assert expected in said
    assert said.startswith("train_gpt.py")
    assert "\n" not in said
    assert "report" not in said


ENDLESS = {
    "loop": b"i=0\nwhile True: i+=1\nexec(str(i))",
    "range": b"for i in range(10**12): pass\nexec('a')",
    "iterator": b"import itertools\nexec(''.join(str(i) for i in itertools.count()))",
    "recursion": b"def f(n): return f(n+1)+f(n+2)\nexec(f(0))",
    "sum": b"exec(str(sum(range(10**12))))",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_work_is_counted(name: str) -> None:
    found = unpack(ENDLESS[name], "train_gpt.py", nothing, Budget(work=30_000))
    assert found.problem == "train_gpt.py is not unpacked any further: following its code takes more than 30,000 steps"


@pytest.mark.parametrize("function", BOMBS)
def test_bombs(function: str) -> None:
    module = function.partition(".")[0]
    source = f"import {module},base64\nexec({function}(base64.b85decode({base64.b85encode(BOMBS[function])!r})))"
    found = unpack(source.encode(), "train_gpt.py", nothing)
    assert found.problem == "train_gpt.py is not unpacked any further: it unpacks to more than 64,000,000 bytes"
    assert found.text == source


def test_a_zip_bomb_and_a_broken_zip() -> None:
    import io
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("__main__.py", bytes(65_000_000))
    found = unpack(out.getvalue(), "train_gpt.py", nothing)
    assert found.problem == "train_gpt.py is a zip file that is not opened: it unpacks to more than 64,000,000 bytes"
    assert "NUL" in unpack(b"x=1#PK\x05\x06" + bytes(18), "train_gpt.py", nothing).problem


def test_the_depth_of_nesting_is_bounded() -> None:
    source = PROGRAM
    for i in range(MAX_DEPTH):
        source = pack(source, Way(encoding="b85", compressor="xz" if i % 2 else "zlib"))
    assert unpack(source.encode(), "train_gpt.py", nothing).text == PROGRAM
    found = unpack(pack(source, Way()).encode(), "train_gpt.py", nothing)
    assert (
        found.problem
        == f"train_gpt.py is not unpacked any further: more than {MAX_DEPTH} wrappers lie inside each other"
    )


def test_many_steps_in_one_layer_share_the_limit() -> None:
    source = "import zlib\nd=b'a'*60000000\nd=zlib.decompress(zlib.decompress(b'x'))\nexec(d)"
    assert "zlib" in unpack(source.encode(), "train_gpt.py", nothing).problem


def test_a_sibling_that_cannot_be_read_is_absent() -> None:
    def broken(path: str) -> bytes | None:
        raise OSError("gone")

    found = unpack(b"exec(open('x.py').read())", "train_gpt.py", broken)
    assert "x.py, which the folder does not hold" in found.problem


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    found = unpack(data, "a.py", nothing)
    assert "report" not in found.problem


_PIECES = [
    "exec(",
    "eval(",
    "compile(",
    ")",
    "(",
    "[",
    "]",
    "{",
    "}",
    "lambda:",
    "'a'",
    "b'a'",
    "0",
    "-1",
    "x",
    "y",
    "f(",
    ".read()",
    ".decode()",
    "open(__file__)",
    "import",
    "zlib",
    ";\n",
    "\n",
    ",",
    "=",
    "==",
    "+",
    "*",
    "**",
    "%",
    ":",
    "for",
    "x",
    "in",
    "if",
    "else",
    "def",
    "f(x):",
    "return",
    "yield",
    "class",
    "A:",
    "try:",
    "except:",
    "while",
    "True:",
    "break",
    "[::-1]",
    "range(9)",
    "__import__('lzma')",
    ".decompress(",
    "globals()",
    "getattr(",
    "str(",
    "bytes(",
    "int(",
    "**x",
    "*x",
    "f'{x}'",
    "None",
    "True",
    "x:=",
    "del",
    "x",
    "global",
    "x",
    "with",
    "as",
    "raise",
    "match",
    "x:",
    "case",
    "_:",
    "@",
    "async",
    "await",
    "...",
]


@settings(max_examples=150, deadline=None)
@given(words=st.lists(st.sampled_from(_PIECES), max_size=30))
def test_any_words(words: list[str]) -> None:
    found = unpack(" ".join(words).encode(), "a.py", nothing)
    assert "report" not in found.problem


_LINES = (
    "x = b'YWJj'",
    "x = [1, 2, 3]",
    "y = lambda z: z + x",
    "x = x + x",
    "x = y(x)",
    "x = x[1:]",
    "x = {'a': x}",
    "x = x['a']",
    "x = str(x)",
    "x = list(x)",
    "x = iter(x)",
    "x = next(x)",
    "x = open('q', 'w'); x.write('a')",
    "x = open('q').read()",
    "x = __import__('base64').b64decode(x)",
    "x = __import__('io').BytesIO(x)",
    "x = x.read()",
    "x = [i for i in x]",
    "x = {i: x for i in x}",
    "x = sorted(x, key=y)",
    "x = zip(x, x)",
    "x = map(y, x)",
    "x = x.join(x)",
    "x = x.replace('a', x)",
    "x = '%s' % x",
    "x = f'{x!r:>9}'",
    "x = x or y",
    "x = 1 if x else y",
    "x = getattr(x, 'append')",
    "x(x)",
    "exec(x)",
    "eval(x)",
    "x = compile(x, 'a', 'exec')",
    "x = globals()",
    "x = x * 3",
    "x ^= 5",
    "del x",
    "for x in x: y = x",
    "while x: x = x[1:]",
    "try: x = x[9]\nexcept IndexError: x = 1",
    "with x as y: x = y",
    "def y(x): exec(x); return y(x)",
    "class x: y = x",
    "x = x()",
    "x.y = x",
    "x[0] = x",
    "x, y = x",
    "x, *y = x",
    "import os; x = os.environ.get('x')",
    "import pathlib; x = pathlib.Path(x)",
    "x = x / 'a'",
    "import zipfile; x = zipfile.ZipFile(x)",
    "import types; x = types.ModuleType('x'); exec('y = 1', x.__dict__)",
    "import subprocess; subprocess.run(['python', x])",
)


@settings(max_examples=150, deadline=None)
@given(lines=st.lists(st.sampled_from(_LINES), max_size=14))
def test_any_program_of_strange_lines(lines: list[str]) -> None:
    found = unpack("\n".join(lines).encode(), "a.py", nothing)
    assert "report" not in found.problem
