"""Which files of a folder are the program, what they are for, and what they mention."""

from __future__ import annotations

import base64
import lzma

import pytest

from auditor.scripts import read_scripts
from auditor.scripts.shell import split_script, uses
from rules.evidence import Mention, Script
from tests.support import submission

TRAINER = """\
import torch


def train(model, batches, optimizer):
    for x, y in batches:
        model(x, y).backward()
        optimizer.step()


def main():
    train(None, [], None)
    print(f"val_bpb:{1.25:.4f}")


main()
"""
HELPER = "def helper():\n    return 1\n"
PREPARE = "import numpy as np\n\nnp.zeros(9, np.uint16).tofile('fineweb_train_000000.bin')\n"


def packed(text: str) -> str:
    return f"import lzma,base64\nexec(lzma.decompress(base64.b85decode({base64.b85encode(lzma.compress(text.encode())).decode()!r})))\n"


def roles(files: dict[str, str]) -> dict[str, str]:
    return {s.path: s.role for s in read_scripts(submission(files))[0]}


def script(files: dict[str, str], path: str) -> Script:
    return next(s for s in read_scripts(submission(files))[0] if s.path == path)


def mentions(files: dict[str, str]) -> list[tuple[str, str, int | None]]:
    return [(m.kind, m.what, m.at.line) for m in read_scripts(submission(files))[1]]


# Roles.


def test_roles_of_a_full_folder() -> None:
    files = {
        "train_gpt.py": "import helper\nimport pkg.deep\nfrom ctypes import CDLL\nlib = CDLL('./libfast.so')\n"
        + TRAINER,
        "helper.py": "from pkg import other\n" + HELPER,
        "pkg/__init__.py": "",
        "pkg/deep.py": "from . import sub\n",
        "pkg/sub.py": HELPER,
        "pkg/other.py": HELPER,
        "fast.c": "int f(void) { return 1; }\n",
        "prepare_data.py": "from lossless import caps\n" + PREPARE,
        "lossless.py": "caps = 1\n",
        "run.sh": "torchrun train_gpt.py\n",
        "train_gpt_v2.py": TRAINER,
        "plot.py": "print(1)\n",
    }
    assert roles(files) == {
        "train_gpt.py": "entry",
        "helper.py": "module",
        "pkg/__init__.py": "module",
        "pkg/deep.py": "module",
        "pkg/sub.py": "module",
        "pkg/other.py": "module",
        "fast.c": "native",
        "prepare_data.py": "prep",
        "lossless.py": "prep",
        "run.sh": "shell",
        "train_gpt_v2.py": "other",
        "plot.py": "other",
    }
    assert script(files, "train_gpt.py").imports == ("helper.py", "pkg/__init__.py", "pkg/deep.py", "fast.c")


@pytest.mark.parametrize(
    ("line", "needs"),
    [
        ("import helper", "helper.py"),
        ("from helper import helper", "helper.py"),
        ("def f():\n    from helper import helper", "helper.py"),
        ("import importlib\nimportlib.import_module('helper')", "helper.py"),
        ("__import__('helper')", "helper.py"),
        ("exec(open('helper.py').read())", "helper.py"),
        ("import runpy\nrunpy.run_path('helper.py')", "helper.py"),
        ("import subprocess, sys\nsubprocess.run([sys.executable, 'helper.py'])", "helper.py"),
        ("import os\nos.system('python helper.py --fast')", "helper.py"),
        (
            "from importlib.util import spec_from_file_location as s\ns('helper', __file__.replace('x', 'helper.py'))",
            "",
        ),
        ("import importlib.util as u\nu.spec_from_file_location('helper', HERE / 'helper.py')", "helper.py"),
        ("import ctypes\nctypes.CDLL('sub/kernel.so')", "sub/kernel.cpp"),
        ("import ctypes, os\nctypes.CDLL(os.path.join(HERE, 'sub', 'libkernel.so'))", "sub/kernel.cpp"),
        ("from torch.utils.cpp_extension import load\nload(name='k', sources=['sub/kernel.cpp'])", "sub/kernel.cpp"),
        (
            "from torch.utils.cpp_extension import load\nload(name='k', sources=[str(HERE / 'sub' / 'kernel.cpp')])",
            "sub/kernel.cpp",
        ),
        ("# import helper", ""),
        ("'''import helper; exec(open(\"helper.py\").read())'''", ""),
        ("print('helper.py')", ""),
        ("size = len(open('helper.py').read())", ""),
    ],
)
def test_what_a_program_needs(line: str, needs: str) -> None:
    files = {"train_gpt.py": TRAINER + line + "\n", "helper.py": HELPER, "sub/kernel.cpp": "int f() { return 1; }\n"}
    assert script(files, "train_gpt.py").imports == ((needs,) if needs else ())


