"""Scripts that write where a rented machine would let them, and look for data where its folders would be."""

import textwrap

import pytest

pytest.importorskip("torch")

from auditor.trace.execute import Job, Traced, trace


def ran(script: str, wall_s: float = 60.0) -> Traced:
    text = textwrap.dedent(script)
    return trace(Job("train.py", {"train.py": text.encode()}, text, wall_s=wall_s))


def test_what_is_written_elsewhere_is_found_again() -> None:
    run = ran(
        """
        import os, shutil, pathlib, numpy as np, torch
        os.makedirs("/workspace/out/deep", exist_ok=True)
        os.makedirs("/workspace/out/deep", exist_ok=True)
        pathlib.Path("/runpod/logs").mkdir(parents=True, exist_ok=True)
        with open("/workspace/out/a.txt", "w") as f:
            f.write("one")
        with open("/workspace/out/a.txt", "a") as f:
            f.write(" two")
        torch.save({"w": torch.ones(2)}, "/workspace/out/deep/w.pt")
        np.save("/workspace/out/x.npy", np.arange(3))
        np.arange(5, dtype=np.uint16).tofile("/dev/shm/cache.bin")
        shutil.copy("/workspace/out/a.txt", "/runpod/logs/b.txt")
        os.replace("/runpod/logs/b.txt", "/runpod/logs/c.txt")
        print(open("/runpod/logs/c.txt").read(), pathlib.Path("/runpod/logs/c.txt").exists(), os.path.exists("/runpod/logs/b.txt"))
        print(sorted(os.listdir("/workspace/out")), os.path.getsize("/workspace/out/a.txt"))
        print(torch.load("/workspace/out/deep/w.pt")["w"].sum().item(), np.load("/workspace/out/x.npy").sum())
        print(np.fromfile("/dev/shm/cache.bin", dtype=np.uint16).tolist())
        shutil.rmtree("/workspace/out")
        print(os.path.isdir("/workspace/out"), pathlib.Path("/workspace").is_dir())
        """
    )
    assert run.outcome.ok, run.stderr
    assert run.stdout.splitlines() == [
        "one two True False",
        "['a.txt', 'deep', 'x.npy'] 7",
        "2.0 3",
        "[0, 1, 2, 3, 4]",
        "False True",
    ]


def test_a_file_that_nobody_wrote_is_not_there() -> None:
    run = ran(
        """
        import os
        for path in ("/workspace/none.txt", "none.txt", "logs/none.txt"):
            try:
                open(path)
            except FileNotFoundError as e:
                print(os.path.exists(path), e.errno)
        try:
            open("logs/none.txt", "w")
        except FileNotFoundError:
            print("no folder")
        """
    )
    assert run.outcome.ok, run.stderr
    assert run.stdout.splitlines() == ["False 2"] * 3 + ["no folder"]


def test_data_is_found_by_the_end_of_its_path() -> None:
    run = ran(
        """
        import glob, os, pathlib
        folder = pathlib.Path("../../data/datasets/fineweb10B_sp1024")
        print(folder.exists(), len(list(folder.glob("fineweb_val_*.bin"))), os.path.isdir("/root/pg/data/tokenizers"))
        print(len(glob.glob("/somewhere/data/datasets/fineweb10B_sp1024/fineweb_train_*.bin")))
        print(sorted(n[:12] for n in os.listdir("/home/me/fineweb10B_sp1024")), os.path.exists("../../outputs"))
        with open("eval.bin", "wb") as f:
            f.write(b"mine")
        with open("my_val.bin", "wb") as f:
            f.write(b"mine")
        print(open("my_val.bin", "rb").read())
        """
    )
    assert run.outcome.ok, run.stderr
    assert run.stdout.splitlines() == [
        "True 1 True",
        "1",
        "['fineweb_trai', 'fineweb_val_'] False",
        "b'mine'",
    ]
