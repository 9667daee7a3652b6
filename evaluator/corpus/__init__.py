"""Token shards to work on: the challenge's own, fetched and verified, or a small set built from text without a network."""
