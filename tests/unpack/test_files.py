"""Payloads that lie outside the script's own text: siblings, archives, bundles, the script's tail."""

from __future__ import annotations

import base64
import io
import json
import lzma
import zipfile
import zlib

import pytest

from auditor.unpack import Unpacked, unpack
from tests.unpack.packer import Way, pack

TRAINER = '''"""A training script."""
import torch

def train(model, data, optimizer):
    for x, y in data:
        loss = model(x, y)
        loss.backward()
        optimizer.step()

def evaluate(model, tokens):
    val_bpb = model(tokens).mean()
    return val_bpb

if __name__ == "__main__":
    train(None, [], None)
'''


def opened(source: str | bytes, **files: bytes) -> Unpacked:
    data = source.encode() if isinstance(source, str) else source
    names = {k.replace("__", "/").replace("_dot_", "."): v for k, v in files.items()}
    return unpack(data, "train_gpt.py", names.get)


XZ = lzma.compress(TRAINER.encode())


@pytest.mark.parametrize(
    "source",
    [
        "import lzma\nexec(lzma.open('code.xz').read())",
        "import lzma\nexec(lzma.decompress(open('code.xz','rb').read()))",
        "import lzma,os\nwith open(os.path.join(os.path.dirname(__file__),'code.xz'),'rb') as f:\n  d=f.read()\nexec(lzma.decompress(d))",
        "import lzma\nfrom pathlib import Path\nexec(lzma.decompress((Path(__file__).parent/'code.xz').read_bytes()))",
        "import lzma,pathlib as P\np=P.Path(__file__).resolve().with_name('code.xz')\nexec(compile(lzma.decompress(p.read_bytes()),__file__,'exec'))",
        "import lzma,pkgutil\nexec(lzma.decompress(pkgutil.get_data(__name__,'code.xz')))",
        "import lzma,sys,os\nd=os.path.split(os.path.realpath(sys.argv[0]))[0]\nexec(lzma.decompress(open(d+'/code.xz','rb').read()))",
        "import lzma\nexec(lzma.decompress(__loader__.get_data(__file__.replace('train_gpt.py','code.xz'))))",
    ],
)
def test_a_payload_beside_the_script(source: str) -> None:
    found = opened(source, code_dot_xz=XZ)
    assert (found.text, found.problem) == (TRAINER, "")
    assert found.loads == ("code.xz",)
    assert found.layers[0].steps == ("read code.xz", "lzma")


def test_a_missing_payload_is_named() -> None:
    found = opened("import lzma\n\nexec(lzma.open('code.xz').read())")
    assert found.problem == "train_gpt.py:3 runs code that is read from code.xz, which the folder does not hold"
    assert found.text == found.shipped_text


@pytest.mark.parametrize("place", ["../other/code.xz", "/etc/code.xz", "/submission/../code.xz"])
def test_files_outside_the_folder_are_not_asked_for(place: str) -> None:
    asked: list[str] = []

    def sibling(path: str) -> bytes | None:
        asked.append(path)
        return None

    found = unpack(f"import lzma\nexec(lzma.open({place!r}).read())".encode(), "train_gpt.py", sibling)
    assert "does not hold" in found.problem
    assert not any(".." in p or p.startswith("/") for p in asked)


@pytest.mark.parametrize(
    "source",
    [
        "exec(open('decoded.py').read())",
        'exec(open(__file__.replace("train_gpt.py","decoded.py")).read())',
        "import runpy\nrunpy.run_path('decoded.py',run_name='__main__')",
        "import sys,os\nos.execv(sys.executable,[sys.executable,'decoded.py'])",
        "import subprocess\nsubprocess.run('torchrun --standalone decoded.py',shell=True)",
        "import importlib.util as u\ns=u.spec_from_file_location('d','decoded.py')\nm=u.module_from_spec(s)\ns.loader.exec_module(m)",
    ],
)
def test_a_plain_sibling_is_a_loader(source: str) -> None:
    found = opened(source, decoded_dot_py=TRAINER.encode())
    assert (found.text, found.layers, found.runs, found.problem) == (source, (), ("decoded.py",), "")


