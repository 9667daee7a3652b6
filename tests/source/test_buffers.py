"""Loaders that fill memory, or show a file as memory: the tokens keep their places whichever way they came in."""

from __future__ import annotations

import pytest

from auditor.gather import gather
from rules.events import EventKind, Program, Sight, Split
from rules.order import conflicts
from rules.samples.programs import HEAD, program
from tests.support import submission

START = "def load_tokens"
END = "class Model"
LOADERS = {
    "readinto a tensor": """\
def load_one(path):
    out = torch.empty(1_000_000, dtype=torch.uint16)
    with open(path, "rb", buffering=0) as f:
        f.seek(1024)
        if f.readinto(out.numpy()) != 2_000_000:
            raise ValueError("short")
    return out.long()
""",
    "readinto bytes": """\
def load_one(path):
    room = bytearray(2_000_000)
    with open(path, "rb") as f:
        f.seek(1024)
        f.readinto(memoryview(room))
    return torch.frombuffer(room, dtype=torch.uint16).long()
""",
    "memory map": """\
def load_one(path):
    import mmap

    f = open(path, "rb")
    view = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
    return torch.from_numpy(np.frombuffer(view, dtype=np.uint16, offset=1024).astype(np.int64))
""",
    "file descriptor": """\
def load_one(path):
    raw = os.read(os.open(path, os.O_RDONLY), 10_000_000)
    return torch.from_numpy(np.frombuffer(raw, dtype=np.uint16)[512:].astype(np.int64))
""",
    "array": """\
def load_one(path):
    import array

    out = array.array("H")
    with open(path, "rb") as f:
        out.fromfile(f, 1_000_000)
    return torch.tensor(out, dtype=torch.long)[512:]
""",
    "struct": """\
def load_one(path):
    import struct

    raw = open(path, "rb").read()
    return torch.tensor(struct.unpack(f"<{len(raw) // 2}H", raw))[512:]
""",
    "copied": """\
def load_one(path):
    raw = np.fromfile(path, dtype=np.uint16)[512:]
    out = np.empty(raw.shape, dtype=np.uint16)
    np.copyto(out, raw)
    return torch.from_numpy(out.astype(np.int64))
""",
}
SCORE_FIRST = """\
def evaluate(model, val_tokens, seq=1024):
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        with torch.no_grad():
            total += F.cross_entropy(model(x), y, reduction="sum").item()
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return total
"""
FIT_FIRST = SCORE_FIRST.replace(
    """\
        with torch.no_grad():
            total += F.cross_entropy(model(x), y, reduction="sum").item()
""",
    "",
).replace(
    "        optimizer.step()\n",
    """\
        optimizer.step()
        with torch.no_grad():
            total += F.cross_entropy(model(x), y, reduction="sum").item()
""",
)


def read(loader: str, body: str) -> Program:
    many = """\

def load_tokens(split):
    return torch.cat([load_one(f) for f in sorted(glob.glob(os.path.join(DATA, f"fineweb_{split}_*.bin")))])


"""
    head = HEAD[: HEAD.index(START)] + loader + "\n" + many + HEAD[HEAD.index(END) :]
    found = gather(submission({"train_gpt.py": program(body, head=head)})).program
    assert found is not None
    assert found.finished
    return found


def hit(p: Program) -> int:
    by_id = {e.id: e for e in p.events}
    return sum(1 for h in p.headline for _ in conflicts(p, by_id[h]))


@pytest.mark.parametrize("name", LOADERS)
def test_tokens_keep_their_places(name: str) -> None:
    p = read(LOADERS[name], SCORE_FIRST)
    scores = [e for e in p.events if e.kind is EventKind.SCORE]
    assert p.headline
    assert scores
    assert all(s.split is Split.VALIDATION for e in scores for s in e.slices)
    assert hit(p) == 0
    assert not [o for o in p.observations if o.sight is Sight.TARGET_GATE]


@pytest.mark.parametrize("name", LOADERS)
def test_a_fit_before_the_score_is_found(name: str) -> None:
    assert hit(read(LOADERS[name], FIT_FIRST)) > 0


STREAM = """\
class Stream:
    def __init__(self, split):
        self.files = sorted(glob.glob(os.path.join(DATA, f"fineweb_{split}_*.bin")))
        self.at, self.here = 0, 0
        self.tokens = load_one(self.files[0])

    def take(self, n):
        pieces = []
        while n > 0:
            left = self.tokens.numel() - self.here
            if left <= 0:
                self.at = (self.at + 1) % len(self.files)
                self.tokens, self.here = load_one(self.files[self.at]), 0
                continue
            k = min(n, left)
            pieces.append(self.tokens[self.here : self.here + k])
            self.here += k
            n -= k
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    stream = Stream("val")
    total = 0.0
    for _ in range(int(os.environ.get("VAL_STEPS", 500))):
        piece = stream.take(seq + 1)
        total += F.cross_entropy(model(piece[:-1]), piece[1:], reduction="sum").item()
    return total
"""


def test_a_stream_of_pieces_is_one_run() -> None:
    p = read(LOADERS["readinto a tensor"], STREAM)
    assert p.headline
    assert not [o for o in p.observations if o.sight is Sight.TARGET_GATE]
