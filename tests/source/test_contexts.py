"""Tables of many kinds: what their contexts hold, and when they are filled; each legal form has twins that are not."""

from __future__ import annotations

import pytest

from rules.samples.scripts import HEAD
from tests.source.test_answers import LOOP
from tests.source.test_mixtures import END, accused

TEXT_KEYS = """\
class Memory:
    def __init__(self):
        self.seen = {}

    def blend(self, row, ids, pos, share=0.2):
        p = row[ids[pos]]
        name = f"{ids[pos - 2]}-{ids[pos - 1]}"
        table = self.seen.get(name)
        if table is None:
            return p
        return (1 - share) * p + share * table.get(ids[pos], 0) / sum(table.values())

    def learn(self, ids, pos):
        name = f"{ids[pos - 2]}-{ids[pos - 1]}"
        table = self.seen.setdefault(name, {})
        table[ids[pos]] = table.get(ids[pos], 0) + 1
"""

TEXT_KEYS += "\n\n" + LOOP

BYTES_KEYS_AND_COUNTERS = """\
from collections import Counter


def evaluate(model, val, n=4, share=0.25):
    total, tables = 0.0, {}
    ids = val.cpu().numpy().astype(np.uint16)
    with torch.no_grad():
        for i in range(0, len(ids) - 1, SEQ):
            p = torch.exp(-nll(model, val[i : i + SEQ + 1])).cpu().numpy()
            for j in range(len(p)):
                t = i + j + 1
                if t >= n:
                    ctx = ids[t - n : t].tobytes()
                    c = tables.get(ctx)
                    if c:
                        p[j] = (1 - share) * p[j] + share * c[int(ids[t])] / sum(c.values())
                total -= np.log(p[j])
            for j in range(len(p)):
                t = i + j + 1
                if t >= n:
                    tables.setdefault(ids[t - n : t].tobytes(), Counter())[int(ids[t])] += 1
    return total / (len(ids) - 1)
"""

NESTED_DEFAULTDICTS = """\
from collections import defaultdict


class Memory:
    def __init__(self):
        self.table = defaultdict(lambda: defaultdict(int))

    def blend(self, row, ids, pos, share=0.2):
        found = self.table[tuple(ids[pos - 3 : pos])]
        n = sum(found.values())
        p = row[ids[pos]]
        return (1 - share) * p + share * found[ids[pos]] / n if n else p

    def learn(self, ids, pos):
        self.table[tuple(ids[pos - 3 : pos])][ids[pos]] += 1
"""

NESTED_DEFAULTDICTS += "\n\n" + LOOP

BISECT = """\
import bisect


class Memory:
    def __init__(self):
        self.keys = []
        self.ctx = []

    def blend(self, row, ids, pos, share=0.2):
        k = ids[pos - 1] * VOCAB + ids[pos]
        n = bisect.bisect_right(self.keys, k) - bisect.bisect_left(self.keys, k)
        c = bisect.bisect_right(self.ctx, ids[pos - 1]) - bisect.bisect_left(self.ctx, ids[pos - 1])
        return (1 - share) * row[ids[pos]] + share * (n + 0.1) / (c + 0.1 * VOCAB)

    def learn(self, ids, pos):
        bisect.insort(self.keys, ids[pos - 1] * VOCAB + ids[pos])
        bisect.insort(self.ctx, ids[pos - 1])
"""

BISECT += "\n\n" + LOOP

TORCH_SEARCHSORTED = """\
def evaluate(model, val, share=0.2):
    total = 0.0
    store = torch.zeros(0, dtype=torch.long, device=DEVICE)
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            x, y = span[:-1], span[1:]
            own = torch.exp(-nll(model, span))
            code = x * VOCAB + y
            n = torch.searchsorted(store, code, right=True) - torch.searchsorted(store, code)
            c = torch.searchsorted(store, (x + 1) * VOCAB) - torch.searchsorted(store, x * VOCAB)
            total -= ((1 - share) * own + share * (n + 0.1) / (c + 0.1 * VOCAB)).log().sum().item()
            store = torch.cat([store, code]).sort().values
    return total / (len(val) - 1)
"""

