"""Shards: what is written comes back, and what is wrong with a file is said in one sentence."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator import shards
from evaluator.shards import ShardError, ShardWriter, Tokens, matching, open_shard, write_shard


def header(magic: int = shards.MAGIC, version: int = 1, count: int = 3) -> bytes:
    out = np.zeros(256, dtype="<i4")
    out[:3] = magic, version, count
    return out.tobytes()


IDS = np.array([1, 2, 3], dtype="<u2").tobytes()
WRONG = {
    "empty": (b"", "less than a header"),
    "half a header": (header()[:500], "less than a header"),
    "other magic": (header(magic=7) + IDS, "magic number 7"),
    "big-endian": (np.frombuffer(header(), "<i4").astype(">i4").tobytes() + IDS, "big-endian"),
    "version": (header(version=7) + IDS, "version 7"),
    "short": (header(count=4) + IDS, "cut short: 4 tokens announced, 3 there"),
    "far too short": (header(count=2**31 - 1) + IDS, "cut short: 2,147,483,647"),
    "half a token": (header() + IDS[:-1], "cut short"),
    "trailing": (header() + IDS + b"x", "1 bytes behind"),
    "zero": (header(count=0), "no tokens"),
    "negative": (header(count=-5) + IDS, "a count of -5"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "Git LFS pointer"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_one_clear_error(tmp_path: Path, name: str) -> None:
    content, what = WRONG[name]
    path = tmp_path / "wrong.bin"
    path.write_bytes(content)
    with pytest.raises(ShardError, match=what) as e:
        open_shard(path)
    assert "wrong.bin" in str(e.value)
    assert "\n" not in str(e.value)


def test_what_is_no_file(tmp_path: Path) -> None:
    real = write_shard(tmp_path / "real.bin", [1, 2])
    link = tmp_path / "link.bin"
    link.symlink_to(real)
    with pytest.raises(ShardError, match="symbolic link to"):
        open_shard(link)
    assert len(open_shard(link, follow_links=True)) == 2
    link.unlink()
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(ShardError, match=r"link\.bin.*No such file"):
        open_shard(link, follow_links=True)
    with pytest.raises(ShardError, match="a directory"):
        open_shard(tmp_path)
    with pytest.raises(ShardError, match=r"none\.bin.*scorefirst data"):
        open_shard(tmp_path / "none.bin")
    with pytest.raises(ShardError, match=r"none_\*\.bin: no such files"):
        Tokens.open(tmp_path / "none_*.bin")
    os.mkfifo(tmp_path / "pipe.bin")
    with pytest.raises(ShardError, match="not a regular file"):
        open_shard(tmp_path / "pipe.bin")
    with pytest.raises(ShardError, match="no shards"):
        Tokens.open([])


@given(st.lists(st.lists(st.integers(0, 65_535), min_size=1, max_size=9), min_size=1, max_size=4), st.data())
def test_a_stream_slices_like_its_array(
    tmp_path_factory: pytest.TempPathFactory, parts: Any, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("s")
    paths = [write_shard(folder / f"t_{i:06d}.bin", p) for i, p in enumerate(parts)]
    whole = np.concatenate([np.array(p, dtype=np.uint16) for p in parts])
    stream = Tokens.open(folder / "t_*.bin")
    assert [s.path for s in stream.shards] == paths
    assert len(stream) == len(whole)
    a, b = (data.draw(st.one_of(st.none(), st.integers(-len(whole) - 2, len(whole) + 2))) for _ in "ab")
    assert np.array_equal(stream[a:b], whole[a:b])
    assert stream[a:b].dtype == np.uint16
    assert np.array_equal(np.asarray(stream), whole)
    size = data.draw(st.integers(1, 12))
    assert [i for i, _ in stream.chunks(size)] == list(range(0, len(whole), size))
    assert np.array_equal(np.concatenate([c for _, c in stream.chunks(size)]), whole)


def test_a_slice_of_one_shard_is_mapped_not_read(tmp_path: Path) -> None:
    write_shard(tmp_path / "t_0.bin", np.zeros(4_000_000, dtype=np.uint16))
    tracemalloc.start()
    stream = Tokens.open(tmp_path / "t_0.bin")
    part = stream[1_000_000:3_000_000]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert len(part) == 2_000_000
    assert not part.flags.writeable


def test_ids_beyond_the_vocabulary_are_found_where_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "CHUNK", 4)
    write_shard(tmp_path / "t_0.bin", [1, 2, 3])
    write_shard(tmp_path / "t_1.bin", [1, 2, 3, 4, 5, 6, 99, 7])
    stream = Tokens.open(tmp_path / "t_*.bin", vocabulary=50)
    assert stream[:9].tolist() == [1, 2, 3, 1, 2, 3, 4, 5, 6]
    with pytest.raises(ShardError, match=r"t_1\.bin: id 99 at token 6 is beyond the vocabulary of 50"):
        stream[5:11]
    with pytest.raises(ShardError, match="id 99 at token 6"):
        stream.check()
    Tokens.open(tmp_path / "t_*.bin", vocabulary=100).check()
    with pytest.raises(ShardError, match="id 99"):
        Tokens.open(tmp_path / "t_*.bin", vocabulary=99).check()
    with pytest.raises(ShardError, match="uint16"):
        Tokens.open(tmp_path / "t_*.bin", vocabulary=70_000)
    with pytest.raises(ShardError, match="steps of 1"):
        stream[::2]


def test_a_pattern_leaves_sidecars_out_and_sees_gaps(tmp_path: Path) -> None:
    for name in ("val_000000", "val_000001", "val_bytes_000000", "val_bytes_000001"):
        write_shard(tmp_path / f"{name}.bin", [1])
    assert [p.name for p in matching(str(tmp_path / "val_*.bin"))] == ["val_000000.bin", "val_000001.bin"]
    assert len(matching(str(tmp_path / "val_bytes_*.bin"))) == 2
    write_shard(tmp_path / "val_000003.bin", [1])
    with pytest.raises(ShardError, match=r"val_000002\.bin: missing between"):
        matching(str(tmp_path / "val_*.bin"))


@pytest.mark.parametrize("ids", [[], [[1, 2]], [0.5], [-1], [65_536]])
def test_what_is_no_shard_is_not_written(tmp_path: Path, ids: Any) -> None:
    with pytest.raises(ShardError, match=r"t\.bin"):
        write_shard(tmp_path / "t.bin", ids)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_shard(tmp_path / "t.bin", [1, 2])

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ShardError, match="No space left"):
        write_shard(path, [3])
    assert open_shard(path).ids.tolist() == [1, 2]
    assert list(tmp_path.iterdir()) == [path]


@given(st.lists(st.lists(st.integers(0, 65_535), max_size=30), max_size=6), st.integers(1, 20))
def test_a_writer_numbers_its_shards(tmp_path_factory: pytest.TempPathFactory, parts: Any, size: int) -> None:
    writer = ShardWriter(tmp_path_factory.mktemp("w"), "t", size)
    for part in parts:
        writer.add(part if part else np.empty(0, dtype=np.uint16))
    paths = writer.close()
    whole = [i for p in parts for i in p]
    assert writer.tokens == len(whole)
    assert len(paths) == -(-len(whole) // size)
    if whole:
        assert Tokens.open(paths)[:].tolist() == whole
        assert all(len(open_shard(p)) == size for p in paths[:-1])