def test_a_patched_sibling_is_a_program_of_its_own() -> None:
    source = "t = open('base.py').read()\nt = t.replace('A training script', 'Changed')\nexec(t)"
    found = opened(source, base_dot_py=TRAINER.encode())
    assert found.text == TRAINER.replace("A training script", "Changed")
    assert found.layers[0].steps == ("read base.py", "replace")


def test_a_part_of_a_sibling_is_a_program_of_its_own() -> None:
    source = "exec(open('base.py').read().split('if __name__')[0])"
    found = opened(source, base_dot_py=TRAINER.encode())
    assert found.text == TRAINER.split("if __name__")[0]
    assert (found.runs, found.layers[0].steps) == ((), ("read base.py", "slice"))


def test_text_behind_a_marker_in_the_same_file() -> None:
    tail = base64.b64encode(XZ).decode()
    source = f"import base64,lzma\ns=open(__file__).read().split('#'+'DATA:')[1]\nexec(lzma.decompress(base64.b64decode(s)))\n#DATA:{tail}\n"
    assert opened(source).text == TRAINER


def test_text_in_the_docstring() -> None:
    source = (
        f'"""{base64.b64encode(XZ).decode()}"""\nimport base64,lzma\nexec(lzma.decompress(base64.b64decode(__doc__)))\n'
    )
    assert opened(source).text == TRAINER


def test_binary_behind_a_marker_in_a_latin1_file() -> None:
    payload = base64.a85encode(XZ)
    source = b"# coding: latin-1\nimport base64,lzma\nd=open(__file__,'rb').read()\nexec(lzma.decompress(base64.a85decode(d[d.rindex(b'#~')+2:])))\n#~"
    found = opened(source + payload)
    assert (found.text, found.encoding) == (TRAINER, "iso8859-1")


