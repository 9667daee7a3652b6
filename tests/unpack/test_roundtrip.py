"""unpack ∘ pack is the identity, over encodings, compressors, spellings and nesting."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.unpack import unpack
from tests.unpack.packer import COMPRESSORS, ENCODINGS, NAMES, SINKS, Way, pack, steps

PROGRAM = (
    "# A program long enough not to be taken for glue between the parts of a wrapper.\n" * 3
    + "import sys\nVALUE = 'ä€😀'\n\n\ndef main():\n    sys.stdout.write(ascii(VALUE))\n\n\nmain()\n"
)

ways = st.builds(
    Way,
    encoding=st.sampled_from(sorted(ENCODINGS)),
    compressor=st.sampled_from(sorted(COMPRESSORS)),
    names=st.sampled_from(NAMES),
    sink=st.sampled_from(sorted(SINKS)),
)
programs = st.builds(
    lambda value, name, extra: f"{name} = {value!r}\n" + "".join(f"print({name}, {e})\n" for e in extra) + PROGRAM,
    value=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    name=st.from_regex(r"[a-z]{1,8}_", fullmatch=True),
    extra=st.lists(st.integers(), max_size=5),
)


def nothing(path: str) -> bytes | None:
    return None


def opened(source: str) -> str:
    found = unpack(source.encode(), "train_gpt.py", nothing)
    assert found.problem == ""
    assert found.shipped_text == source
    return found.text


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
@pytest.mark.parametrize("compressor", ["none", "xz", "zlib"])
def test_every_encoding(encoding: str, compressor: str) -> None:
    way = Way(encoding=encoding, compressor=compressor)
    found = unpack(pack(PROGRAM, way).encode(), "train_gpt.py", nothing)
    assert (found.text, found.problem) == (PROGRAM, "")
    if steps(way):
        assert [s for s in found.layers[0].steps if s in steps(way)] == steps(way)


@pytest.mark.parametrize("compressor", sorted(COMPRESSORS))
@pytest.mark.parametrize("names", NAMES)
def test_every_compressor_under_every_name(compressor: str, names: str) -> None:
    assert opened(pack(PROGRAM, Way(compressor=compressor, names=names))) == PROGRAM


@pytest.mark.parametrize("sink", sorted(SINKS))
@pytest.mark.parametrize("names", NAMES)
def test_every_way_to_execution(sink: str, names: str) -> None:
    assert opened(pack(PROGRAM, Way(sink=sink, names=names))) == PROGRAM


@settings(max_examples=100, deadline=None)
@given(program=programs, way=ways)
def test_one_layer(program: str, way: Way) -> None:
    found = unpack(pack(program, way).encode(), "train_gpt.py", nothing)
    assert (found.text, found.problem, len(found.layers)) == (program, "", 1)
    assert found.layers[0].size == len(program.encode())


@settings(max_examples=25, deadline=None)
@given(program=programs, nest=st.lists(ways, min_size=2, max_size=4))
def test_nested_layers(program: str, nest: list[Way]) -> None:
    source = program
    for way in nest:
        source = pack(source, way)
    found = unpack(source.encode(), "train_gpt.py", nothing)
    assert (found.text, found.problem, len(found.layers)) == (program, "", len(nest))


@settings(max_examples=30, deadline=None)
@given(program=programs)
def test_plain_source_stays_as_it_is(program: str) -> None:
    found = unpack(program.encode(), "train_gpt.py", nothing)
    assert (found.text, found.shipped_text, found.layers, found.problem) == (program, program, (), "")


@pytest.mark.parametrize("sink", ["exec", "runpy", "spec", "import", "class", "function-type", "reduce", "if"])
def test_the_packer_writes_scripts_that_really_run(sink: str, tmp_path: object) -> None:
    """Our own scripts are run here, so that the round trip is one through Python and not through our ideas."""
    source = pack(PROGRAM, Way(sink=sink, encoding="map", compressor="lzma-raw2"))
    ast.parse(source)
    run = subprocess.run(
        [sys.executable, "-c", f"__file__='{tmp_path}/train_gpt.py'\n{source}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stdout == ascii("ä€😀"), run.stderr