def test_a_packed_entry_needs_what_its_inside_imports() -> None:
    found = script({"train_gpt.py": packed("import helper\n" + TRAINER), "helper.py": HELPER}, "train_gpt.py")
    assert (found.role, found.packed, found.imports, found.problem) == ("entry", True, ("helper.py",), "")
    assert found.text == "import helper\n" + TRAINER
    assert found.size == len(packed("import helper\n" + TRAINER))


def test_includes_of_native_sources() -> None:
    files = {"k/a.cu": '#include "b.h"\n#include <math.h>\n#include "../c.h"\n', "k/b.h": "", "c.h": ""}
    assert script(files, "k/a.cu").imports == ("k/b.h", "c.h")


def test_files_inside_a_packed_script_are_scripts_without_size() -> None:
    source = (
        "import tempfile,os\nd=tempfile.mkdtemp()\n"
        "open(os.path.join(d,'k.cu'),'w').write('__global__ void k(){}')\n" + TRAINER + "exec('')\n"
    )
    found = script({"train_gpt.py": source}, "train_gpt.py!k.cu")
    assert (found.role, found.size, found.text) == ("native", 0, "__global__ void k(){}")


# The entry.


@pytest.mark.parametrize(
    ("files", "entry"),
    [
        ({"train_gpt.py": TRAINER, "train_gpt_v2.py": TRAINER}, "train_gpt.py"),
        ({"train_gpt.py": TRAINER, "ablations/train_gpt.py": TRAINER}, "train_gpt.py"),
        ({"train_gpt.py": "exec(open('inner.py').read())\n", "inner.py": TRAINER}, "inner.py"),
        (
            {"train_gpt.py": "exec(open('a.py').read())\n", "a.py": "exec(open('b.py').read())\n", "b.py": TRAINER},
            "b.py",
        ),
        ({"train_gpt.py": "exec(open('gone.py').read())\n", "other_train.py": TRAINER}, "train_gpt.py"),
        ({"train_gpt.py": "from core import main\nmain()\n", "core.py": TRAINER}, "train_gpt.py"),
        ({"train_gpt.py": "print('counts n-grams', 'val_bpb:1.2')\n", "old/train_x.py": TRAINER}, "train_gpt.py"),
        (
            {"train_gpt.py": TRAINER, "train_v3.py": TRAINER, "README.md": "```bash\ntorchrun train_v3.py\n```\n"},
            "train_v3.py",
        ),
        (
            {
                "train_gpt.py": TRAINER,
                "train_v3.py": TRAINER,
                "README.md": "```bash\ntorchrun records/x/train_gpt.py\ntorchrun train_v3.py\n```\n",
            },
            "train_gpt.py",
        ),
        ({"train_gpt.py": TRAINER, "tool.py": HELPER, "README.md": "```bash\npython tool.py\n```\n"}, "train_gpt.py"),
        (
            {
                "train_gpt.py": packed(TRAINER),
                "train_gpt_human.py": TRAINER,
                "README.md": "```\ntorchrun train_gpt_human.py\n```\n",
            },
            "train_gpt.py",
        ),
        (
            {
                "train_gpt.py": TRAINER + "x = 1 + 2 * 3\n" * 40,
                "smoke.py": TRAINER,
                "README.md": "```\npython smoke.py\n```\n",
            },
            "train_gpt.py",
        ),
        ({"train_b.py": TRAINER, "train_a.py": TRAINER, "run.sh": "torchrun train_b.py\n"}, "train_b.py"),
        ({"train_b.py": TRAINER, "train_a.py": TRAINER, "submission.json": '{"script": "train_b.py"}'}, "train_b.py"),
        (
            {"b.py": TRAINER + "#\n", "a.py": TRAINER, "submission.json": f'{{"bytes_code": {len(TRAINER) + 2}}}'},
            "b.py",
        ),
        ({"model.py": HELPER, "train_hybrid.py": "import model\n" + TRAINER}, "train_hybrid.py"),
        ({"x/train_gpt.py": TRAINER, "y.py": HELPER}, "x/train_gpt.py"),
        ({"golf.py": packed(TRAINER), "zz.py": HELPER}, "golf.py"),
        ({"submission.py": "import lzma\nexec(lzma.open('c.xz').read())\n"}, ""),
        ({"eval_only.py": "print('val_bpb:', 1.0)\n", "plot.py": "x = 1\n"}, "eval_only.py"),
        ({"plot.py": "x = 1\n"}, ""),
    ],
)
def test_the_entry(files: dict[str, str], entry: str) -> None:
    assert [p for p, role in roles(files).items() if role == "entry"] == ([entry] if entry else [])