RECENT_TOKENS = """\
from collections import deque


def evaluate(model, val, size=512, share=0.1):
    total = 0.0
    recent = deque(maxlen=size)
    ids = val.tolist()
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            own = torch.exp(-nll(model, val[i : i + SEQ + 1])).tolist()
            for j, p in enumerate(own):
                y = ids[i + j + 1]
                if recent:
                    p = (1 - share) * p + share * recent.count(y) / len(recent)
                total -= np.log(p)
                recent.append(y)
    return total / (len(val) - 1)
"""

ESCAPE_COUNTS = """\
from collections import Counter, defaultdict


class Memory:
    def __init__(self):
        self.rows = [defaultdict(Counter) for _ in range(4)]

    def chance(self, ids, pos):
        left = 1.0
        for n in (3, 2, 1):
            c = self.rows[n].get(tuple(ids[pos - n : pos]))
            if not c:
                continue
            whole = sum(c.values()) + len(c)
            if ids[pos] in c:
                return left * c[ids[pos]] / whole
            left *= len(c) / whole
        return left / VOCAB

    def blend(self, row, ids, pos, share=0.3):
        return (1 - share) * row[ids[pos]] + share * self.chance(ids, pos)

    def learn(self, ids, pos):
        for n in (1, 2, 3):
            self.rows[n][tuple(ids[pos - n : pos])][ids[pos]] += 1
"""

ESCAPE_COUNTS += "\n\n" + LOOP

PYTHON_HASHES_OF_CONTEXTS = """\
class Memory:
    def __init__(self, size=1 << 16):
        self.size = size
        self.rows = np.zeros((size, VOCAB), dtype=np.float32)

    def at(self, ids, pos):
        return hash(tuple(ids[pos - 3 : pos])) % self.size

    def blend(self, row, ids, pos, share=0.2):
        c = self.rows[self.at(ids, pos)]
        q = (c + 0.05) / (c.sum() + 0.05 * VOCAB)
        return ((1 - share) * row + share * q)[ids[pos]]

    def learn(self, ids, pos):
        self.rows[self.at(ids, pos), ids[pos]] += 1.0
"""

PYTHON_HASHES_OF_CONTEXTS += "\n\n" + LOOP

SORTED_SUFFIXES = """\
def evaluate(model, val, share=0.1, n=6):
    total = 0.0
    ids = val.tolist()
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            rows = F.softmax(model(val[i : i + SEQ + 1][None, :-1])[0].float(), -1)
            order = sorted((tuple(ids[s : s + n]), ids[s + n]) for s in range(max(0, i - n)))
            for j in range(len(rows)):
                t = i + j + 1
                key = tuple(ids[t - n : t])
                at = bisect.bisect_left(order, (key, -1))
                row = rows[j]
                if at < len(order) and order[at][0] == key:
                    row = (1 - share) * row
                    row[order[at][1]] += share
                total -= row[ids[t]].log().item()
    return total / (len(val) - 1)


import bisect
"""

LEGAL = {
    "text keys": TEXT_KEYS,
    "bytes keys and counters": BYTES_KEYS_AND_COUNTERS,
    "nested defaultdicts": NESTED_DEFAULTDICTS,
    "bisect": BISECT,
    "torch.searchsorted": TORCH_SEARCHSORTED,
    "recent tokens": RECENT_TOKENS,
    "escape counts": ESCAPE_COUNTS,
    "python hashes of contexts": PYTHON_HASHES_OF_CONTEXTS,
    "longest match in the past by sorted suffixes": SORTED_SUFFIXES,
}

