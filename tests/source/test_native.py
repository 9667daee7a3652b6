"""The token being scored in C, C++ and CUDA: twins of our own writing, legal and not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.source.native import tree
from auditor.source.native.sources import native_findings, native_observations, sources
from auditor.source.native.values import Lin, furthest, symbol
from rules.events import Observation, Sight
from rules.evidence import Script


def script(text: str, path: str = "state.c", role: str = "native") -> Script:
    return Script(path, role, "", len(text), text=text)


def seen(text: str, path: str = "state.c") -> tuple[Observation, ...]:
    return native_observations((script(text, path),))


def faults(text: str, path: str = "state.c") -> set[tuple[str, str, bool]]:
    """(sight, output, certain) of what is not allowed."""
    return {(o.sight.value, o["name"], o.certain) for o in seen(text, path) if not o.ok}


def tilts(text: str, path: str = "state.c") -> set[str]:
    return {o["name"] for o in seen(text, path) if o.ok and o.sight is Sight.TILT}


# A bigram memory: the word before says which word comes, and how strongly to believe it.
BIGRAM = """
#include <stdint.h>
typedef struct {{ uint16_t guess[65536]; uint16_t last; uint32_t run; float strength; }} Memo;

int fill(Memo *memo, const uint16_t *stream, long count, const uint8_t *opens, uint16_t *hint, float *gate) {{
    for (long at = 0; at < count; ++at) {{
        {body}
    }}
    return 0;
}}
"""

LOOKUP = "hint[at] = memo->guess[memo->last];"
LEARN = "memo->guess[memo->last] = stream[at]; memo->last = stream[at];"

LEGAL = {
    "hint, then learn": f"{LOOKUP} gate[at] = memo->strength; {LEARN}",
    "gate by the token before": f"{LOOKUP} gate[at] = opens[memo->last] ? 0.0f : memo->strength; {LEARN}",
    "gate by the token before, indexed": f"{LOOKUP} gate[at] = at > 0 && opens[stream[at - 1]] ? memo->strength : 0.f; {LEARN}",
    "gate by state learned before": f"{LOOKUP} gate[at] = memo->run > 2 ? memo->strength : 0.f; {LEARN} if (opens[stream[at]]) memo->run = 0; else memo->run++;",
    "the token read early, used late": f"uint16_t now = stream[at]; {LOOKUP} gate[at] = memo->strength; memo->guess[memo->last] = now; memo->last = now;",
    "a range check of the token": f"int now = stream[at]; if (now < 0 || now >= 50000) continue; {LOOKUP} gate[at] = memo->strength; {LEARN}",
    "bytes counted beside": f"{LOOKUP} gate[at] = memo->strength; {LEARN}",
}

ILLEGAL = {
    "gate by the token itself": (f"{LOOKUP} gate[at] = opens[stream[at]] ? 0.0f : memo->strength; {LEARN}", "gate"),
    "hint by the token itself": (
        f"if (opens[stream[at]]) {LOOKUP} else hint[at] = 0; gate[at] = memo->strength; {LEARN}",
        "hint",
    ),
    "through a variable": (
        f"const uint8_t o = opens[stream[at]]; {LOOKUP} gate[at] = memo->strength * (1 - o) * (memo->run > 1); {LEARN}",
        "gate",
    ),
    "by pointer arithmetic": (
        f"{LOOKUP} uint8_t o = *(opens + *(stream + at)); gate[at] = o ? memo->strength * memo->run : 0; {LEARN}",
        "gate",
    ),
    "an early continue": (
        f"if (opens[stream[at]]) {{ memo->last = stream[at]; continue; }} {LOOKUP} gate[at] = memo->strength; {LEARN}",
        "hint",
    ),
    "state changed first": (
        f"memo->run = opens[stream[at]] ? 0 : memo->run + 1; {LOOKUP} gate[at] = memo->run > 2 ? memo->strength : 0.f; {LEARN}",
        "gate",
    ),
    "learned under the same key first": (
        "uint16_t key = memo->last; memo->guess[key] = stream[at]; hint[at] = memo->guess[key]; gate[at] = memo->strength; memo->last = stream[at];",
        "hint",
    ),
    "one token further": (
        f"{LOOKUP} gate[at] = opens[stream[at + 1]] ? memo->strength * memo->run : 0.f; {LEARN}",
        "gate",
    ),
}


@pytest.mark.parametrize("name", LEGAL)
def test_legal_bigram(name: str) -> None:
    text = BIGRAM.format(body=LEGAL[name])
    assert faults(text) == set()
    assert "hint" in tilts(text)


@pytest.mark.parametrize("name", ILLEGAL)
def test_illegal_bigram(name: str) -> None:
    body, output = ILLEGAL[name]
    found = faults(BIGRAM.format(body=body))
    sight = "non-causal" if name == "one token further" else "target-gate"
    assert (sight, output, True) in found


def test_place_and_path() -> None:
    body, _ = ILLEGAL["gate by the token itself"]
    text = BIGRAM.format(body=body.replace("; ", ";\n"))
    (gate,) = [o for o in seen(text) if not o.ok]
    lines = text.split("\n")
    assert gate.at.file == "state.c"
    assert "gate[at] =" in lines[(gate.at.line or 0) - 1]
    assert gate.path[0].what == "reads stream[i]"
    assert "stream[at]" in lines[(gate.path[0].at.line or 0) - 1]
    assert gate["function"] == "fill"
    assert gate["switch"] == "strength"


def test_predicting_the_next_token_is_no_fault() -> None:
    """Twin of the bigram in which position i holds the input: its own class may gate what comes after it."""
    body = "memo->guess[memo->last] = stream[at]; memo->last = stream[at]; hint[at] = memo->guess[stream[at]]; gate[at] = opens[stream[at]] ? 0.f : memo->strength;"
    assert faults(BIGRAM.format(body=body)) == set()


HELPERS = """
#define CLASS_OF(lut, tok) ((lut)[(tok)])
#define CUR(p) (*(p))
typedef struct {{ unsigned long key; unsigned short best; unsigned hits; }} Slot;
typedef struct {{ Slot *slots; unsigned long mask; unsigned long trail; int depth; }} State;
static unsigned long scramble(unsigned long x) {{ x ^= x >> 31; return x * 0x9E3779B97F4A7C15ULL; }}
static Slot *find(State *s, unsigned long key) {{
    unsigned long j = scramble(key) & s->mask;
    while (s->slots[j].hits) {{ if (s->slots[j].key == key) return &s->slots[j]; j = (j + 1) & s->mask; }}
    return 0;
}}
static void learn(State *s, unsigned long key, unsigned short tok) {{
    unsigned long j = scramble(key) & s->mask;
    while (s->slots[j].hits && s->slots[j].key != key) j = (j + 1) & s->mask;
    s->slots[j].key = key;
    s->slots[j].best = tok;
    s->slots[j].hits++;
}}
void run(State *s, const unsigned short *seq, int n, const unsigned char *word_start, unsigned short *guess, float *belief) {{
    const unsigned short *p = seq;
    int i = 0;
    while (i < n) {{
        unsigned short seen_now = CUR(p + i);
        unsigned long key = s->trail;
        Slot *slot = {condition} ? find(s, key) : 0;
        guess[i] = slot ? slot->best : 0;
        belief[i] = slot ? (float)slot->hits : 0.0f;
        learn(s, key, seen_now);
        s->trail = (s->trail << 16) | seen_now;
        i++;
    }}
}}
"""


def test_helpers_macros_and_while() -> None:
    good = HELPERS.format(condition="s->depth > 0")
    bad = HELPERS.format(condition="!CLASS_OF(word_start, seen_now)")
    before = HELPERS.format(condition="!CLASS_OF(word_start, seq[i - 1])")
    assert faults(good) == faults(before) == set()
    assert {"guess", "belief"} <= {o for _, o, _ in faults(bad)}
    assert "guess" in tilts(good)


CLASS = """
#include <cstdint>
#include <vector>
struct Table {{
    std::vector<int> best; std::vector<int> seen;
    void look(uint64_t k, int& tok, double& sure) const {{
        uint64_t j = k % best.size();
        if (seen[j] > 1) {{ tok = best[j]; sure = 1.0; return; }}
        tok = -1; sure = 0.0;
    }}
    void put(uint64_t k, int tok) {{ uint64_t j = k % best.size(); best[j] = tok; seen[j]++; }}
}};
class Guesser {{
    Table far_, near_;
    const int64_t* ids_ = nullptr;
    const uint8_t* edge_ = nullptr;
    double far_weight_, near_weight_;
    uint64_t inner_ = 0;
    uint64_t back(int64_t p) {{ uint64_t h = 7; for (int k = 0; k < 4; k++) h = h * 31 + ids_[p - k - 1]; return h; }}
public:
    Guesser(double far_weight, double near_weight) : far_weight_(far_weight), near_weight_(near_weight) {{}}
    void batch(const int64_t* where, int n, int32_t* hints, double* weights) {{
        for (int i = 0; i < n; i++) {{
            int64_t p = where[i];
            auto id = int(ids_[p]);
            bool edge = edge_[{at}];
            int a, b; double sa, sb;
            far_.look(back(p), a, sa);
            near_.look(inner_, b, sb);
            if (edge) {{ b = -1; sb = 0.0; }}
            hints[i] = b >= 0 ? b : a;
            weights[i] = b >= 0 ? sb * near_weight_ : sa * far_weight_;
            far_.put(back(p), id);
            near_.put(inner_, id);
            inner_ = edge_[id] ? 0 : inner_ * 31 + id;
        }}
    }}
}};
"""


def test_class_with_positions() -> None:
    assert faults(CLASS.format(at="id"), "guess.cpp") >= {
        ("target-gate", "hints", True),
        ("target-gate", "weights", True),
    }
    assert faults(CLASS.format(at="ids_[p - 1]"), "guess.cpp") == set()
    assert tilts(CLASS.format(at="ids_[p - 1]"), "guess.cpp") >= {"hints"}
    (weights,) = [o for o in seen(CLASS.format(at="id"), "guess.cpp") if o["name"] == "weights"]
    assert {"near_weight", "far_weight"} <= set(weights["switch"].split(", "))


STEP = """
typedef struct {{ int after[4096]; int prev; float boost; int *edges; }} Pair;
void step(Pair *s, int sym, int *hint, float *gate) {{
    {body}
    s->after[s->prev] = sym;
    s->prev = sym;
}}
"""


def test_one_token_at_a_time() -> None:
    legal = "*hint = s->after[s->prev]; *gate = s->edges[s->prev] ? 0 : s->boost;"
    illegal = "*hint = s->after[s->prev]; *gate = s->edges[sym] ? 0 : s->boost;"
    assert faults(STEP.format(body=legal)) == set()
    assert "gate" in {o for _, o, _ in faults(STEP.format(body=illegal))}


RATIO = """
#include <stdint.h>
#include <math.h>
static uint32_t *ctx_hits, *pair_hits;
void blend(const int64_t *y, const double *model_nll, int64_t n, double w, double *out) {{
    for (int64_t i = 2; i < n; i++) {{
        uint64_t h = (uint64_t)y[i - 1] * 0x9E3779B1u ^ (uint64_t)y[i - 2] * 0x85EBCA77u;
        uint64_t c = h & 0xFFFFF;
        uint64_t f = {key};
        double p = (double){num} / (double)(ctx_hits[c] + 1);
        out[i] = -log((1.0 - w) * exp(-model_nll[i]) + w * p);
        ctx_hits[c]++; pair_hits[(h ^ (uint64_t)y[i] * 0xC2B2AE3Du) & 0xFFFFF]++;
    }}
}}
"""


def test_token_in_the_key() -> None:
    bad = RATIO.format(key="(h ^ (uint64_t)y[i] * 0xC2B2AE3Du) & 0xFFFFF", num="pair_hits[f]")
    good = RATIO.format(key="(h ^ (uint64_t)y[i - 1] * 0xC2B2AE3Du) & 0xFFFFF", num="pair_hits[f]")
    assert ("target-in-key", "out", True) in faults(bad)
    assert faults(good) == set()


SCORED = """
#include <stdint.h>
#include <math.h>
typedef struct {{ uint32_t seen[1 << 20]; uint32_t total[1 << 10]; uint16_t prev; }} Counts;
void mixed(Counts *c, const float *logp, const uint16_t *truth, const uint8_t *starts, int n, int V, float base, float *nll) {{
    for (int t = 0; t < n; t++) {{
        uint16_t y = truth[t];
        float lp = logp[t * V + y];
        float ng = (c->seen[c->prev * 1024 + y] + 0.1f) / (c->total[c->prev] + 102.4f);
        float w = {weight};
        nll[t] = -logf((1.0f - w) * expf(lp) + w * ng);
        c->seen[c->prev * 1024 + y]++; c->total[c->prev]++; c->prev = y;
    }}
}}
"""


def test_scoring_needs_the_token_but_its_weight_does_not() -> None:
    assert faults(SCORED.format(weight="base")) == set()
    assert faults(SCORED.format(weight="starts[c->prev] ? base : 0.1f")) == set()
    assert ("target-gate", "nll", True) in faults(SCORED.format(weight="starts[y] ? base : 0.1f"))


SPREAD = """
#include <stdint.h>
#include <math.h>
double score(const int64_t *tgt, const double *nll, int64_t n, const int32_t *len, const double *byte_lp, double w) {{
    double sum = 0; long b = 0;
    for (int64_t i = 0; i < n; i++) {{
        double part = {part};
        for (int j = 0; j < len[tgt[i]]; j++) {{ sum -= log(w * exp(part) + (1 - w) * exp(byte_lp[b])); b++; }}
    }}
    return sum;
}}
"""


def test_evenly_spread_bytes() -> None:
    assert {s for s, _, _ in faults(SPREAD.format(part="-nll[i] / (double)len[tgt[i]]"))} == {"spread-bytes"}
    assert faults(SPREAD.format(part="-nll[i]")) == set()


def test_names_alone_are_never_certain() -> None:
    text = """
