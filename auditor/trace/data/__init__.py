"""Made-up data in the challenge's forms: tokenizers of any size, and token shards."""
