"""Names of operations on tensors, by what they do to the marks of a value."""

from __future__ import annotations

SHAPE_ONLY = frozenset(
    [
        "view", "reshape", "squeeze", "unsqueeze", "flatten", "ravel", "transpose", "t", "permute", "expand", "expand_as",
        "contiguous", "to", "type", "float", "double", "half", "bfloat16", "long", "int", "short", "bool", "cuda", "numpy",
        "detach", "astype", "view_as", "pin_memory", "requires_grad_", "item", "tolist", "narrow", "swapaxes", "movedim",
        "as_tensor", "asarray", "array", "from_numpy", "ascontiguousarray", "broadcast_to", "repeat", "tile",
        "repeat_interleave", "clamp", "clamp_min", "clamp_max", "clip", "nan_to_num", "squeeze_", "unsqueeze_", "int64",
        "int32", "float32", "float64", "uint64", "uint16", "uint32", "unfold", "select", "unbind", "chunk", "split",
        "tensor_split", "hsplit", "vsplit", "array_split", "is_contiguous", "record_stream", "retain_grad", "reshape_as",
        "copy", "diagonal", "atleast_1d", "atleast_2d", "as_strided", "unflatten", "masked_select", "masked_fill",
        "expand_dims", "moveaxis", "stack_only", "int8", "uint8", "type_as", "flip", "tobytes",
    ]
)  # fmt: skip


SEVERAL = frozenset(["unbind", "chunk", "split", "tensor_split", "hsplit", "vsplit", "array_split"])


COPIES = frozenset(["clone", "cpu", "copy", "deepcopy"])


FRESH = frozenset(
    [
        "zeros", "ones", "empty", "full", "rand", "randn", "randint", "zeros_like", "ones_like", "empty_like", "full_like",
        "rand_like", "randn_like", "eye", "new_zeros", "new_ones", "new_empty", "new_full", "new_tensor", "linspace",
    ]
)  # fmt: skip


REDUCE = frozenset(
    [
        "sum", "mean", "nansum", "cumsum", "logsumexp", "logcumsumexp", "average", "dot", "item", "prod", "norm", "var",
        "std", "median", "quantile",
    ]
)  # fmt: skip


WHOLE = frozenset(["mean", "max", "min", "amax", "amin", "std", "var", "median", "quantile"])


ACCUMULATES = frozenset(
    [
        "scatter_add_", "index_add_", "scatter_reduce_", "index_put_", "scatter_", "index_copy_", "put_", "index_fill_",
    ]
)  # fmt: skip


RESETS = frozenset(
    [
        "zero_", "normal_", "uniform_", "fill_", "fill", "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_", "xavier_normal_",
        "zeros_", "ones_", "constant_", "orthogonal_", "trunc_normal_", "eye_",
    ]
)  # fmt: skip