void gates(const int *targets, const unsigned char *edge, float *gate, int *n_bytes, const int *lens, int n) {
    for (int i = 0; i < n; i++) { gate[i] = edge[targets[i]] ? 0.f : 1.f; n_bytes[i] = lens[targets[i]]; }
}
"""
    assert faults(text) == {("target-gate", "gate", False)}
    assert faults(text.replace("targets", "xs")) == set()


def test_window_of_earlier_tokens() -> None:
    """Keys over windows that end before the token, and one that ends with it."""
    text = """
typedef unsigned long u64;
static u64 digest(const int *part, int k) {{ u64 h = 5; for (int j = 0; j < k; j++) h = (h ^ part[j]) * 1099511628211UL; return h; }}
static int memory[4096];
void walk(const int *tok, int n, int k, const int *cls, int *pred, int *use) {{
    for (int i = k; i < n; i++) {{
        u64 h = digest(&tok[i - k], k);
        pred[i] = memory[h % 4096];
        use[i] = {use};
        memory[h % 4096] = tok[i];
    }}
}}
"""
    assert faults(text.format(use="memory[h % 4096] > 0")) == set()
    assert "pred" in tilts(text.format(use="memory[h % 4096] > 0"))
    assert ("target-gate", "use", True) in faults(text.format(use="memory[h % 4096] > 0 && cls[tok[i]]"))


def test_inside_python() -> None:
    body, _ = ILLEGAL["gate by the token itself"]
    text = "import ctypes\n\nCODE = r'''" + BIGRAM.format(body=body) + "'''\n\nprint(CODE)\n"
    found = native_observations((script(text, "train_gpt.py", "entry"),))
    (gate,) = [o for o in found if not o.ok]
    assert gate.at.file == "train_gpt.py"
    assert "gate[at] =" in text.split("\n")[(gate.at.line or 0) - 1]
    assert gate.at.text in text


def test_native_text_on_one_line_is_shown_with_its_own_lines() -> None:
    text = BIGRAM.format(body=f"{LOOKUP}\n        gate[at] = opens[stream[at]];\n        {LEARN}")
    python = f"import ctypes\nSOURCE = {text!r}\n"
    found = native_observations((script(python, "train_gpt.py", "entry"),))
    line = text.splitlines().index("        gate[at] = opens[stream[at]];") + 1
    shown = {o.at.text for o in found if o["name"] == "gate"}
    assert shown == {f"gate[at] = opens[stream[at]]; (line {line} of the native text)"}
    assert {o.at.line for o in found} == {2}


def test_python_without_native_text_costs_nothing() -> None:
    text = "x = 1\n" * 5000
    assert list(sources(script(text, "train_gpt.py", "entry"))) == []
    doc = '"""Explains: f(x); g(y); h(z);\n\n int main is a phrase\n"""\n'
    assert native_observations((script(doc, "train_gpt.py", "entry"),)) == ()


def test_preprocessing_keeps_lines() -> None:
    text = "#define A(x) ((x) + 1)\n/* one\n two */\nint f(void) {\n#if 0\n  broken {\n#else\n  return A(\n 2);\n#endif\n}\n"
    clean = tree.expand(tree.strip(text))
    assert clean.count("\n") == text.count("\n")
    assert "broken" not in clean
    assert "((2) + 1)" in clean
    source = tree.parse(text)
    assert source.root is not None
    assert [n.line for n in source.root.walk() if n.kind == "return_statement"] == [8]


HOSTILE = {
    "empty": "",
    "noise": "}}}}((((\x00\x01 #define\n" * 50,
    "deep": "int f(int *a) { return " + "(" * 5000 + "a[0]" + ")" * 5000 + "; }",
    "deep blocks": "void f(int n) " + "{ if (n) " * 800 + "n++;" + "}" * 800,
    "macro bomb": "#define A B B B B B B B B\n#define B C C C C C C C C\n#define C D D D D D D D D\nint f(void) { A; A; }\n"
    * 3,
    "self macro": "#define X X X\nint f(int X) { return X; }\n",
    "recursion": "int f(int a) { return g(a); }\nint g(int a) { return f(a); }\nint h(int a) { return f(g(a)); }\n",
    "open comment": "int f(void) { return 1; } /* never closed",
    "unclosed": "void f(const int *t, int *o) { for (int i = 0; i < 3; i++) { o[i] = t[i",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_survived(name: str) -> None:
    start = time.process_time()
    found = native_findings((script(HOSTILE[name]),))
    assert found.observations == ()
    assert time.process_time() - start < 5


def test_too_large_is_said_once() -> None:
    text = "int f(int a) { return a; }\n" * 200_000
    found = native_findings((script(text),))
    assert found.observations == ()
    (note,) = found.suspects
    assert "more native code than is read" in note.why


def test_work_is_bounded_and_said() -> None:
    loops = "for (int {0} = 0; {0} < n; {0}++) {{ a[{0}] += b[{0}];"
    inner = "".join(loops.format(f"i{k}") for k in range(18)) + "}" * 18
    start = time.process_time()
    found = native_findings((script(f"void f(int *a, int *b, int n) {{ {inner} }}"),))
    assert time.process_time() - start < 10
    assert any("too many steps" in s.why for s in found.suspects)


@settings(max_examples=60, deadline=None)
@given(st.integers(-3, 3), st.integers(0, 5), st.integers(1, 4))
def test_comparing_indexes(shift: int, low: int, width: int) -> None:
    """i + shift + j with low <= j < low + width lies at most shift + low + width - 1 after i."""
    i, j = symbol("v", 1), symbol("v", 2)
    index = i.plus(j)
    assert index is not None
    index = index.plus(Lin(shift))
    assert index is not None
    ranges: dict[tuple[object, ...], tuple[Lin | None, Lin | None]] = {("v", 2): (Lin(low), Lin(low + width - 1))}
    assert furthest(index, i, ranges) == shift + low + width - 1


def test_indexes_that_cannot_be_compared() -> None:
    assert furthest(symbol("v", 1), symbol("o", 2), {}) is None


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="{}()[];=+*&<>!#\n abif\"'/\\0123", max_size=300))
def test_any_text(text: str) -> None:
    native_findings((script("void f(int *a) {" + text),))
    assert tree.strip(text).count("\n") <= text.count("\n")