def test_a_loader_names_what_it_loads_and_is_not_the_entry() -> None:
    files = {"train_gpt.py": "exec(open(__file__.replace('_gpt', '_inner')).read())\n", "train_inner.py": TRAINER}
    loader = script(files, "train_gpt.py")
    assert (loader.role, loader.imports, loader.layers, loader.problem) == ("other", ("train_inner.py",), (), "")


def test_a_syntax_error_is_told_apart_from_a_wrapper_that_cannot_be_opened() -> None:
    broken = script({"train_gpt.py": "def f(:\n"}, "train_gpt.py")
    assert broken.problem == ""
    assert "line 1" in broken.syntax_error
    sealed = script({"train_gpt.py": "import lzma\nexec(lzma.open('c.xz').read())\n"}, "train_gpt.py")
    assert sealed.syntax_error == ""
    assert "c.xz" in sealed.problem


# Mentions.


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import requests", [("network-import", "requests")]),
        (
            "from urllib.request import urlretrieve as u\nu('http://x', 'y')",
            [("network-import", "urllib.request"), ("download", "urllib.request.urlretrieve")],
        ),
        ("import urllib.parse", []),
        ("import http", []),
        ("import socket\nname = socket.gethostname()", []),
        ("import socket\nsocket.socket().connect(('h', 1))", [("network-import", "socket")]),
        (
            "from huggingface_hub import hf_hub_download as h\nh('a', 'b')",
            [("network-import", "huggingface_hub"), ("download", "huggingface_hub.hf_hub_download")],
        ),
        ("torch.hub.load('a', 'b')", [("download", "torch.hub.load")]),
        ("AutoModel.from_pretrained('gpt2')", [("download", "AutoModel.from_pretrained")]),
        ("AutoModel.from_pretrained('./here')", []),
        ("AutoModel.from_pretrained('x', local_files_only=True)", []),
        ("class GPT:\n    def from_pretrained(self): pass\nGPT.from_pretrained('x')", []),
        (
            "import subprocess\nsubprocess.run(['pip', 'install', '-q', 'brotli'])",
            [("install", "pip install -q brotli")],
        ),
        (
            "import subprocess, sys\nsubprocess.check_call([sys.executable, '-m', 'pip', 'install', name])",
            [("install", "pip install _")],
        ),
        (
            "import os\nos.system('apt-get update && sudo apt-get install -y lrzip')",
            [("install", "apt-get install -y lrzip")],
        ),
        ("from os import system as s\ns(f'conda install {p}')", [("install", "conda install _")]),
        ("import subprocess\nsubprocess.run('wget -q https://x/y', shell=True)", [("download", "wget -q https://x/y")]),
        ("import subprocess\nsubprocess.run(['git', 'clone', url])", [("download", "git clone _")]),
        ("import subprocess\nsubprocess.run(['git', 'rev-parse', 'HEAD'])", []),
        (
            "import subprocess\nsubprocess.run(['bash', '-c', 'curl -sL http://x | tar xz'])",
            [("download", "curl -sL http://x")],
        ),
        ("import subprocess\nsubprocess.run(['nvidia-smi'], capture_output=True)", []),
        (
            "import subprocess\nsubprocess.run([sys.executable, 'x.py']); subprocess.run('torchrun x.py', shell=True)",
            [],
        ),
        ("import subprocess\nsubprocess.run(['lrzip', '-z', out])", [("binary", "lrzip")]),
        ("import subprocess as sp\nTOOL = 'zpaq'\nsp.check_output([TOOL, 'a', out])", [("binary", "zpaq")]),
        (
            "import subprocess, shutil\ncmd = [shutil.which('xz'), '-9']\nsubprocess.Popen(cmd + [f])",
            [("binary", "xz")],
        ),
        ("import os\nos.execvp('lrzip', ['lrzip', '-d'])", [("binary", "lrzip")]),
        ("# pip install x; import requests\n'''wget http://x'''\nprint('pip install y')", []),
        ("requests = 1\nrequests_get = 2", []),
    ],
)
def test_mentions_in_a_program(code: str, expected: list[tuple[str, str]]) -> None:
    for files in ({"train_gpt.py": TRAINER + code + "\n"}, {"train_gpt.py": packed(TRAINER + code + "\n")}):
        assert [(k, w) for k, w, _ in mentions(files)] == expected


