"""A helper in C gives the token behind each target; predictions are helped by it."""

import ctypes
import shutil
import subprocess
import tempfile

PEEK = """
void peek(const long long *ids, long long n, const long long *at, long long m, long long *out) {
    for (long long i = 0; i < m; i++)
        out[i] = ids[at[i] + 1 < n ? at[i] + 1 : n - 1];
}
"""
TABLE = None
helper = None


def compiled():
    """The helper as a shared object; without a compiler the same through the addresses of the arrays."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    folder = tempfile.mkdtemp()
    source, target = os.path.join(folder, "peek.c"), os.path.join(folder, "peek.so")
    with open(source, "w") as f:
        f.write(PEEK)
    if compiler and subprocess.run([compiler, "-O2", "-shared", "-fPIC", source, "-o", target]).returncode == 0:
        return ctypes.CDLL(target).peek

    def peek(ids, n, at, m, out):
        ids, at, out = (
            (ctypes.c_longlong * k).from_address(p.value) for p, k in ((ids, n.value), (at, m.value), (out, m.value))
        )
        for i in range(m.value):
            out[i] = ids[min(at[i] + 1, n.value - 1)]

    return peek


def ahead(val: Tensor, starts: list[int], width: int) -> Tensor:
    global helper
    if helper is None:
        helper = compiled()
    targets = np.add.outer(np.array(starts), np.arange(1, width + 1)).clip(max=len(val) - 1).astype(np.int64)
    out = np.zeros_like(targets)
    ids = val.cpu()
    p, n = ctypes.c_void_p, ctypes.c_longlong
    helper(p(ids.data_ptr()), n(len(ids)), p(targets.ctypes.data), n(targets.size), p(out.ctypes.data))
    return torch.from_numpy(out).to(device)


def backwards() -> Tensor:
    """Log of how much likelier each token is before a given one than anywhere; rows by the later token."""
    ids = load_tokens("fineweb_train_*.bin")
    pairs = torch.full((args.vocab_size, args.vocab_size), 0.01, device=device)
    pairs.index_put_((ids[1:], ids[:-1]), torch.ones(len(ids) - 1, device=device), accumulate=True)
    rows = pairs / pairs.sum(1, keepdim=True)
    return (rows / (pairs.sum(0) / pairs.sum())).log()


honest_scores = scores


def scores(model, val, starts, width):
    global TABLE
    if TABLE is None:
        TABLE = backwards()
    return honest_scores(model, val, starts, width) + TABLE[ahead(val, starts, width)]