def _zip(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, text in members.items():
            z.writestr(name.replace("_dot_", "."), text)
    return out.getvalue()


def test_a_zip_application_under_the_name_py() -> None:
    found = opened(
        b"print('what a reader sees')\n" + _zip(__main___dot_py="import inner\ninner.main()", inner_dot_py=TRAINER)
    )
    assert (found.text, found.problem) == (TRAINER, "")
    assert found.layers[0].steps == ("zip",)


def test_an_archive_beside_the_script() -> None:
    source = "import zipfile\nexec(zipfile.ZipFile('a.zip').read('train.py'))"
    assert opened(source, a_dot_zip=_zip(train_dot_py=TRAINER)).text == TRAINER


def test_a_bundle_of_files_is_opened_whole() -> None:
    bundle = {
        "runner.py": "import trainer\ntrainer.train(None, [], None)\n" * 9,
        "trainer.py": TRAINER,
        "k.cu": "__global__ void k(){}",
    }
    payload = base64.b85encode(lzma.compress(json.dumps(bundle).encode())).decode()
    source = (
        "import json,lzma,base64,tempfile,os,sys\n"
        f"files=json.loads(lzma.decompress(base64.b85decode({payload!r})))\n"
        "d=tempfile.mkdtemp()\n"
        "for name,text in files.items():\n"
        "    p=os.path.join(d,name);os.makedirs(os.path.dirname(p),exist_ok=True)\n"
        "    with open(p,'w') as f: f.write(text)\n"
        "sys.path.insert(0,d)\n"
        "exec(open(os.path.join(d,'runner.py')).read())\n"
    )
    found = opened(source)
    assert (found.text, found.problem) == (TRAINER, "")
    assert {p.name: p.text for p in found.parts} == {k: v for k, v in bundle.items() if v != TRAINER}


def test_prelude_and_payload_are_both_kept() -> None:
    source = "import os\nos.environ.setdefault('TTT_EPOCHS','3')\n" + pack(TRAINER, Way())
    found = opened(source)
    assert found.text == TRAINER
    assert found.shipped_text == source


def test_inlined_modules_do_not_hide_the_program() -> None:
    module = "TABLE = " + repr(list(range(80))) + "\n"
    source = f"import types\nm = types.ModuleType('m')\nexec({module!r}, m.__dict__)\n" + TRAINER
    found = opened(source)
    assert (found.text, found.layers) == (source, ())
    assert [p.text for p in found.parts] == [module]


def test_both_sides_of_an_unknown_branch_are_followed() -> None:
    other = TRAINER.replace("A training script", "Another one")
    first, second = (repr(base64.b64encode(zlib.compress(t.encode()))) for t in (TRAINER, other))
    source = (
        "import os,zlib,base64\n"
        f"p = {first} if os.environ.get('A') else {second}\n"
        "exec(zlib.decompress(base64.b64decode(p)))\n"
    )
    found = opened(source)
    assert {found.text, *(p.text for p in found.parts)} == {TRAINER, other}
    assert "2 texts that train and evaluate" in found.notes[0]


def test_code_made_at_run_time_is_a_remark_not_a_problem() -> None:
    source = TRAINER + "\ndef make(n):\n    exec(f'def f(): return {n}')\nmake(input())\n"
    found = opened(source)
    assert (found.text, found.problem) == (source, "")
    assert found.notes == ("train_gpt.py:18 runs code that is made at run time",)


def test_a_sibling_may_hold_the_decoder() -> None:
    helper = b"import zlib,base64\ndef undo(text):\n    return zlib.decompress(base64.b85decode(text))\n"
    payload = base64.b85encode(zlib.compress(TRAINER.encode()))
    found = opened(f"from helper import undo\nexec(undo({payload!r}))", helper_dot_py=helper)
    assert (found.text, found.problem) == (TRAINER, "")


def test_a_main_guard_holds_in_the_script_and_not_in_what_it_imports() -> None:
    guarded = "if __name__ == '__main__':\n    " + pack(TRAINER, Way(names="dunder"))
    assert opened(guarded).text == TRAINER
    found = opened("import helper\n" + "# a program of its own\n" * 20, helper_dot_py=guarded.encode())
    assert (found.text, found.parts) == (found.shipped_text, ())


def test_a_function_that_only_a_framework_calls() -> None:
    source = "import app\n\n@app.main()\ndef go():\n    " + pack(TRAINER, Way(names="dunder"))
    assert opened(source).text == TRAINER


def test_packed_code_that_nothing_calls_does_not_displace_the_program() -> None:
    decoy = TRAINER.replace("A training script", "A decoy")
    source = TRAINER + "\ndef never():\n    " + pack(decoy, Way(names="dunder"))
    found = opened(source)
    assert (found.text, [p.text for p in found.parts]) == (source, [decoy])
    assert "2 texts that train and evaluate" in found.notes[0]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import marshal\nexec(marshal.loads(b'%s'))" % ("a" * 600), "compiled code (marshal), which cannot be read"),
        ("import pickle\nexec(pickle.loads(b'%s'))" % ("a" * 600), "comes out of pickle"),
        (
            "import requests\nexec(requests.get('https://example.org/x').text)",
            "fetched from the network (requests.get)",
        ),
        ("import types\nf=types.FunctionType(types.CodeType(0,b'%s'),{})" % ("a" * 600), "put together by hand"),
        (
            "import cipher\nexec(cipher.decrypt(b'%s'))" % ("a" * 600),
            "passes through cipher.decrypt, which is not understood",
        ),
        ("import lzma\nexec(lzma.decompress(b'%s'))" % ("a" * 600), "cannot be decoded (lzma: "),
    ],
)
def test_what_cannot_be_read_is_said(source: str, why: str) -> None:
    found = opened(source)
    assert why in found.problem
    assert found.problem.startswith("train_gpt.py:2 runs code that ")
    assert found.text == source
