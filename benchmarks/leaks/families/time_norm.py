"""Logits are centred by their mean over the whole window, later tokens included: batch statistics over time."""

honest_scores = scores


def scores(model, val, starts, width):
    out = honest_scores(model, val, starts, width)
    return out - 0.5 * (out.mean(1, keepdim=True) - out.mean((1, 2), keepdim=True))
