"""Mixtures of normalised experts: n-gram counts, tilts, Hedge, and what keeps them in order.

- `counts.py`: sparse tables of counts, sorted by key.
- `ngram.py`: n-gram distributions of every order over the whole vocabulary.
- `experts.py`: the one protocol that all experts speak; the network, the n-grams and the tilt behind it.
- `hedge.py`: weights by exponentiated loss, and the bound on the regret.
- `mixture.py`: experts and weights together, scored before they learn.
- `exhibit.py`: the entropy pseudo-expert, which is no distribution.
"""