TWINS = {
    "text keys: name with target": (
        TEXT_KEYS,
        'name = f"{ids[pos - 2]}-{ids[pos - 1]}"\n        table = self.seen.get',
        'name = f"{ids[pos - 1]}-{ids[pos]}"\n        table = self.seen.get',
        "C1",
    ),
    "text keys: learn first": (
        TEXT_KEYS,
        "                total -= np.log(memory.blend(rows[k], ids, pos))\n                memory.learn(ids, pos)",
        "                memory.learn(ids, pos)\n                total -= np.log(memory.blend(rows[k], ids, pos))",
        "C3",
    ),
    "bytes keys and counters: cut late": (
        BYTES_KEYS_AND_COUNTERS,
        "ctx = ids[t - n : t].tobytes()",
        "ctx = ids[t - n + 1 : t + 1].tobytes()",
        "C1",
    ),
    "bytes keys and counters: filled before": (
        BYTES_KEYS_AND_COUNTERS,
        "            p = torch.exp(",
        "            for t in range(max(i + 1, n), min(i + SEQ + 1, len(ids))):\n                tables.setdefault(ids[t - n : t].tobytes(), Counter())[int(ids[t])] += 1\n            p = torch.exp(",
        "C3",
    ),
    "nested defaultdicts: late": (
        NESTED_DEFAULTDICTS,
        "found = self.table[tuple(ids[pos - 3 : pos])]",
        "found = self.table[tuple(ids[pos - 2 : pos + 1])]",
        "C1",
    ),
    "nested defaultdicts: learn first": (
        NESTED_DEFAULTDICTS,
        "                total -= np.log(memory.blend(rows[k], ids, pos))\n                memory.learn(ids, pos)",
        "                memory.learn(ids, pos)\n                total -= np.log(memory.blend(rows[k], ids, pos))",
        "C3",
    ),
    "bisect: learn first": (
        BISECT,
        "                total -= np.log(memory.blend(rows[k], ids, pos))\n                memory.learn(ids, pos)",
        "                memory.learn(ids, pos)\n                total -= np.log(memory.blend(rows[k], ids, pos))",
        "C3",
    ),
    "torch.searchsorted: whole stream": (
        TORCH_SEARCHSORTED,
        "store = torch.zeros(0, dtype=torch.long, device=DEVICE)",
        "store = (val[:-1] * VOCAB + val[1:]).sort().values",
        "C3",
    ),
    "torch.searchsorted: chunk first": (
        TORCH_SEARCHSORTED,
        "            n = torch.searchsorted(store, code, right",
        "            store = torch.cat([store, code]).sort().values\n            n = torch.searchsorted(store, code, right",
        "C3",
    ),
    "recent tokens: append first": (
        RECENT_TOKENS,
        "                if recent:",
        "                recent.append(y)\n                if recent:",
        "C3",
    ),
    "escape counts: no escape": (
        ESCAPE_COUNTS,
        "            whole = sum(c.values()) + len(c)\n            if ids[pos] in c:\n                return left * c[ids[pos]] / whole\n            left *= len(c) / whole",
        "            whole = sum(c.values())\n            if c[ids[pos]] > 0:\n                return c[ids[pos]] / whole",
        "C1",
    ),
    "escape counts: late": (
        ESCAPE_COUNTS,
        "c = self.rows[n].get(tuple(ids[pos - n : pos]))",
        "c = self.rows[n].get(tuple(ids[pos - n + 1 : pos + 1]))",
        "C1",
    ),
    "python hashes of contexts: late": (
        PYTHON_HASHES_OF_CONTEXTS,
        "return hash(tuple(ids[pos - 3 : pos])) % self.size",
        "return hash(tuple(ids[pos - 2 : pos + 1])) % self.size",
        "C1",
    ),
    "python hashes of contexts: learn first": (
        PYTHON_HASHES_OF_CONTEXTS,
        "                total -= np.log(memory.blend(rows[k], ids, pos))\n                memory.learn(ids, pos)",
        "                memory.learn(ids, pos)\n                total -= np.log(memory.blend(rows[k], ids, pos))",
        "C3",
    ),
    "longest match in the past by sorted suffixes: of everything": (
        SORTED_SUFFIXES,
        "for s in range(max(0, i - n)))",
        "for s in range(len(ids) - n))",
        "C3",
    ),
}


@pytest.mark.parametrize("name", LEGAL)
def test_a_legal_form_is_not_accused(name: str) -> None:
    assert accused(HEAD + LEGAL[name] + END) == {}


@pytest.mark.parametrize("name", TWINS)
def test_its_twin_is_accused_by_the_rule_that_it_breaks(name: str) -> None:
    legal, old, new, rule = TWINS[name]
    assert old in legal
    assert rule in accused(HEAD + legal.replace(old, new) + END)
