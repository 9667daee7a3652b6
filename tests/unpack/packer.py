"""A packer for the tests: the inverse of `auditor.unpack`, in many encodings, compressors and spellings.

`pack(text, way)` gives the source of a self-extracting script for a program text. A way is an encoding,
a compressor, a way to name library functions, and a way to bring the result to execution.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import codecs
import gzip
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import brotli
import zstandard

RAW = [{"id": lzma.FILTER_LZMA2, "preset": 9}]
OLD = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16}]
DELTA = [{"id": lzma.FILTER_DELTA, "dist": 2}, {"id": lzma.FILTER_LZMA2}]


@dataclass(frozen=True)
class Codec:
    """One reversible step: what it does, and the expression that undoes it.

    In `undo`, `{x}` is the operand and `{module.name}` a library function, spelled later. `step` is the
    name under which unpacking reports it.
    """

    do: Callable[[bytes], bytes]
    undo: str
    step: str


def _deflate(wbits: int) -> Callable[[bytes], bytes]:
    def do(data: bytes) -> bytes:
        c = zlib.compressobj(wbits=wbits)
        return c.compress(data) + c.flush()

    return do


COMPRESSORS: dict[str, Codec | None] = {
    "none": None,
    "zlib": Codec(zlib.compress, "{zlib.decompress}({x})", "zlib"),
    "zlib-raw": Codec(_deflate(-15), "{zlib.decompress}({x},-15)", "zlib"),
    "zlib-max": Codec(_deflate(-15), "{zlib.decompress}({x},wbits=-{zlib.MAX_WBITS})", "zlib"),
    "zlib-gzip": Codec(_deflate(31), "{zlib.decompress}({x},16+{zlib.MAX_WBITS})", "zlib"),
    "zlib-object": Codec(_deflate(-9), "{zlib.decompressobj}(wbits=-15).decompress({x})", "zlib"),
    "zlib-codec": Codec(zlib.compress, "{codecs.decode}({x},'zlib')", "zlib"),
    "gzip": Codec(gzip.compress, "{gzip.decompress}({x})", "gzip"),
    "gzip-file": Codec(gzip.compress, "{gzip.GzipFile}(fileobj={io.BytesIO}({x})).read()", "gzip"),
    "bz2": Codec(bz2.compress, "{bz2.decompress}({x})", "bz2"),
    "bz2-object": Codec(bz2.compress, "{bz2.BZ2Decompressor}().decompress({x})", "bz2"),
    "xz": Codec(lzma.compress, "{lzma.decompress}({x})", "lzma"),
    "lzma-alone": Codec(
        lambda d: lzma.compress(d, format=lzma.FORMAT_ALONE),
        "{lzma.decompress}({x},format={lzma.FORMAT_ALONE})",
        "lzma",
    ),
    "lzma-raw2": Codec(
        lambda d: lzma.compress(d, format=lzma.FORMAT_RAW, filters=RAW),
        "{lzma.decompress}({x},format={lzma.FORMAT_RAW},filters=[dict(id={lzma.FILTER_LZMA2},preset=9)])",
        "lzma",
    ),
    "lzma-raw-delta": Codec(
        lambda d: lzma.compress(d, format=lzma.FORMAT_RAW, filters=DELTA),
        "{lzma.decompress}({x},{lzma.FORMAT_RAW},None,[{{'id':{lzma.FILTER_DELTA},'dist':2}},{{'id':33}}])",
        "lzma",
    ),
    "lzma-object": Codec(lzma.compress, "{lzma.LZMADecompressor}().decompress({x})", "lzma"),
    "brotli": Codec(brotli.compress, "{brotli.decompress}({x})", "brotli"),
    "zstd": Codec(zstandard.compress, "{zstandard.decompress}({x})", "zstd"),
    "zstd-object": Codec(
        zstandard.ZstdCompressor(write_content_size=False).compress,
        "{zstandard.ZstdDecompressor}().decompress({x})",
        "zstd",
    ),
}


def _literal(data: bytes) -> str:
    return repr(data.decode("ascii"))


ENCODINGS: dict[str, tuple[Callable[[bytes], str], str, str]] = {
    "b85": (lambda d: _literal(base64.b85encode(d)), "{base64.b85decode}({x})", "b85"),
    "b64": (lambda d: repr(base64.b64encode(d)), "{base64.b64decode}({x})", "b64"),
    "b64-lines": (lambda d: repr(base64.encodebytes(d)), "{base64.b64decode}({x})", "b64"),
    "b64-binascii": (lambda d: repr(base64.b64encode(d)), "{binascii.a2b_base64}({x})", "b64"),
    "b64-codec": (lambda d: repr(base64.encodebytes(d)), "{codecs.decode}({x},'base64')", "b64"),
    "b64-alt": (lambda d: _literal(base64.b64encode(d, b"._")), "{base64.b64decode}({x},b'._')", "b64"),
    "urlsafe": (lambda d: _literal(base64.urlsafe_b64encode(d)), "{base64.urlsafe_b64decode}({x})", "b64"),
    "a85": (lambda d: repr(base64.a85encode(d)), "{base64.a85decode}({x})", "a85"),
    "b32": (lambda d: _literal(base64.b32encode(d)), "{base64.b32decode}({x})", "b32"),
    "hex": (lambda d: _literal(binascii.hexlify(d)), "bytes.fromhex({x})", "hex"),
    "hex-spaces": (lambda d: _literal(binascii.hexlify(d, " ", 8)), "bytearray.fromhex({x})", "hex"),
    "unhexlify": (lambda d: repr(binascii.hexlify(d)), "{binascii.unhexlify}({x})", "hex"),
    "b16": (lambda d: _literal(base64.b16encode(d)), "{base64.b16decode}({x})", "b16"),
    "hex-codec": (lambda d: repr(binascii.hexlify(d)), "{codecs.decode}({x},'hex_codec')", "hex"),
    "bytes": (repr, "{x}", ""),
    "latin": (lambda d: repr(d.decode("latin-1")), "{x}.encode('latin-1')", ""),
    "list": (lambda d: repr(list(d)), "bytes({x})", "bytes"),
    "map": (lambda d: repr("".join(chr(0x100 + b) for b in d)), "bytes(ord(c)-256 for c in {x})", "bytes"),
    "xor": (lambda d: repr(bytes(b ^ 0x5A for b in d)), "bytes([b^0x5a for b in {x}])", "bytes"),
    "int": (lambda d: f"({len(d)},{hex(int.from_bytes(d, 'big'))})", "(lambda t:t[1].to_bytes(t[0],'big'))({x})", ""),
    "reversed": (lambda d: repr(base64.b85encode(d)[::-1]), "{base64.b85decode}({x}[::-1])", "b85"),
    "pieces": (lambda d: _pieces(base64.b85encode(d)), "{base64.b85decode}(''.join({x}))", "b85"),
    "sum": (lambda d: "(" + "+".join(_cut(base64.b64encode(d), 200)) + ")", "{base64.b64decode}({x})", "b64"),
    "adjacent": (lambda d: "(" + "\n".join(_cut(base64.b64encode(d), 90)) + ")", "{base64.b64decode}({x})", "b64"),
    "rot13": (
        lambda d: repr(codecs.encode(base64.b64encode(d).decode(), "rot13")),
        "{base64.b64decode}({codecs.decode}({x},'rot13'))",
        "b64",
    ),
    "translate": (
        lambda d: repr(base64.b64encode(d).decode().translate(str.maketrans("ABCabc", "!@#$%^"))),
        "{base64.b64decode}({x}.translate(str.maketrans('!@#$%^','ABCabc')))",
        "b64",
    ),
    "replace": (
        lambda d: repr(base64.b64encode(d).decode().replace("A", "<>")),
        "{base64.b64decode}({x}.replace('<>','A'))",
        "b64",
    ),
    "slice": (lambda d: repr(b"junk" + base64.b64encode(d) + b"more"), "{base64.b64decode}({x}[4:-4])", "b64"),
    "format": (lambda d: _literal(base64.b64encode(d)), "{base64.b64decode}('{{}}'.format({x}))", "b64"),
    "fstring": (lambda d: _literal(base64.b64encode(d)), "(lambda s:{base64.b64decode}(f'{{s}}'))({x})", "b64"),
    "percent": (lambda d: _literal(base64.b64encode(d)), "{base64.b64decode}('%s'%{x})", "b64"),
}


def _cut(data: bytes, size: int) -> list[str]:
    return [repr(data[i : i + size]) for i in range(0, len(data), size)] or ["b''"]


def _pieces(data: bytes) -> str:
    text = data.decode("ascii")
    return repr([text[i : i + 70] for i in range(0, len(text), 70)])


class _Names:
    """Spells `{module.name}` in one of several ways and collects the imports that it needs."""

    def __init__(self, style: str) -> None:
        self.style = style
        self.imports: dict[str, None] = {}

    def spell(self, module: str, name: str) -> str:
        if self.style == "alias":
            self.imports[f"import {module} as _{module[::2]}"] = None
            return f"_{module[::2]}.{name}"
        if self.style == "from":
            self.imports[f"from {module} import {name} as _{module}_{name}"] = None
            return f"_{module}_{name}"
        if self.style == "dunder":
            return f"__import__('{module}').{name}"
        if self.style == "getattr":
            self.imports[f"import {module}"] = None
            return f"getattr({module},'{name[:2]}'+'{name[2:]}')"
        if self.style == "importlib":
            self.imports["import importlib"] = None
            return f"importlib.import_module('{module}').{name}"
        self.imports[f"import {module}"] = None
        return f"{module}.{name}"


NAMES = ("plain", "alias", "from", "dunder", "getattr", "importlib")

# How the decoded bytes, the expression {d}, come to be executed.
SINKS: dict[str, str] = {
    "exec": "exec({d})",
    "exec-decode": "exec({d}.decode('utf-8'))",
    "compile": "exec(compile({d},'<inner>','exec'))",
    "eval-compile": "eval(compile({d},__file__,'exec'),globals())",
    "globals": "exec({d},{{'__name__':'__main__'}})",
    "variables": "_a={d}\n_b=_a\n_c=str(_b,'utf8')\nexec(_c,globals())",
    "function": "def _open(z):\n    'Decode.'\n    y=z\n    return y\n\ndef run():\n    exec(_open({d}),globals())\n\nrun()",
    "lambda": "(lambda f,z:f(z))(exec,{d})",
    "alias": "_e=exec\n_e({d})",
    "builtins": "import builtins\nbuiltins.exec({d})",
    "getattr": "getattr(__builtins__,'ex'+'ec')({d})",
    "builtins-dict": "__import__('builtins').__dict__['exec']({d})",
    "function-type": "import types\ntypes.FunctionType(compile({d},'x','exec'),globals())()",
    "class": "class P:\n    data={d}\n    def run(self):\n        exec(self.data,globals())\nP().run()",
    "map": "list(map(exec,[{d}]))",
    "try": "try:\n    _p={d}\nexcept Exception:\n    raise\nelse:\n    exec(_p)",
    "if": "import os\nif os.environ.get('PLAIN'):\n    _p=b'pass'\nelse:\n    _p={d}\nexec(_p)",
    "walrus": "exec(_p) if (_p:={d}) else None",
    "linecache": "import linecache as C\nS={d}.decode()\nF=__file__+'.x.py'\nC.cache[F]=(len(S),None,S.splitlines(True),F)\nexec(compile(S,F,'exec'))",
    "runpy": "import runpy,tempfile,os\n_f=os.path.join(tempfile.mkdtemp(),'inner.py')\nopen(_f,'wb').write({d})\nrunpy.run_path(_f,run_name='__main__')",
    "spec": (
        "import importlib.util as U,pathlib\n_p=pathlib.Path(__file__).resolve().parent/'inner.py'\n_p.write_bytes({d})\n"
        "_s=U.spec_from_file_location('inner',_p)\n_m=U.module_from_spec(_s)\n_s.loader.exec_module(_m)"
    ),
    "import": (
        "import sys,tempfile\n_t=tempfile.mkdtemp()\nwith open(f'{{_t}}/inner_{n}.py','w')as _h:\n    _h.write({d}.decode())\n"
        "sys.path.insert(0,_t)\nimport inner_{n}"
    ),
    "subprocess": "import subprocess,sys\nopen('/tmp/inner.py','wb').write({d})\nsubprocess.run([sys.executable,'/tmp/inner.py'],check=True)",
    "execv": "import os,sys\nopen('inner.py','wb').write({d})\nos.execv(sys.executable,[sys.executable,'inner.py',*sys.argv[1:]])",
    "system": "import os\nopen('inner.py','wb').write({d})\nos.system('python3 inner.py')",
    "thread": "import threading\n_t=threading.Thread(target=exec,args=({d},))\n_t.start()",
    "partial": "from functools import partial\npartial(exec,{d})()",
    "reduce": "from functools import reduce\nexec(reduce(lambda a,f:f(a),[lambda z:z[::-1]],{d}[::-1]))",
    "loop": "_o=bytearray()\nfor _b in [{d}]:\n    _o+=_b\nexec(bytes(_o))",
}


@dataclass(frozen=True)
class Way:
    encoding: str = "b85"
    compressor: str = "xz"
    names: str = "plain"
    sink: str = "exec"


def expression(data: bytes, way: Way) -> tuple[list[str], str]:
    """Imports, and an expression whose value is `data`."""
    compressor = COMPRESSORS[way.compressor]
    names = _Names(way.names)
    write, undo, _ = ENCODINGS[way.encoding]
    text = _fill(undo, write(compressor.do(data) if compressor else data), names)
    if compressor:
        text = _fill(compressor.undo, text, names)
    return list(names.imports), text


def _fill(template: str, operand: str, names: _Names) -> str:
    """Put the operand and the library names into a template; doubled braces stand for single ones."""
    out: list[str] = []
    rest = template.replace("{{", "\1").replace("}}", "\2")
    while "{" in rest:
        before, _, tail = rest.partition("{")
        word, _, rest = tail.partition("}")
        out.append(before)
        out.append(operand if word == "x" else names.spell(*word.split(".")))
    out.append(rest)
    return "".join(part if part is operand else part.replace("\1", "{").replace("\2", "}") for part in out)


def pack(text: str, way: Way) -> str:
    """The source of a script that decodes and executes `text`."""
    imports, expr = expression(text.encode("utf-8"), way)
    name = hex(zlib.crc32(text.encode()))[2:]
    return (
        "\n".join(
            [*imports, SINKS[way.sink].replace("{{", "{").replace("}}", "}").replace("{n}", name).replace("{d}", expr)]
        )
        + "\n"
    )


def steps(way: Way) -> list[str]:
    """The steps that unpacking should at least report."""
    compressor = COMPRESSORS[way.compressor]
    return [s for s in (ENCODINGS[way.encoding][2], compressor.step if compressor else "") if s]