def test_the_place_of_a_mention() -> None:
    found: tuple[Mention, ...] = read_scripts(
        submission({"train_gpt.py": packed(TRAINER + "import requests  # why\n")})
    )[1]
    line = TRAINER.count("\n") + 1
    assert (found[0].at.file, found[0].at.line, found[0].at.layer) == ("train_gpt.py", line, 1)
    assert found[0].at.text == "import requests  # why"


def test_scripts_that_do_not_run_are_not_searched() -> None:
    files = {"train_gpt.py": TRAINER, "old_train.py": "import requests\n" + TRAINER, "plot.py": "import requests\n"}
    assert mentions(files) == []


def test_modules_of_the_program_are_searched() -> None:
    files = {"train_gpt.py": "import helper\n" + TRAINER, "helper.py": "import requests\n"}
    assert mentions(files) == [("network-import", "requests", 1)]


def test_installs_in_shell_scripts() -> None:
    text = "#!/bin/bash\nset -e\n# pip install nothing\npip install \\\n  brotli zstandard\necho pip install no\nX=1 sudo apt-get install -y lrzip\n"
    run = {"train_gpt.py": TRAINER, "run.sh": text + "torchrun --standalone train_gpt.py\n"}
    assert mentions(run) == [("install", "pip install brotli zstandard", 4), ("install", "apt-get install -y lrzip", 7)]
    setup = {"train_gpt.py": TRAINER, "setup.sh": text}
    assert [m[0] for m in mentions(setup)] == ["install-doc", "install-doc"]


def test_python_inside_a_shell_script() -> None:
    text = "python3 - <<'EOF'\nfrom huggingface_hub import snapshot_download\nsnapshot_download('a')\nEOF\nlrzip -d model.lrz\n"
    assert mentions({"train_gpt.py": TRAINER, "run.sh": text}) == [
        ("network-import", "huggingface_hub", 2),
        ("download", "huggingface_hub.snapshot_download", 3),
        ("binary", "lrzip", 5),
    ]


def test_installs_in_the_readme_are_documentation() -> None:
    readme = "# Run\nFirst `pip install brotli`.\n```bash\nsudo apt-get install -y \\\n  lrzip && torchrun train_gpt.py\n```\nWe install nothing else.\n"
    assert mentions({"train_gpt.py": TRAINER, "README.md": readme}) == [
        ("install-doc", "pip install brotli", 2),
        ("install-doc", "apt-get install -y lrzip", 4),
    ]


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("a && b || c; d | e & f", [("a",), ("b",), ("c",), ("d",), ("e",), ("f",)]),
        ("(cd x; ls 'y z')", [("cd", "x"), ("ls", "y z")]),
        ('echo "open', [("echo", '"open')]),
        ("# only a comment", []),
    ],
)
def test_simple_commands(line: str, commands: list[tuple[str, ...]]) -> None:
    assert [c.words for c in split_script(line)] == commands


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("pip list", None),
        ("pip3 install x", "install"),
        ("uv pip install x", "install"),
        ("env A=1 timeout 600 wget http://x", "download"),
        ("curl http://localhost:8000", None),
        ("rsync -a a b", None),
        ("rsync -a host:a b", "download"),
        ("git lfs pull", "download"),
        ("git lfs install", None),
        ("aws s3 cp a b", "download"),
        ("aws configure", "binary"),
        ("./build.sh", None),
        ("python -m pip install x", "install"),
        ("python -m pip list", None),
    ],
)
def test_judging_a_command(words: str, kind: str | None) -> None:
    assert [u.kind for u in uses(tuple(words.split()))] == ([kind] if kind else [])


# Trouble.


def test_files_that_cannot_be_read_are_gaps() -> None:
    from dataclasses import replace

    from rules.evidence import FileFact, FileKind

    s = submission({"train_gpt.py": TRAINER})
    more = (FileFact("helper.py", FileKind.LFS_POINTER), FileFact("gone.py"), FileFact("node_modules/a.py"))
    scripts, _, gaps = read_scripts(replace(s, package=replace(s.package, files=(*s.files, *more))))
    assert [x.path for x in scripts] == ["train_gpt.py"]
    assert {(g.file, g.what) for g in gaps} == {
        ("helper.py", "program file"),
        ("gone.py", "program file"),
        ("", "program files"),
    }


def test_an_empty_folder_and_a_notebook() -> None:
    assert read_scripts(submission({})) == ((), (), ())
    _, _, gaps = read_scripts(submission({"train.ipynb": "{}"}))
    assert [g.file for g in gaps] == ["train.ipynb"]


def test_many_files_are_read_up_to_a_limit() -> None:
    files = {f"m{i:03}.py": "x = 1\n" for i in range(320)} | {"train_gpt.py": TRAINER}
    scripts, _, gaps = read_scripts(submission(files))
    assert len(scripts) == 300
    assert gaps[0].why == "the folder holds 321; only 300 were read"
    assert scripts[0].path == "train_gpt.py"


def test_the_work_for_one_folder_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.scripts.reading.FOLDER_WORK", 50_000)
    endless = "i = 0\nwhile True: i += 1\nexec(str(i))\n"
    files = {f"m{i:02}.py": endless for i in range(20)} | {"train_gpt.py": TRAINER, "z.py": packed(TRAINER)}
    scripts, _, _ = read_scripts(submission(files))
    limits = {s.problem.split("more than ")[1] for s in scripts if s.path.startswith("m")}
    assert limits <= {"20,000 steps"} | {f"{n:,} steps" for n in range(20_000, 50_001)}
    assert next(s for s in scripts if s.path == "z.py").text == TRAINER


def test_the_bytes_read_for_one_folder_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.scripts.reading.MAX_BYTES", 1_000)
    files = {"train_gpt.py": TRAINER, "big.c": " " * 900, "small.c": " "}
    scripts, _, gaps = read_scripts(submission(files))
    assert [s.path for s in scripts] == ["train_gpt.py", "small.c"]
    assert [g.file for g in gaps] == ["big.c"]


def test_code_made_at_run_time_is_a_gap() -> None:
    _, _, gaps = read_scripts(submission({"train_gpt.py": TRAINER + "exec(input())\n"}))
    assert [(g.what, g.file) for g in gaps] == [("code that is made at run time", "train_gpt.py")]


def test_hostile_shell_and_readme_end() -> None:
    files = {
        "train_gpt.py": TRAINER,
        "run.sh": "a\\\n" * 50_000 + "'" * 100_000 + "\n" + "<<A " * 20_000 + "\n" + "$(" * 50_000,
        "README.md": ("pip install " + "a" * 100_000 + "\n") * 20 + "pip " * 100_000,
    }
    scripts, found, _ = read_scripts(submission(files))
    assert {s.role for s in scripts} == {"entry", "shell"}
    assert {m.kind for m in found} <= {"install-doc"}
